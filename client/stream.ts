/**
 * An async iterable fed from outside. `push` keeps what nobody has asked for yet, up to a limit, and then waits; `hand`
 * waits until the reader comes back for more, so it knows that an item was dealt with.
 */
export class Stream<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  private readonly items: T[] = []
  private readonly takers: ((result: IteratorResult<T>) => void)[] = []
  private readonly blocked: (() => void)[] = []
  private readonly handed: ((dealtWith: boolean) => void)[] = []
  private ended = false
  private failed: unknown = null
  private readonly limit: number
  private readonly onEnd: () => Promise<void> | void

  constructor(onEnd: () => Promise<void> | void = () => {}, limit = 1_000) {
    this.onEnd = onEnd
    this.limit = limit
  }

  /** Resolves when there is room for more. */
  async push(item: T): Promise<void> {
    if (this.ended) return
    const taker = this.takers.shift()
    if (taker) return taker({ done: false, value: item })
    this.items.push(item)
    if (this.items.length >= this.limit) await new Promise<void>((resume) => this.blocked.push(resume))
  }

  /** Resolves with true when the reader asks for the item after this one; false when the stream ends before. */
  async hand(item: T): Promise<boolean> {
    if (this.ended) return false
    await this.push(item)
    return new Promise((settle) => (this.ended ? settle(false) : this.handed.push(settle)))
  }

  /** No more items. What was pushed can still be taken. */
  end(error: unknown = null): void {
    this.ended = true
    this.failed = error
    for (const taker of this.takers.splice(0)) taker({ done: true, value: undefined })
    for (const resume of this.blocked.splice(0)) resume()
    for (const settle of this.handed.splice(0)) settle(false)
  }

  async next(): Promise<IteratorResult<T>> {
    // One reader, which takes an item only when it is done with the one before.
    if (this.items.length === 0) for (const settle of this.handed.splice(0)) settle(true)
    if (this.items.length > 0) {
      const value = this.items.shift() as T
      this.blocked.shift()?.()
      return { done: false, value }
    }
    if (this.failed) throw this.failed as Error
    if (this.ended) return { done: true, value: undefined }
    return new Promise((resolve) => this.takers.push(resolve))
  }

  async return(): Promise<IteratorResult<T>> {
    this.end()
    await this.onEnd()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
