// Delivery: after a commit the readers of the written partitions are woken; nothing polls.
//
// 1. A cursor's records go out in offset order, each once, in bounded batches.
// 2. Readers take turns, one batch each; within a reader its cursors take turns. None can starve another.
// 3. A reader whose handler is asynchronous gets its next batch after the handler has ended.
// 4. What can't be read now, because another program has locked the file or its disk fails, is read again in a moment.
//    What is damaged ends delivery, for all.
import { sleep, type Clock } from '../../clock.ts'
import { hasCode } from '../../errors.ts'
import { isDamage } from '../../store/data-file/errors.ts'
import type { LogRecord, LogTopic } from '../port.ts'
import type { LogStorage, ReadLimit, Slot } from './storage.ts'

const batch: ReadLimit = { records: 256, bytes: 1_048_576 }
const READ_AGAIN_MS = 250
/** Records delivered before yielding to other work of the process. */
const RECORDS_A_TURN = 1_024

export interface Cursor {
  readonly slot: Slot
  next: number
  paused: boolean
  /** It waits for its turn. */
  ready: boolean
}

export type Deliver = (records: readonly LogRecord[], cursor: Cursor) => void | Promise<void>

export class Reader {
  readonly #pump: Pump
  readonly #deliver: Deliver
  readonly #cursors = new Map<Slot, Cursor>()
  /** In the order of their turns. */
  readonly #ready: Cursor[] = []
  /** It waits for its turn in the pump. */
  queued = false
  #busy = false
  #closed = false

  constructor(pump: Pump, deliver: Deliver) {
    this.#pump = pump
    this.#deliver = deliver
  }

  add(slot: Slot, from: number): void {
    // A position beyond the end, whose records were lost, resumes at the end.
    const cursor = { slot, next: Math.min(from, slot.next), paused: false, ready: false }
    this.#cursors.set(slot, cursor)
    this.#pump.subscribe(slot, this)
    this.wake(slot)
  }

  remove(slot: Slot): void {
    const cursor = this.#cursors.get(slot)
    this.#cursors.delete(slot)
    if (cursor) this.#leave(cursor)
    this.#pump.unsubscribe(slot, this)
  }

  setPaused(topics: readonly LogTopic[], paused: boolean): void {
    for (const cursor of this.#cursors.values()) {
      if (!topics.includes(cursor.slot.topic)) continue
      cursor.paused = paused
      if (paused) this.#leave(cursor)
      else this.wake(cursor.slot)
    }
  }

  wake(slot: Slot): void {
    const cursor = this.#cursors.get(slot)
    if (this.#closed || !cursor || cursor.paused || cursor.next >= slot.next) return
    if (!cursor.ready) this.#ready.push(cursor)
    cursor.ready = true
    if (!this.#busy) this.#pump.enqueue(this)
  }

  #leave(cursor: Cursor): void {
    if (cursor.ready) this.#ready.splice(this.#ready.indexOf(cursor), 1)
    cursor.ready = false
  }

  /** Offsets of the slot went back: cursors past its end resume at the end. */
  rewind(slot: Slot): void {
    const cursor = this.#cursors.get(slot)
    if (cursor && cursor.next > slot.next) cursor.next = slot.next
  }

  close(): void {
    this.#closed = true
    for (const slot of [...this.#cursors.keys()]) this.remove(slot)
  }

  /** Hands out one batch of the cursor that has waited longest. Returns how many records. */
  step(storage: LogStorage): number {
    const cursor = this.#busy ? undefined : this.#ready.shift()
    if (!cursor) return 0
    cursor.ready = false
    const { slot } = cursor
    const again = (): void => this.wake(slot)
    const found = this.#pump.tryRead(() => storage.read(slot, cursor.next, batch), again) ?? []
    const last = found.at(-1)
    if (last) {
      cursor.next = last.offset + 1
      const handled = this.#deliver(found, cursor)
      if (handled) this.#wait(handled, cursor)
      else this.wake(slot)
    }
    if (this.#ready.length > 0 && !this.#busy) this.#pump.enqueue(this)
    return found.length
  }

  #wait(handled: Promise<void>, cursor: Cursor): void {
    this.#busy = true
    void handled.then(() => {
      this.#busy = false
      this.wake(cursor.slot)
      if (this.#ready.length > 0 && !this.#closed) this.#pump.enqueue(this)
    })
  }
}

export interface PumpParts {
  readonly storage: LogStorage
  readonly clock: Clock
  /** Runs `fn` in a later tick, in the order of calls. */
  readonly soon: (fn: () => void) => void
  /** Called when a record that was to be delivered is damaged. */
  readonly onDamage: (error: Error) => void
}

export class Pump {
  readonly #parts: PumpParts
  readonly #subscribers = new Map<Slot, Set<Reader>>()
  readonly #queue: Reader[] = []
  #scheduled = false
  #closed = false

  constructor(parts: PumpParts) {
    this.#parts = parts
  }

  /** Null if that fails now: `again` is called in a moment, unless the file is damaged. */
  tryRead<T>(read: () => T, again: () => void): T | null {
    try {
      return read()
    } catch (error) {
      if (!hasCode(error, 'LOG_UNAVAILABLE')) throw error
      if (isDamage(error)) this.#parts.onDamage(error)
      else void sleep(this.#parts.clock, READ_AGAIN_MS).then(again)
      return null
    }
  }

  subscribe(slot: Slot, reader: Reader): void {
    const readers = this.#subscribers.get(slot) ?? new Set()
    this.#subscribers.set(slot, readers.add(reader))
  }

  unsubscribe(slot: Slot, reader: Reader): void {
    this.#subscribers.get(slot)?.delete(reader)
  }

  /** Records of these slots were committed. */
  wake(slots: Iterable<Slot>): void {
    for (const slot of slots) for (const reader of this.#subscribers.get(slot) ?? []) reader.wake(slot)
  }

  /** Offsets of these slots went back. */
  rewind(slots: Iterable<Slot>): void {
    for (const slot of slots) for (const reader of this.#subscribers.get(slot) ?? []) reader.rewind(slot)
  }

  enqueue(reader: Reader): void {
    if (!reader.queued) this.#queue.push(reader)
    reader.queued = true
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#parts.soon(() => {
      this.#scheduled = false
      this.#turn()
    })
  }

  close(): void {
    this.#closed = true
    for (const reader of this.#queue.splice(0)) reader.queued = false
  }

  #turn(): void {
    let delivered = 0
    while (delivered < RECORDS_A_TURN && !this.#closed) {
      const reader = this.#queue.shift()
      if (!reader) return
      reader.queued = false
      delivered += reader.step(this.#parts.storage)
    }
    if (this.#queue.length > 0) this.#schedule()
  }
}
