// A cache of results by file, valid until the file changes. The least recently used is evicted first.
import { isSame, type Version } from './open-file.ts'

export class FileCache<T> {
  readonly #known = new Map<string, { readonly version: Version; readonly value: T }>()
  readonly #limit: number
  readonly #weigh: (version: Version) => number

  /** `limit`: total weight of the cache. */
  constructor(limit: number, weigh: (version: Version) => number) {
    this.#limit = limit
    this.#weigh = weigh
  }

  /**
   * Makes room if nothing is found: old entries and the next reading together may exceed the thread's memory.
   */
  find(key: string, version: Version): T | undefined {
    const known = this.#known.get(key)
    this.#known.delete(key)
    if (known && isSame(known.version, version)) {
      this.#known.set(key, known)
      return known.value
    }
    this.#forgetDownTo(this.#limit - this.#weigh(version))
    return undefined
  }

  keep(key: string, version: Version, value: T): T {
    if (this.#weigh(version) <= this.#limit) this.#known.set(key, { version, value })
    return value
  }

  #forgetDownTo(limit: number): void {
    let weight = [...this.#known.values()].reduce((sum, { version }) => sum + this.#weigh(version), 0)
    for (const [key, { version }] of this.#known) {
      if (weight <= limit) return
      this.#known.delete(key)
      weight -= this.#weigh(version)
    }
  }
}
