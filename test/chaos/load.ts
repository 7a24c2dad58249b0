// Load on a fleet: keeps so many tasks in flight, through a gateway that may be killed at any moment.
//
// A task is submitted under an id of its own until the submission is acknowledged, as a careful client would: so a
// submission that was lost with the gateway, or acknowledged to nobody, is one task all the same.
import { setTimeout as pause } from 'node:timers/promises'

export interface LoadOptions {
  /** Base URL of a gateway; asked for at each try, because it may come back elsewhere. */
  url(): string
  readonly inFlight: number
  /** How many tasks have a result by now. */
  completed(): number
  /** The `index`-th task. */
  task(index: number): { text: string; mode?: 'code' | 'tools' }
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

export function startLoad(options: LoadOptions): Load {
  const submitted: string[] = []
  let next = 0
  let stopped = false
  let abandoned = false
  const submitters = Array.from({ length: SUBMITTERS }, async () => {
    while (!stopped) {
      if (next - options.completed() >= options.inFlight) {
        await pause(10)
        continue
      }
      const index = next++
      const taskId = `chaos-${index}`
      const task = { ...options.task(index), taskId, timeoutMs: TASK_TIMEOUT_MS }
      while (!(await submit(options.url(), task))) {
        if (abandoned) return
        await pause(RETRY_MS)
      }
      submitted.push(taskId)
    }
  })
  return {
    submitted,
    inFlight: () => submitted.length - options.completed(),
    stop: async () => {
      stopped = true
      await Promise.all(submitters)
      return submitted
    },
    abandon: () => {
      stopped = true
      abandoned = true
    },
  }
}

async function submit(url: string, task: object): Promise<boolean> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(task) }
  try {
    const response = await fetch(`${url}/v1/tasks`, init)
    await response.arrayBuffer()
    if (response.status < 500 && response.status !== 202) throw new RangeError(`answered ${response.status}`)
    return response.status === 202
  } catch (error) {
    if (error instanceof RangeError) throw error
    return false
  }
}
