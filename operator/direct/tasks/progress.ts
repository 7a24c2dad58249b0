// Reads what tasks do now from the end of tasks.history, a bounded number of records in each lane.
import type { Codec } from '../../../runtime/codec/port.ts'
import type { Log, LogRecord } from '../../../runtime/log/port.ts'
import type { TaskProgressed } from '../../../schemas/generated/events.ts'
import { readable } from '../../../runtime/codec/skip.ts'
import { backwards } from '../topic-reads.ts'

/** Records of one read, and of one lane in all. */
const PAGE = 500
const MAX_READ = 5_000
/**
 * Events at which no call of the task waits for a person. All others may come beside one that waits: what its other calls do,
 * and `approval_decided`, which is also written behind the end of a task, about the calls that waited then.
 */
const settling: ReadonlySet<TaskProgressed['kind']> = new Set([
  'queued',
  'admitted',
  'model_called',
  'model_changed',
  'compacted',
  'code_requested',
  'step_completed',
  'completed',
] as const)

export interface Wanted {
  readonly taskId: string
  readonly lane: number
}

export interface Progress {
  /** Oldest first. */
  readonly events: readonly TaskProgressed[]
  /** False: there may be earlier events, further back than is read. */
  readonly isWhole: boolean
}

/** `whole`: reads back to the beginning of each task, otherwise as far as its phase depends on. */
export async function progressOf(
  { log, codec }: { log: Log; codec: Codec },
  wanted: readonly Wanted[],
  { whole }: { whole: boolean },
): Promise<Map<string, Progress>> {
  const found = new Map<string, Progress>()
  if (wanted.length === 0) return found
  const lanes = Map.groupBy(wanted, ({ lane }) => lane)
  const ranges = await log.ranges(['tasks.history'], { partitions: [...lanes.keys()] })
  await Promise.all(
    ranges.map(async (range) => {
      const tasks = new Set(lanes.get(range.partition)?.map(({ taskId }) => taskId) ?? [])
      const search = new Search(tasks, whole)
      if (search.isOpen)
        for await (const record of backwards(log, range, { page: PAGE, most: MAX_READ })) {
          await search.take(record, codec)
          if (!search.isOpen) break
        }
      const isAllRead = range.next - range.earliest <= MAX_READ
      for (const taskId of tasks) found.set(taskId, search.of(taskId, isAllRead))
    }),
  )
  return found
}

class Search {
  readonly #events = new Map<string, TaskProgressed[]>()
  readonly #missing: Set<string>
  readonly #tasks: ReadonlySet<string>
  readonly #whole: boolean

  constructor(tasks: ReadonlySet<string>, whole: boolean) {
    this.#tasks = tasks
    this.#missing = new Set(tasks)
    this.#whole = whole
  }

  get isOpen(): boolean {
    return this.#missing.size > 0
  }

  /** Records come newest first. */
  async take(record: LogRecord, codec: Codec): Promise<void> {
    if (record.key === null || !this.#missing.has(record.key)) return
    const decoded = await readable(codec, record)
    if (decoded?.type !== 'TaskProgressed' || !this.#tasks.has(decoded.data.taskId)) return
    const { taskId, kind } = decoded.data
    this.#events.set(taskId, [decoded.data, ...(this.#events.get(taskId) ?? [])])
    const isEnough = this.#whole ? isFirst(kind, this.#events.get(taskId) ?? []) : settling.has(kind)
    if (isEnough) this.#missing.delete(taskId)
  }

  of(taskId: string, isAllRead: boolean): Progress {
    return { events: this.#events.get(taskId) ?? [], isWhole: isAllRead || !this.#missing.has(taskId) }
  }
}

/** A queued task is admitted later, and its admission says how long it was queued. */
function isFirst(kind: TaskProgressed['kind'], [event]: readonly TaskProgressed[]): boolean {
  if (kind === 'queued') return true
  return kind === 'admitted' && fieldsOf(event)['queuedMs'] === undefined
}

/** The detail of an event, field by field; empty if it has none. */
export function fieldsOf(event: TaskProgressed | undefined): Record<string, unknown> {
  const detail: unknown = event?.detail
  return typeof detail === 'object' && detail !== null && !Array.isArray(detail) ? { ...detail } : {}
}
