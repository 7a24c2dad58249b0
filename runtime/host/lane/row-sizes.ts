import { rootOf } from '../../keys.ts'

/** Smaller rows count for nothing: a key has few. */
const LEAST_BYTES = 4_096

/** Sizes of the large rows of a lane, by key. */
export class RowSizes {
  readonly #keys = new Map<string, Map<string, number>>()

  set(key: string, name: string, bytes: number): void {
    if (bytes < LEAST_BYTES) return this.delete(key, name)
    const rows = this.#keys.get(key)
    if (rows) rows.set(name, bytes)
    else this.#keys.set(key, new Map([[name, bytes]]))
  }

  delete(key: string, name: string): void {
    const rows = this.#keys.get(key)
    if (rows?.delete(name) && rows.size === 0) this.#keys.delete(key)
  }

  /** Bytes of what a view of the key has: its own rows and those of its root. */
  of(key: string): number {
    if (this.#keys.size === 0) return 0
    const root = rootOf(key)
    return this.#sum(key) + (root === key ? 0 : this.#sum(root))
  }

  #sum(key: string): number {
    let bytes = 0
    for (const size of this.#keys.get(key)?.values() ?? []) bytes += size
    return bytes
  }
}
