/** What waits and calls need of an AbortSignal, which is one. Listeners are called once. */
export interface StopSignal {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void, options: { readonly once: true }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Stops the call of one handling. Each call has one, and hardly any is used: an AbortSignal with a listener takes 2 KB. */
export class Stop implements StopSignal {
  aborted = false
  #listeners: (() => void)[] = []

  abort(): void {
    this.aborted = true
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }

  addEventListener(_: 'abort', listener: () => void): void {
    this.#listeners.push(listener)
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.#listeners = this.#listeners.filter((each) => each !== listener)
  }
}
