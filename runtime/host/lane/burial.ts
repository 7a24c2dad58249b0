// Records that a lane gives up before they become events: each becomes a dead letter.
//
// 1. Only a large one needs the blob store, and only that letter waits for it: the records behind it go on.
// 2. A letter that the log refuses is followed by a smaller one, and if that is refused too, only by a line
//    in the process's log.
import type { LogRecord, OutgoingRecord } from '../../log/port.ts'
import { headers as names } from '../../../schemas/topics.ts'
import type { Emit, Failure } from '../../stage.ts'
import { parseTraceparent } from '../../telemetry/trace-context.ts'
import type { GroupCommit } from './group-commit.ts'
import { countDeadLetter, deadLetter } from './dead-letters.ts'
import { persistently } from './handling.ts'
import type { HostParts } from '../context.ts'
import { eventIdOf, toRecord, type Origin } from './event-records.ts'
import { causeOf, type Refusals } from './refusals.ts'

interface Grave {
  readonly commit: GroupCommit
  readonly refusals: Refusals
  readonly lost: AbortSignal
  readonly origin: Origin
  /** A letter that waited for the blob store has been handed over, or can't be. */
  readonly done: (error?: unknown) => void
}

export class Burial {
  readonly #parts: HostParts
  readonly #grave: Grave
  #waiting = 0

  constructor(parts: HostParts, grave: Grave) {
    this.#parts = parts
    this.#grave = grave
  }

  /** Records whose letters wait for the blob store. */
  get waiting(): number {
    return this.#waiting
  }

  bury(record: LogRecord, reason: Failure): void {
    const { topic, partition, offset } = record
    const refusals = this.#grave.refusals.of(causeOf(record))?.times ?? 0
    this.#parts.instruments.log.warn(
      { topic, partition, offset, reason: reason.message },
      refusals < 2
        ? 'failed to process a record; it went to dead-letters'
        : 'record lost: the log refused its dead letter too',
    )
    if (refusals >= 2) return this.#push(record, [])
    countDeadLetter(this.#parts, topic, reason)
    const about = { record, lane: partition, attempts: 1, smallest: refusals > 0 }
    const letter = () => deadLetter(this.#parts, about, reason)
    const begun = letter()
    if (begun instanceof Promise) void this.#later(record, begun, letter)
    else this.#push(record, [this.#recordOf(record, begun)])
  }

  async #later(record: LogRecord, begun: Promise<Emit>, letter: () => Emit | Promise<Emit>): Promise<void> {
    const { lost, done } = this.#grave
    let first: Promise<Emit> | null = begun
    const store = () => {
      const pending = first ?? letter()
      first = null
      return pending
    }
    this.#waiting++
    try {
      const emit = await persistently(this.#parts, lost, store)
      if (!lost.aborted) this.#push(record, [this.#recordOf(record, emit)])
    } catch (error) {
      if (!lost.aborted) done(error)
    } finally {
      this.#waiting--
      done()
    }
  }

  #push(input: LogRecord, records: OutgoingRecord[]): void {
    const cause = causeOf(input)
    this.#grave.commit.push({ records, rows: [], input, cause, withinMs: 0, committed: () => {} })
  }

  #recordOf(record: LogRecord, emit: Emit): OutgoingRecord {
    const header = record.headers[names.traceparent] ?? null
    const traceparent = parseTraceparent(header) ? header : null
    const value = this.#parts.codec.encode(emit.type, emit.data as never, emit.topic)
    const cause = { key: 'none', event: { id: eventIdOf(record, this.#grave.origin) }, span: { traceparent } }
    return toRecord(this.#parts, emit, value, cause, 0)
  }
}
