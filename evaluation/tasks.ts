// Runs the cases of a run as ordinary tasks of the fleet.
//
// 1. The id of a task is a hash of run, case, model, epoch and attempt: submitted again it runs once, so a run that
//    was interrupted finds its answers, paid once.
// 2. An attempt that the fleet rejected, or that was cancelled, is no answer. The next attempt has an id of its own.
import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, TaskInput, TaskResult } from '../client/types.ts'
import { errorTable } from '../runtime/errors.ts'

/** Below every task that names no priority. */
export const EVALUATION_PRIORITY = -5

const MAX_ATTEMPTS = 5
const FIRST_RETRY_MS = 1_000
/** A budget that is used up comes back tomorrow: the run does not wait for it, it is resumed. */
const MAX_WAIT_MS = 60_000

export interface Asking {
  readonly client: Client
  readonly signal: AbortSignal
  /** Results from before it are of an earlier session of the run. */
  readonly sinceMs: number
}

/** `parts`: what names the task within its run. */
export const taskIdOf = (run: string, parts: readonly (string | number)[], attempt: number): string =>
  `eval-${hash('sha256', JSON.stringify([run, ...parts, attempt])).slice(0, 32)}`

/** The result of the first attempt that counts. Rejects if `signal` aborts; the task then continues. */
export async function askFleet(
  { client, signal, sinceMs }: Asking,
  task: TaskInput,
  idOf: (attempt: number) => string,
): Promise<TaskResult> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted()
    const { taskId } = await client.submit({ ...task, taskId: idOf(attempt) })
    const result = await unlessAborted(client.result(taskId), signal)
    if (attempt === MAX_ATTEMPTS || !isNoAnswer(result)) return result
    if (result.completedAtMs >= sinceMs) {
      if (!isRetryable(result)) return result
      const waitMs = result.error?.retryAfterMs ?? FIRST_RETRY_MS * 2 ** (attempt - 1)
      if (waitMs > MAX_WAIT_MS) return result
      await sleep(waitMs, undefined, { signal })
    }
  }
}

export const isNoAnswer = ({ status }: TaskResult): boolean => status === 'rejected' || status === 'cancelled'

function isRetryable({ status, error }: TaskResult): boolean {
  const { code = '' } = error ?? {}
  const row = Object.hasOwn(errorTable, code) ? errorTable[code as keyof typeof errorTable] : null
  return status === 'rejected' && row?.retryable === true
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Nobody waits for it then.
  work.catch(() => {})
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
