// Cancels that came before their task: rows of the lane, `cancel:<id>`, because anyone may write one for any
// id.
//
// 1. A lane keeps at most MAX_CANCELS, each for CANCEL_MS (constants.ts). Beyond that the oldest is dropped,
//    and its task, if it comes, runs. A cancel that matters usually comes a moment before its task.
// 2. Which one is oldest follows from the rows alone.
import TinyQueue from 'tinyqueue'
import { MAX_CANCELS } from './constants.ts'
import { laneRow } from './lane-row.ts'

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

  /** False if the row is not one of these. */
  write(row: string, value: unknown): boolean {
    if (!row.startsWith(PREFIX)) return false
    const taskId = row.slice(PREFIX.length)
    this.#kept.delete(taskId)
    if (value === null) return true
    const kept = { ...(value as Cancel), taskId }
    this.#kept.set(taskId, kept)
    this.#byAge.push(kept)
    // Deleted cancels leave the queue when they reach its head, or here.
    if (this.#byAge.length > 2 * MAX_CANCELS) this.#byAge = new TinyQueue([...this.#kept.values()], older)
    return true
  }

  get size(): number {
    return this.#kept.size
  }

  of(taskId: string): Cancel | undefined {
    return this.#kept.get(taskId)
  }

  /** Rows that keep this cancel. The first cancel of a task stays. */
  keep(taskId: string, { reason, atMs }: Cancel): Record<string, Cancel | null> {
    if (this.#kept.has(taskId)) return {}
    const cancel = { reason: reason?.slice(0, MAX_REASON_CHARS) ?? null, atMs }
    const rows = laneRow<Cancel | null>(rowOf(taskId), cancel)
    const oldest = this.#kept.size < MAX_CANCELS ? undefined : this.#oldest()
    if (oldest) rows[rowOf(oldest.taskId)] = null
    return rows
  }

  /** Rows that delete this cancel. */
  drop(taskId: string): Record<string, null> {
    return this.#kept.has(taskId) ? laneRow(rowOf(taskId), null) : {}
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
