// Which records of a lane are finished.
//
// 1. A position is the lowest unfinished offset; what is finished beyond it goes into the metadata, as runs
//    of the *unfinished* offsets below `next`: a gap (control record, compaction) then needs no entry. Before
//    a record is taken, the longest that it can become by finishing in any order is measured: a record that
//    would pass METADATA_BYTES must wait.
// 2. Delivery is in offset order. An unfinished offset that a later one overtakes is gone from the log and is
//    dropped.
// 3. `offer` answers true once for each record, however often it is delivered.
import type { LogRecord, LogTopic, Position } from '../../log/port.ts'
import { decodeFinished, encodeFinished } from '../../log/position-metadata.ts'

/** Below the 4,096 bytes that brokers allow. */
export const METADATA_BYTES = 3_000
/** Comma and gap of one unfinished offset: 2^53 has 11 digits in base 36. */
const MOST_BYTES = 12

class TopicOffsets {
  /** One past the highest offset taken. */
  next: number
  /** Unfinished offsets, and whether each is taken or only restored; ascending, because delivery is. */
  readonly #open = new Map<number, boolean>()
  /** Restored as unfinished and not delivered again yet. */
  #awaited: number

  constructor(base: number, metadata: string) {
    const { next, unfinished } = decodeFinished(base, metadata)
    this.next = next
    for (const offset of unfinished) this.#open.set(offset, false)
    this.#awaited = unfinished.length
  }

  get base(): number {
    for (const offset of this.#open.keys()) return offset
    return this.next
  }

  get unfinished(): Iterable<number> {
    return this.#open.keys()
  }

  offer(offset: number): boolean {
    if (this.#awaited > 0) this.#dropOvertaken(offset)
    if (offset >= this.next) this.next = offset + 1
    else if (this.#open.get(offset) === false) this.#awaited--
    else return false
    this.#open.set(offset, true)
    return true
  }

  #dropOvertaken(offset: number): void {
    for (const [old, isTaken] of this.#open) {
      if (old >= offset) return
      if (isTaken) continue
      this.#open.delete(old)
      this.#awaited--
    }
  }

  /**
   * Whether one more may be taken. Metadata is longest if no two unfinished offsets are adjacent, and
   * finishing one never makes it longer than all of them written separately.
   */
  hasRoom(limitBytes: number): boolean {
    const { size } = this.#open
    if (size === 0) return true
    const most = MOST_BYTES * (size + 2)
    return most <= limitBytes || this.#mostBytes() + 2 * MOST_BYTES <= limitBytes
  }

  #mostBytes(): number {
    let bytes = 0
    let end = this.base
    for (const offset of this.unfinished) {
      bytes += 1 + digits(offset - end)
      end = offset + 1
    }
    return bytes
  }

  finish(offset: number): void {
    this.#open.delete(offset)
  }
}

const digits = (gap: number): number => gap.toString(36).length

/** Positions of one lane, over all topics that its stage consumes. */
export class OffsetTracker {
  readonly #topics = new Map<LogTopic, TopicOffsets>()
  readonly #dirty = new Set<LogTopic>()
  readonly #metadataBytes: number

  constructor(positions: readonly Position[], metadataBytes: number = METADATA_BYTES) {
    this.#metadataBytes = metadataBytes
    for (const { topic, offset, metadata } of positions)
      this.#topics.set(topic, new TopicOffsets(offset, metadata))
  }

  /**
   * False: taking this record might make the metadata of its topic too long. A record that is already
   * unfinished always has room.
   */
  hasRoom({ topic, offset }: LogRecord): boolean {
    const offsets = this.#topics.get(topic)
    return !offsets || offset < offsets.next || offsets.hasRoom(this.#metadataBytes)
  }

  /** True when the record is new to this lane; the caller then owes a `finish`. */
  offer(record: LogRecord): boolean {
    let offsets = this.#topics.get(record.topic)
    if (!offsets) this.#topics.set(record.topic, (offsets = new TopicOffsets(record.offset, '')))
    return offsets.offer(record.offset)
  }

  finish(topic: LogTopic, offset: number): void {
    this.#topics.get(topic)?.finish(offset)
    this.#dirty.add(topic)
  }

  get hasChanges(): boolean {
    return this.#dirty.size > 0
  }

  /** Positions that moved since the last call. */
  takeChanges(): Position[] {
    const changed: Position[] = []
    for (const topic of this.#dirty) {
      const offsets = this.#topics.get(topic)
      if (offsets) changed.push({ topic, offset: offsets.base, metadata: encodeFinished(offsets) })
    }
    this.#dirty.clear()
    return changed
  }
}
