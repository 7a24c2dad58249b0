import type { FastifyInstance } from 'fastify'
import type { AlertOperator } from '../../../operator/alerts.ts'
import { FlotillaError } from '../../../runtime/errors.ts'

type Params = { rule: string }
type Silence = { untilMs?: unknown; reason?: unknown; by?: unknown } | null

/** Rules with their state and silences; silencing one; a test of its channels. */
export function alertRoutes(app: FastifyInstance, operator: AlertOperator): void {
  app.get('/v1/alerts', () => operator.alerts())

  app.post<{ Params: Params; Body: Silence }>('/v1/alerts/:rule/silence', async ({ params, body }, reply) => {
    const { untilMs, reason, by } = body ?? {}
    if (typeof untilMs !== 'number' || !Number.isSafeInteger(untilMs))
      throw new FlotillaError('REQUEST_INVALID', 'untilMs must be a time in epoch milliseconds')
    const more = {
      ...(typeof reason === 'string' ? { reason } : {}),
      ...(typeof by === 'string' ? { by } : {}),
    }
    await operator.silence(params.rule, { untilMs, ...more })
    return reply.code(202).send({ rule: params.rule, untilMs })
  })

  app.post<{ Params: Params }>('/v1/alerts/:rule/test', ({ params }) => operator.testAlert(params.rule))
}
