// Ids that were answered: rows of the lane, `answered:<bucket>:<id>`, kept for REMEMBER_MS after their bucket
// (constants.ts); a task that may run for longer is in a later one.
//
// 1. An id is in memory once, as a member of its bucket's set, without an object or a timer of its own: there
//    are millions.
// 2. A bucket expires as a whole. Its first id sets the timer, under its own key; a timer deletes every
//    bucket that is due, some rows in each decision, so that no commit is large.
// 3. The sets are V8's, whose hash can't be predicted from outside: users choose ids.
import { ANSWER_BUCKET_MS, REMEMBER_MS } from './constants.ts'
import { laneRow, laneRows } from './lane-row.ts'

const PREFIX = 'answered:'
/** Rows that one decision deletes. */
const MAX_FORGOTTEN_AT_ONCE = 1_000

/** The timer that ends a bucket. */
export const FORGET_ANSWERED = 'forget answered'

const rowOf = (bucket: number, taskId: string): string => `${PREFIX}${bucket}:${taskId}`
const endOf = (bucket: number): number => (bucket + 1) * ANSWER_BUCKET_MS + REMEMBER_MS

/** A copy with its own characters: a slice would keep the whole row name in memory. */
const copy = (id: string): string => JSON.parse(JSON.stringify(id)) as string

export interface Forgotten {
  readonly ids: readonly string[]
  /** Rows to delete. */
  readonly rows: Readonly<Record<string, null>>
  /** True: more are due. */
  readonly more: boolean
}

export class Answered {
  readonly #buckets = new Map<number, Set<string>>()

  /** False if the row is not one of these. */
  write(row: string, value: unknown): boolean {
    if (!row.startsWith(PREFIX)) return false
    const colon = row.indexOf(':', PREFIX.length)
    const bucket = Number(row.slice(PREFIX.length, colon))
    const id = row.slice(colon + 1)
    const ids = this.#buckets.get(bucket)
    if (value === null) {
      ids?.delete(id)
      if (ids?.size === 0) this.#buckets.delete(bucket)
    } else if (ids) ids.add(copy(id))
    else this.#buckets.set(bucket, new Set([copy(id)]))
    return true
  }

  get size(): number {
    let size = 0
    for (const ids of this.#buckets.values()) size += ids.size
    return size
  }

  has(taskId: string): boolean {
    for (const ids of this.#buckets.values()) if (ids.has(taskId)) return true
    return false
  }

  /** Row and timer that keep this id. */
  keep(taskId: string, atMs: number): { lane: Record<string, 1>; timers: Record<string, number> } {
    const bucket = Math.floor(atMs / ANSWER_BUCKET_MS)
    const timers = this.#buckets.has(bucket) ? {} : { [FORGET_ANSWERED]: endOf(bucket) }
    return { lane: laneRow(rowOf(bucket, taskId), 1), timers }
  }

  /** The first ids that have expired. */
  due(atMs: number): Forgotten {
    const ids: string[] = []
    const rows = laneRows<null>()
    for (const [bucket, members] of this.#buckets) {
      if (endOf(bucket) > atMs) continue
      for (const id of members) {
        if (ids.length === MAX_FORGOTTEN_AT_ONCE) return { ids, rows, more: true }
        ids.push(id)
        rows[rowOf(bucket, id)] = null
      }
    }
    return { ids, rows, more: false }
  }
}
