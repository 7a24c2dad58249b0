// A fair queue by key. Keys take turns, so a key with a thousand entries delays another by a single entry.

export interface QueueBounds {
  readonly entries: number
  readonly entriesPerKey: number
}

export class FairQueue<T> {
  readonly #bounds: QueueBounds
  /** In the order in which the keys take their turns. */
  readonly #byKey = new Map<string, T[]>()
  #size = 0

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds
  }

  get size(): number {
    return this.#size
  }

  /** False: it is full, for this key or for all. */
  push(key: string, entry: T): boolean {
    const waiting = this.#byKey.get(key)
    const { entries, entriesPerKey } = this.#bounds
    if (this.#size >= entries || (waiting?.length ?? 0) >= entriesPerKey) return false
    if (waiting) waiting.push(entry)
    else this.#byKey.set(key, [entry])
    this.#size += 1
    return true
  }

  /** The next entry of the key whose turn it is. */
  shift(): T | undefined {
    const [turn] = this.#byKey
    if (!turn) return undefined
    const [key, waiting] = turn
    const entry = waiting.shift()
    this.#byKey.delete(key)
    if (waiting.length > 0) this.#byKey.set(key, waiting)
    this.#size -= 1
    return entry
  }

  remove(key: string, entry: T): void {
    const waiting = this.#byKey.get(key)
    const at = waiting?.indexOf(entry) ?? -1
    if (!waiting || at < 0) return
    waiting.splice(at, 1)
    this.#size -= 1
    if (waiting.length === 0) this.#byKey.delete(key)
  }
}
