import type { BatchOptions, Client, TaskInput, TaskResult } from './types.ts'

const DEFAULT_WORKERS = 10

/**
 * Keeps `maxWorkers` tasks in flight. A task that can't be submitted rejects the iteration; running ones
 * continue.
 */
export async function* runBatch(
  client: Pick<Client, 'submit' | 'result'>,
  tasks: Iterable<TaskInput>,
  { maxWorkers = DEFAULT_WORKERS, timeoutMs, ordered = true }: BatchOptions,
): AsyncIterable<TaskResult> {
  const waiting = tasks[Symbol.iterator]()
  const running = new Map<number, Promise<{ index: number; result: TaskResult }>>()
  let count = 0
  const startNext = (): void => {
    const next = waiting.next()
    if (next.done) return
    const index = count++
    const started = runOne(client, timeoutMs === undefined ? next.value : { timeoutMs, ...next.value })
    const labelled = started.then((result) => ({ index, result }))
    // Ordered reading may reach a later failure late; until then it must not count as unhandled.
    labelled.catch(() => {})
    running.set(index, labelled)
  }
  while (count < maxWorkers) {
    const before = count
    startNext()
    if (count === before) break
  }
  for (let turn = 0; running.size > 0; turn++) {
    const oldest = running.get(turn)
    const { index, result } = await (ordered && oldest ? oldest : Promise.race(running.values()))
    running.delete(index)
    startNext()
    yield result
  }
}

async function runOne(client: Pick<Client, 'submit' | 'result'>, task: TaskInput): Promise<TaskResult> {
  const { taskId } = await client.submit(task)
  return client.result(taskId)
}
