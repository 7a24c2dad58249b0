// Delivery: after a commit the readers of the written partitions are woken; nothing polls.
//
// 1. A cursor's records go out in offset order, each once, in bounded batches.
// 2. Readers take turns, one batch each; within a reader its cursors take turns. None can starve another.
// 3. A reader whose handler is asynchronous gets its next batch after the handler has ended.
import type { LogRecord, LogTopic } from '../port.ts'
import type { LogStorage, ReadLimit, Slot } from './storage.ts'

const batch: ReadLimit = { records: 256, bytes: 1_048_576 }
/** Records delivered before yielding to other work of the process. */
const RECORDS_A_TURN = 1_024

export interface Cursor {
  readonly slot: Slot
  next: number
  paused: boolean
}

export type Deliver = (records: readonly LogRecord[], cursor: Cursor) => void | Promise<void>

export class Reader {
  readonly #pump: Pump
  readonly #deliver: Deliver
  readonly #cursors = new Map<Slot, Cursor>()
  readonly #ready = new Set<Cursor>()
  #busy = false
  #closed = false

  constructor(pump: Pump, deliver: Deliver) {
    this.#pump = pump
    this.#deliver = deliver
  }

  add(slot: Slot, from: number): void {
    // A position beyond the end, whose records were lost, resumes at the end.
    const cursor = { slot, next: Math.min(from, slot.next), paused: false }
    this.#cursors.set(slot, cursor)
    this.#pump.subscribe(slot, this)
    this.wake(slot)
  }

  remove(slot: Slot): void {
    const cursor = this.#cursors.get(slot)
    this.#cursors.delete(slot)
    if (cursor) this.#ready.delete(cursor)
    this.#pump.unsubscribe(slot, this)
  }

  setPaused(topics: readonly LogTopic[], paused: boolean): void {
    for (const cursor of this.#cursors.values()) {
      if (!topics.includes(cursor.slot.topic)) continue
      cursor.paused = paused
      if (paused) this.#ready.delete(cursor)
      else this.wake(cursor.slot)
    }
  }

  wake(slot: Slot): void {
    const cursor = this.#cursors.get(slot)
    if (this.#closed || !cursor || cursor.paused || cursor.next >= slot.next) return
    this.#ready.add(cursor)
    if (!this.#busy) this.#pump.enqueue(this)
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
    const [cursor] = this.#ready
    if (this.#busy || !cursor) return 0
    this.#ready.delete(cursor)
    const { slot } = cursor
    const found = storage.read(slot, cursor.next, batch)
    const last = found.at(-1)
    if (last) {
      cursor.next = last.offset + 1
      const records = found.map((record) => ({ ...record, topic: slot.topic, partition: slot.partition }))
      const handled = this.#deliver(records, cursor)
      if (handled) this.#wait(handled, cursor)
      else this.wake(slot)
    }
    if (this.#ready.size > 0 && !this.#busy) this.#pump.enqueue(this)
    return found.length
  }

  #wait(handled: Promise<void>, cursor: Cursor): void {
    this.#busy = true
    void handled.then(() => {
      this.#busy = false
      this.wake(cursor.slot)
      if (this.#ready.size > 0 && !this.#closed) this.#pump.enqueue(this)
    })
  }
}

export class Pump {
  readonly #storage: LogStorage
  readonly #soon: (fn: () => void) => void
  readonly #subscribers = new Map<Slot, Set<Reader>>()
  readonly #queue = new Set<Reader>()
  #scheduled = false
  #closed = false

  constructor(storage: LogStorage, soon: (fn: () => void) => void) {
    this.#storage = storage
    this.#soon = soon
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
    this.#queue.add(reader)
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#soon(() => {
      this.#scheduled = false
      this.#turn()
    })
  }

  close(): void {
    this.#closed = true
    this.#queue.clear()
  }

  #turn(): void {
    let delivered = 0
    while (delivered < RECORDS_A_TURN && !this.#closed) {
      const [reader] = this.#queue
      if (!reader) return
      this.#queue.delete(reader)
      delivered += reader.step(this.#storage)
    }
    const [waiting] = this.#queue
    if (waiting) this.enqueue(waiting)
  }
}
