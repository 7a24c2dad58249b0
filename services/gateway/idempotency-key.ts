import type { FastifyRequest } from 'fastify'
import { FlotillaError } from '../../runtime/errors.ts'
import { isTaskId, shown } from '../../schemas/identity.ts'

/** The header Idempotency-Key, which becomes the id of a task. Throws REQUEST_INVALID if it can't be one. */
export function idempotencyKeyOf({ headers }: Pick<FastifyRequest, 'headers'>): string | null {
  const header = headers['idempotency-key']
  if (header === undefined) return null
  // As the draft standard writes it, in quotes, or as everybody does.
  const taskId = String(header).replace(/^"(.*)"$/, '$1')
  if (isTaskId(taskId)) return taskId
  throw new FlotillaError(
    'REQUEST_INVALID',
    `Idempotency-Key becomes the id of the task: it may hold letters, digits and . _ : - (no . or .. alone) and at most 128 of them, so it can't be "${shown(taskId)}"`,
  )
}
