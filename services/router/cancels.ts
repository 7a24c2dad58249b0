// Cancels that came before their task: rows of the lane, `cancel:<id>`, because anyone may write one for any id.
//
// 1. A lane keeps at most MAX_CANCELS, each for CANCEL_MS (config.ts). Beyond that the oldest goes, and its task, should it come,
//    runs: the one that a user needs is mostly a moment older than its task.
// 2. What is oldest follows from the rows alone.
import TinyQueue from 'tinyqueue'
import { MAX_CANCELS } from './constants.ts'

export interface Cancel {
  readonly reason: string | null
  readonly atMs: number
}

interface Kept extends Cancel {
  readonly taskId: string
}

const PREFIX = 'cancel:'
const MAX_REASON_CHARS = 500

const rowOf = (taskId: string): string => PREFIX + taskId

export class Cancels {
  readonly #kept = new Map<string, Kept>()
  #byAge = new TinyQueue<Kept>([], older)

  /** False: a row of something else. */
  write(row: string, value: unknown): boolean {
    if (!row.startsWith(PREFIX)) return false
    const taskId = row.slice(PREFIX.length)
    this.#kept.delete(taskId)
    if (value === null) return true
    const kept = { ...(value as Cancel), taskId }
    this.#kept.set(taskId, kept)
    this.#byAge.push(kept)
    // Those that are gone leave the queue when they are its first, or with this.
    if (this.#byAge.length > 2 * MAX_CANCELS) this.#byAge = new TinyQueue([...this.#kept.values()], older)
    return true
  }

  get size(): number {
    return this.#kept.size
  }

  of(taskId: string): Cancel | undefined {
    return this.#kept.get(taskId)
  }

  /** Rows that keep this cancel. The first one of a task stays. */
  keeping(taskId: string, { reason, atMs }: Cancel): Record<string, Cancel | null> {
    if (this.#kept.has(taskId)) return {}
    const kept = { [rowOf(taskId)]: { reason: reason?.slice(0, MAX_REASON_CHARS) ?? null, atMs } }
    const oldest = this.#kept.size < MAX_CANCELS ? undefined : this.#oldest()
    return oldest ? { ...kept, [rowOf(oldest.taskId)]: null } : kept
  }

  /** Rows that end this cancel's keeping. */
  ending(taskId: string): Record<string, null> {
    return this.#kept.has(taskId) ? { [rowOf(taskId)]: null } : {}
  }

  #oldest(): Kept | undefined {
    for (;;) {
      const first = this.#byAge.peek()
      if (first === undefined || this.#kept.get(first.taskId) === first) return first
      this.#byAge.pop()
    }
  }
}

function older(a: Kept, b: Kept): number {
  return a.atMs - b.atMs || (a.taskId < b.taskId ? -1 : 1)
}
