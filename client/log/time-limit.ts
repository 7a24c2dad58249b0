import { FlotillaError } from '../../runtime/errors.ts'
import { exactTime } from '../../runtime/text/quantities.ts'

/** Node's timers count in 32 bits, and fire at once beyond that: a longer wait ends after this, 24 days. */
const MAX_TIMER_MS = 2_147_483_647

/** `passed` rejects with TASK_TIMED_OUT after the time, or with the signal's reason when it aborts. */
export function timeLimit(taskId: string, timeoutMs: number | undefined, signal: AbortSignal | undefined) {
  let timer: NodeJS.Timeout | undefined
  let over = false
  const { promise: passed, reject } = Promise.withResolvers<never>()
  const end = (reason: unknown) => {
    over = true
    reject(reason)
  }
  const onAbort = () => end(signal?.reason)
  if (timeoutMs !== undefined) {
    const message = `no result of ${taskId} within ${exactTime(timeoutMs)}; the task continues`
    timer = setTimeout(
      () => end(new FlotillaError('TASK_TIMED_OUT', message)),
      Math.min(timeoutMs, MAX_TIMER_MS),
    )
  }
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort)
  const cancel = () => {
    over = true
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
  return { passed, isOver: () => over, cancel }
}
