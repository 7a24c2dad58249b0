/** What is kept for a reader that has not asked for it yet. */
export interface Room {
  readonly items: number
  readonly bytes: number
}

const ROOM: Room = { items: 1_000, bytes: 1_048_576 }

/**
 * An async iterable fed from outside. `push` buffers items that were not asked for yet, up to a limit, then
 * waits; `offer` refuses beyond it; `hand` waits until the reader asks for the next item, so it knows that
 * this one was processed.
 */
export class Stream<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  readonly #items: { readonly value: T; readonly bytes: number }[] = []
  readonly #takers: PromiseWithResolvers<IteratorResult<T>>[] = []
  readonly #blocked: (() => void)[] = []
  readonly #handed: ((dealtWith: boolean) => void)[] = []
  readonly #room: Room
  readonly #onEnd: () => Promise<void> | void
  #bytes = 0
  #ended: { readonly released: Promise<void> } | null = null
  #failed: unknown = null

  /** `onEnd` runs once, whether the reader leaves or the feeding side ends the stream. */
  constructor(onEnd: () => Promise<void> | void = () => {}, room = ROOM) {
    this.#onEnd = onEnd
    this.#room = room
  }

  get isEnded(): boolean {
    return this.#ended !== null
  }

  /** Resolves when there is room for more. */
  async push(item: T): Promise<void> {
    if (this.#ended || this.#give(item)) return
    this.#keep(item, 0)
    if (this.#items.length >= this.#room.items)
      await new Promise<void>((resume) => this.#blocked.push(resume))
  }

  /** False if the item would fill more than `share` of the buffer. */
  offer(item: T, bytes: number, share = 1): boolean {
    if (this.#ended || this.#give(item)) return true
    const { items, bytes: mostBytes } = this.#room
    const isFull = this.#items.length >= share * items
    if (isFull || (this.#items.length > 0 && this.#bytes + bytes > share * mostBytes)) return false
    this.#keep(item, bytes)
    return true
  }

  /** Resolves with true when the reader asks for the next item; with false if the stream ends before that. */
  async hand(item: T): Promise<boolean> {
    if (this.#ended) return false
    await this.push(item)
    return new Promise((settle) => (this.#ended ? settle(false) : this.#handed.push(settle)))
  }

  /** Ends the stream. Items that were pushed can still be taken. */
  end(error: unknown = null): void {
    if (this.#ended) return
    this.#failed = error
    const released = Promise.withResolvers<void>()
    this.#ended = { released: released.promise }
    for (const resume of this.#blocked.splice(0)) resume()
    for (const settle of this.#handed.splice(0)) settle(false)
    released.resolve(this.#onEnd())
    released.promise.catch(() => {})
    for (const taker of this.#takers.splice(0))
      if (error === null) taker.resolve({ done: true, value: undefined })
      else taker.reject(error)
  }

  async next(): Promise<IteratorResult<T>> {
    // One reader, which takes an item only after it has processed the one before.
    if (this.#items.length === 0) for (const settle of this.#handed.splice(0)) settle(true)
    const item = this.#items.shift()
    if (item) {
      this.#bytes -= item.bytes
      this.#blocked.shift()?.()
      return { done: false, value: item.value }
    }
    if (this.#failed) throw this.#failed as Error
    if (this.#ended) return { done: true, value: undefined }
    const taker = Promise.withResolvers<IteratorResult<T>>()
    this.#takers.push(taker)
    return taker.promise
  }

  /**
   * The reader leaves: items it has not taken are dropped. Resolves when the source of the stream is closed.
   */
  async return(): Promise<IteratorResult<T>> {
    this.end()
    this.#items.length = 0
    this.#failed = null
    await this.#ended?.released
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #give(value: T): boolean {
    const taker = this.#takers.shift()
    taker?.resolve({ done: false, value })
    return taker !== undefined
  }

  #keep(value: T, bytes: number): void {
    this.#items.push({ value, bytes })
    this.#bytes += bytes
  }
}
