// A name for what the key-value store holds, so that its loss is known: FLUSHALL, an empty server in its place, a server
// that evicts, or a copy from before the name was written.
//
// 1. The name is a key that nobody deletes. Where there is none, one is made: what the store held before is gone, or it
//    never held anything.
// 2. Lanes keep the name in their rows (lane/quarantine.ts). A call that a dead owner of a lane may have begun, and that
//    the journal knows nothing of, is in doubt if the name is another one by now.
// 3. A living process writes its entries again by itself (calls/journal.ts, 7), so a new name is the lanes' from the next
//    look on.
import { randomUUID } from 'node:crypto'
import type { KeyValue } from '../store/port.ts'
import type { Instruments } from '../telemetry/instruments.ts'

const KEY = 'identity'
const LOOK_EVERY_MS = 30_000
/** A process opens many lanes at once. */
const KEPT_MS = 1_000

/** Null for a data file: it holds log and journal, and loses both or neither. */
export function nameStore(
  store: KeyValue,
  instruments: Pick<Instruments, 'log' | 'count'>,
): StoreIdentity | null {
  return store.kind === 'redis' ? new StoreIdentity(store, instruments) : null
}

export class StoreIdentity {
  readonly #store: Pick<KeyValue, 'get' | 'compareAndSet'>
  readonly #instruments: Pick<Instruments, 'log' | 'count'>
  readonly #listeners = new Set<(name: string) => void>()
  readonly #timer: NodeJS.Timeout
  #known: string | null = null
  #read: { readonly name: Promise<string>; readonly untilMs: number } | null = null

  constructor(
    store: Pick<KeyValue, 'get' | 'compareAndSet'>,
    instruments: Pick<Instruments, 'log' | 'count'>,
    everyMs = LOOK_EVERY_MS,
  ) {
    this.#store = store
    this.#instruments = instruments
    this.#timer = setInterval(() => void this.recent().catch(() => {}), everyMs).unref()
  }

  /** Asks the store. Rejects if it can't be asked. */
  async current(): Promise<string> {
    const name = await nameOf(this.#store)
    this.#note(name)
    return name
  }

  /** At most a second old. */
  recent(): Promise<string> {
    if (this.#read === null || performance.now() > this.#read.untilMs) {
      const read = { name: this.current(), untilMs: performance.now() + KEPT_MS }
      read.name.catch(() => {
        if (this.#read === read) this.#read = null
      })
      this.#read = read
    }
    return this.#read.name
  }

  /** Calls the listener with each new name. Returns how to stop that. */
  onChange(listener: (name: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #note(name: string): void {
    const before = this.#known
    if (name === before) return
    this.#known = name
    if (before === null) return
    const { log, count } = this.#instruments
    log.error(
      {},
      'the key-value store has lost what it held, the call journal with it: calls that a dead process had begun are in doubt. ' +
        'The limits are lost too (flotilla limits rebuild)',
    )
    count('store_losses', 1)
    for (const listener of this.#listeners) listener(name)
  }
}

async function nameOf(store: Pick<KeyValue, 'get' | 'compareAndSet'>): Promise<string> {
  const found = await store.get(KEY)
  if (found !== null) return found
  const made = randomUUID()
  const written = await store.compareAndSet(KEY, null, made)
  return written.swapped ? made : (written.current ?? made)
}
