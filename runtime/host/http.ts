// The HTTP side of every process: /health, /ready, /metrics, and the routes of a door where it has one.
import Fastify, { type FastifyInstance } from 'fastify'
import { FlotillaError } from '../errors.ts'
import type { Health } from './bugs.ts'

export interface Readiness {
  readonly ready: boolean
  /** One entry a part: stage, log, store …; `problem` null when it works. */
  readonly parts: readonly { readonly name: string; readonly problem: string | null }[]
}

export interface HttpSources {
  readonly service: string
  readonly readiness: () => Promise<Readiness>
  readonly health: () => Health
  /** Prometheus text format. */
  readonly metrics: () => Promise<string>
}

const MAX_BODY_BYTES = 1_000_000

/** /health: the process lives, and whether a bug has shown itself. /ready: it can do its work, else 503 with the reasons. */
export function createHttpServer({ service, readiness, health, metrics }: HttpSources): FastifyInstance {
  const app = Fastify({ bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true })
  app.get('/health', () => ({ service, ...health() }))
  app.get('/ready', async (_request, reply) => {
    const state = await readiness()
    return reply.code(state.ready ? 200 : 503).send({ status: state.ready ? 'ready' : 'not ready', ...state })
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(await metrics()),
  )
  return app
}

/** Resolves with the URL. Rejects with PORT_IN_USE. */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EADDRINUSE') throw error
    throw new FlotillaError('PORT_IN_USE', `port ${port} on ${host} is in use; set PORT to a free port`, {
      cause: error,
    })
  }
}
