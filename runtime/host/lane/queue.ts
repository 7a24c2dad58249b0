// Decides which handlings may run. Those of one key run one at a time, in order of arrival. A key and its
// parts (`task` and `task/call`) exclude each other too, in order; different parts of one key run side by
// side.
import { isRelated, isWithin, rootOf } from '../../keys.ts'

export interface Queued {
  /** Encoded. */
  readonly key: string
}

interface Family<T> {
  readonly waiting: T[]
  /** Few: parts of one key, or the key alone. */
  readonly running: T[]
}

export class KeyQueue<T extends Queued> {
  readonly #families = new Map<string, Family<T>>()
  readonly #run: (item: T) => void
  #count = 0
  #started = 0

  /** `run` starts an item and must lead to `done(item)`. */
  constructor(run: (item: T) => void) {
    this.#run = run
  }

  /** Items waiting or running. */
  get size(): number {
    return this.#count
  }

  get running(): number {
    return this.#started
  }

  /** Items of this key, its root and its parts that wait. */
  waitingWith(key: string): number {
    return this.#families.get(rootOf(key))?.waiting.length ?? 0
  }

  push(item: T): void {
    const root = rootOf(item.key)
    this.#count++
    const family = this.#families.get(root)
    if (family) {
      family.waiting.push(item)
      return this.#startReady(family)
    }
    this.#families.set(root, { waiting: [], running: [item] })
    this.#started++
    this.#run(item)
  }

  done(item: T): void {
    const root = rootOf(item.key)
    const family = this.#families.get(root)
    const at = family?.running.indexOf(item) ?? -1
    if (!family || at < 0) return
    family.running.splice(at, 1)
    this.#count--
    this.#started--
    if (family.waiting.length > 0) this.#startReady(family)
    else if (family.running.length === 0) this.#families.delete(root)
  }

  /** Items of this key and its parts, waiting or running. */
  *of(key: string): Iterable<T> {
    const family = this.#families.get(rootOf(key))
    if (!family) return
    for (const item of [...family.running, ...family.waiting]) if (isWithin(item.key, key)) yield item
  }

  /** Forgets what has not started. */
  dropWaiting(): void {
    for (const [root, family] of this.#families) {
      this.#count -= family.waiting.length
      family.waiting.length = 0
      if (family.running.length === 0) this.#families.delete(root)
    }
  }

  #startReady(family: Family<T>): void {
    if (family.waiting.length === 0) return
    const ready: T[] = []
    for (let index = 0; index < family.waiting.length; index++) {
      const item = family.waiting[index] as T
      if (this.#blocked(family, item, index)) continue
      family.waiting.splice(index--, 1)
      family.running.push(item)
      this.#started++
      ready.push(item)
    }
    for (const item of ready) this.#run(item)
  }

  #blocked(family: Family<T>, item: T, index: number): boolean {
    for (const other of family.running) if (isRelated(other.key, item.key)) return true
    for (let ahead = 0; ahead < index; ahead++)
      if (isRelated((family.waiting[ahead] as T).key, item.key)) return true
    return false
  }
}
