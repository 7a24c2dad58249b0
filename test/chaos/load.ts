// Load on a fleet: keeps so many tasks in flight, at most so many a second, through gateways that may be killed at any moment.
//
// A task is submitted under an id of its own until the submission is acknowledged, as a careful client would: so a
// submission that was lost with the gateway, or acknowledged to nobody, is one task all the same.
import { setTimeout as pause } from 'node:timers/promises'
import { note } from './evidence.ts'
import type { ChaosTask } from './tasks.ts'

export interface LoadOptions {
  /** Base URL of a gateway; asked for at each try, because it may come back elsewhere. */
  url(): string
  readonly inFlight: number
  /** Submissions of `tasks` a second; without it, as fast as `inFlight` allows. */
  readonly perSecond?: number
  /** How many tasks of this load have a result by now. */
  completed(): number
  /** What is submitted as `index`-th: each when the one before it is acknowledged. */
  tasks(index: number): readonly ChaosTask[]
  /** Where acknowledgements are noted. */
  readonly clients: string
}

export interface Load {
  /** Acknowledged so far. */
  readonly submitted: readonly string[]
  /** In flight at this moment. */
  inFlight(): number
  /** Submits no more; resolves when what is under way is acknowledged. */
  stop(): Promise<readonly string[]>
  /** Ends at once, acknowledged or not: after a failed run. */
  abandon(): void
}

const SUBMITTERS = 8
const RETRY_MS = 50
const TASK_TIMEOUT_MS = 600_000
/** Longer by far than gateways are away: past this the run has failed. */
const ACKNOWLEDGED_WITHIN_MS = 300_000

export function startLoad(options: LoadOptions): Load {
  const submitted: string[] = []
  const cancelling = new Set<Promise<void>>()
  const beganMs = Date.now()
  let next = 0
  let begun = 0
  let stopped = false
  let abandoned = false
  const mayGo = () =>
    begun - options.completed() < options.inFlight &&
    (options.perSecond === undefined || next < ((Date.now() - beganMs) / 1_000) * options.perSecond)
  const untilAcknowledged = async (path: string, body: object): Promise<void> => {
    const deadlineMs = Date.now() + ACKNOWLEDGED_WITHIN_MS
    while (!abandoned && !(await post(`${options.url()}${path}`, body))) {
      if (Date.now() > deadlineMs)
        throw new Error(`no gateway acknowledged ${path} within ${ACKNOWLEDGED_WITHIN_MS} ms`)
      await pause(RETRY_MS)
    }
  }
  const cancel = async (taskId: string, afterMs: number): Promise<void> => {
    await pause(afterMs)
    await untilAcknowledged(`/v1/tasks/${taskId}/cancel`, { reason: 'its user changed their mind' })
    if (abandoned) return
    note(options.clients, { event: 'cancelled', taskId, atMs: Date.now() })
  }
  const submit = async ({ cancelAfterMs, ...task }: ChaosTask): Promise<void> => {
    const { taskId } = task
    await untilAcknowledged('/v1/tasks', { ...task, timeoutMs: TASK_TIMEOUT_MS })
    if (abandoned) return
    submitted.push(taskId)
    note(options.clients, { event: 'submitted', taskId, atMs: Date.now() })
    if (cancelAfterMs === undefined) return
    const done = cancel(taskId, cancelAfterMs).finally(() => cancelling.delete(done))
    cancelling.add(done)
  }
  const submitters = Array.from({ length: SUBMITTERS }, async () => {
    while (!stopped) {
      if (!mayGo()) {
        await pause(10)
        continue
      }
      const tasks = options.tasks(next++)
      begun += tasks.length
      for (const task of tasks) await submit(task)
    }
  })
  return {
    submitted,
    inFlight: () => submitted.length - options.completed(),
    stop: async () => {
      stopped = true
      await Promise.all(submitters)
      await Promise.all(cancelling)
      return submitted
    },
    abandon: () => {
      stopped = true
      abandoned = true
    },
  }
}

/** True: acknowledged. False: nobody knows; ask again. */
async function post(url: string, body: object): Promise<boolean> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(15_000) })
    await response.arrayBuffer()
    // 200: this submission was accepted before, and its acknowledgement was lost.
    const isAccepted = response.status === 202 || response.status === 200
    if (response.status < 500 && !isAccepted) throw new RangeError(`${url} answered ${response.status}`)
    return isAccepted
  } catch (error) {
    if (error instanceof RangeError) throw error
    return false
  }
}
