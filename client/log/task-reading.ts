// What one reader of a task's events gets of each record, and where a stream begins.
import type { PartitionRange } from '../../runtime/log/port.ts'
import type { TaskProgressed } from '../../schemas/generated/events.ts'
import { Drafts } from '../drafts.ts'
import { formatCursor, type Place } from '../positions.ts'
import { progressEvents } from '../progress-events.ts'
import type { StreamedEvent } from '../types.ts'
import type { Seen } from './history.ts'

export class TaskReading {
  readonly #taskId: string
  readonly #start: Place | null
  readonly #drafts: Drafts
  #isFirst: boolean
  #endedAt: string | null = null

  /** `start`: where the reader was. `answeredStep`: the last step whose answer it has. */
  constructor(taskId: string, start: Place | null, answeredStep: number) {
    this.#taskId = taskId
    this.#start = start
    this.#drafts = new Drafts(taskId, answeredStep)
    this.#isFirst = start === null
  }

  /** The id behind the end of the task; null before it was seen. */
  get endedAt(): string | null {
    return this.#endedAt
  }

  *take(seen: Seen): Generator<StreamedEvent> {
    if (seen.type === 'TokensStreamed') yield* bestEffort(this.#drafts.piece(seen.data))
    else if (seen.place.topic === 'tasks.streaming') yield* bestEffort(progressEvents(seen.data))
    else yield* this.#record(seen)
  }

  *#record({
    data,
    place: { partition, offset, resumedEpoch },
  }: Seen & { type: 'TaskProgressed' }): Generator<StreamedEvent> {
    if (this.#isFirst && !beginsTask(data)) yield eventsLost(this.#taskId, 'retention')
    this.#isFirst = false
    const events = progressEvents(data, resumedEpoch)
    const isEnd = data.kind === 'completed'
    // The result is one more.
    const count = events.length + (isEnd ? 1 : 0)
    const idOf = (read: number) =>
      formatCursor(new Map([[partition, { offset, events: read === count ? null : read }]]))
    const read = readOf(this.#start, offset)
    for (const [index, event] of events.entries()) {
      if (index < read) continue
      yield* bestEffort(this.#drafts.before(event))
      yield { id: idOf(index + 1), ...event } as StreamedEvent
    }
    if (isEnd) this.#endedAt = idOf(count)
  }
}

function* bestEffort(events: ReturnType<typeof progressEvents>): Generator<StreamedEvent> {
  for (const event of events) yield { id: null, ...event } as StreamedEvent
}

/** Whether this is the first thing in the history of a task. */
const beginsTask = ({ kind, stage }: TaskProgressed): boolean =>
  kind === 'queued' || kind === 'admitted' || (kind === 'completed' && stage === 'router')

export const eventsLost = (taskId: string | null, reason: Lost): StreamedEvent => ({
  id: null,
  type: 'events.lost',
  taskId,
  reason,
})

type Lost = 'retention' | 'other_log'

/**
 * Where a reader goes on that was at this place, and what it has lost. `start` null: it is a place of another
 * log, or the reader was nowhere.
 */
export function begin(
  place: Place | null,
  { earliest, next }: PartitionRange,
): { readonly start: Place | null; readonly lost: Lost | null } {
  if (place === null) return { start: null, lost: null }
  if (place.offset >= next) return { start: null, lost: 'other_log' }
  if (place.offset + 1 >= earliest) return { start: place, lost: null }
  return { start: { offset: earliest - 1, events: null }, lost: 'retention' }
}

export const firstUnread = ({ offset, events }: Place): number => offset + (events === null ? 1 : 0)

/** How many events of this record were read already. */
export const readOf = (place: Place | null, offset: number): number =>
  place?.offset === offset ? (place.events ?? 0) : 0
