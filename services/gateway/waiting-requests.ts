import type { FastifyReply } from 'fastify'
import type { LogClient } from '../../client/log/client.ts'
import type { TaskResult } from '../../client/types.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { OpenStreams } from '../../runtime/host/open-streams.ts'
import { clientOf } from './access/principal.ts'

/** Together with the streams fewer than connections, so that a request that does not wait always gets one. */
const MAX_WAITERS = 800
/** One client leaves room for others. */
const MAX_WAITERS_PER_CLIENT = 500

/** Requests that wait for a result: a bounded number, each until its client goes away. */
export class WaitingRequests {
  readonly #client: LogClient
  readonly #open = new OpenStreams({ total: MAX_WAITERS, perClient: MAX_WAITERS_PER_CLIENT })

  constructor(client: LogClient) {
    this.#client = client
  }

  /** Null if there is none within the time. Rejects with TOO_MANY_STREAMS. */
  async wait(taskId: string, timeoutMs: number, reply: FastifyReply): Promise<TaskResult | null> {
    const release = this.#open.take(clientOf(reply.request))
    const gone = new AbortController()
    const onClose = (): void => gone.abort()
    if (reply.raw.destroyed) gone.abort()
    reply.raw.once('close', onClose)
    try {
      return await this.#client.result(taskId, { timeoutMs, signal: gone.signal })
    } catch (error) {
      if (gone.signal.aborted || codeOf(error) === 'TASK_TIMED_OUT') return null
      throw error
    } finally {
      reply.raw.off('close', onClose)
      release()
    }
  }

  /** The task is submitted in any case: if no more requests may wait, null. */
  async afterSubmitting(taskId: string, timeoutMs: number, reply: FastifyReply): Promise<TaskResult | null> {
    try {
      return await this.wait(taskId, timeoutMs, reply)
    } catch (error) {
      if (codeOf(error) === 'TOO_MANY_STREAMS') return null
      throw error
    }
  }
}

const codeOf = (error: unknown): string | null => (error instanceof FlotillaError ? error.code : null)
