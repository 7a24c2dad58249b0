import { rootOf } from '../../keys.ts'

/** Effects not yet committed, counted by task: a call waits for those of its own task only. */
export class Uncommitted {
  readonly #families = new Map<string, { effects: number; waiting: (() => void)[] | null }>()

  /** Tasks with uncommitted effects. */
  get size(): number {
    return this.#families.size
  }

  add(key: string): void {
    const root = rootOf(key)
    const family = this.#families.get(root)
    if (family) family.effects++
    else this.#families.set(root, { effects: 1, waiting: null })
  }

  remove(key: string): void {
    const root = rootOf(key)
    const family = this.#families.get(root)
    if (!family || --family.effects > 0) return
    this.#families.delete(root)
    for (const resume of family.waiting ?? []) resume()
  }

  /** Null: everything is committed. */
  settled(key: string): Promise<void> | null {
    const family = this.#families.get(rootOf(key))
    return family ? new Promise((resume) => (family.waiting ??= []).push(resume)) : null
  }

  /** The lane is lost: nobody waits any longer. */
  release(): void {
    for (const { waiting } of this.#families.values()) for (const resume of waiting ?? []) resume()
    this.#families.clear()
  }
}
