// Records that a view of operators goes without, counted for the caller who asked for the view: nobody should look at
// an incomplete list without knowing it. Readers note what they omit; the caller collects it.
//
// 1. A record counts once, however often one request reads it.
// 2. Without a collector nothing is kept.
import { AsyncLocalStorage } from 'node:async_hooks'

export interface Omission {
  readonly topic: string
  /** Records that are no event of the topic: another program wrote them there. */
  readonly undecodable: number
  /** Records that are older than the view reads back. */
  readonly unread: number
}

interface Position {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** Positions that are kept apart; of more the count is a lower bound. */
const MAX_POSITIONS = 10_000

export class Omissions {
  readonly #undecodable = new Map<string, Set<string>>()
  /** By topic and partition. */
  readonly #unread = new Map<string, { topic: string; count: number }>()
  readonly #reported = new Map<string, Omission>()

  undecodable({ topic, partition, offset }: Position): void {
    const positions = this.#undecodable.get(topic) ?? new Set()
    this.#undecodable.set(topic, positions)
    if (positions.size < MAX_POSITIONS) positions.add(`${partition}:${offset}`)
  }

  unread({ topic, partition }: Omit<Position, 'offset'>, count: number): void {
    const key = `${topic}:${partition}`
    this.#unread.set(key, { topic, count: Math.max(count, this.#unread.get(key)?.count ?? 0) })
  }

  /** Adds the counts of another process. Answers to several requests may count the same records. */
  reported(omissions: readonly Omission[]): void {
    for (const { topic, undecodable, unread } of omissions) {
      const before = this.#reported.get(topic)
      this.#reported.set(topic, {
        topic,
        undecodable: Math.max(undecodable, before?.undecodable ?? 0),
        unread: Math.max(unread, before?.unread ?? 0),
      })
    }
  }

  /** By topic, in the order of their names. */
  list(): Omission[] {
    const unread = [...this.#unread.values()]
    const names = new Set([
      ...this.#undecodable.keys(),
      ...unread.map(({ topic }) => topic),
      ...this.#reported.keys(),
    ])
    return [...names].toSorted().map((topic) => {
      const reported = this.#reported.get(topic)
      const own = unread.filter((each) => each.topic === topic).reduce((sum, { count }) => sum + count, 0)
      return {
        topic,
        undecodable: (this.#undecodable.get(topic)?.size ?? 0) + (reported?.undecodable ?? 0),
        unread: own + (reported?.unread ?? 0),
      }
    })
  }
}

const collectors = new AsyncLocalStorage<Omissions>()

/** Runs `work`; what the readers below it omit is noted in `omissions`. */
export const collectingOmissions = <T>(omissions: Omissions, work: () => T): T =>
  collectors.run(omissions, work)

/** The collector of what runs now; undefined if nobody collects. */
export const omissionsNow = (): Omissions | undefined => collectors.getStore()
