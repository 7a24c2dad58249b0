// Calls that are made in the order in which they were asked for: messages of a session, of which one that has to be
// asked again, because a store is away for a moment, is not overtaken by the next.
export class CallOrders {
  /** Resolves when the last one of an order has ended. */
  readonly #last = new Map<string, Promise<void>>()

  /** Does the work behind what was asked for before in this order, however that ends. */
  run<T>(order: string, work: () => Promise<T>): Promise<T> {
    const done = (this.#last.get(order) ?? Promise.resolve()).then(work)
    const ended = done.then(nothing, nothing)
    this.#last.set(order, ended)
    void ended.then(() => {
      if (this.#last.get(order) === ended) this.#last.delete(order)
    })
    return done
  }
}

const nothing = (): void => {}
