// Decides who computes next if there are more claims than slots.
//
// 1. Users take turns: the next slot goes to the user with the fewest slots in use, among equals to the one
//    served longest ago. A thousand steps of one user delay another's by one.
// 2. If there are enough slots, the last free one is kept for a user with none, whose last step ended by itself:
//    neither one user can hold them all, nor several whose steps loop until they are killed.
// 3. Within a user: a session that resumes after a tool call before a new step, a task served longer ago
//    before one served recently; a task whose step was killed at its limit last, until one of its steps ends
//    by itself.
import { keepNewest } from '../../../runtime/keep-newest.ts'

export interface Claim {
  /** Whose turns count together: the user, or the task if it has no user. */
  readonly user: string
  readonly task: string
  /** The session resumes after a tool call, in the middle of a step. */
  readonly resumed: boolean
}

/** The right to compute, until it is released. */
export interface Turn {
  /** `killed`: the step was killed at its limit. */
  done(killed: boolean): void
}

interface Waiting {
  readonly claim: Claim
  readonly grant: () => void
}

/** With fewer slots, keeping one free would waste too many. */
const LEAST_SLOTS_TO_KEEP_ONE = 4
/** Users and tasks whose last turn is remembered. */
const MOST_KNOWN = 10_000

export class Turns {
  readonly #slots: number
  readonly #kept: number
  readonly #waiting: Waiting[] = []
  /** Slots in use, by user. */
  readonly #computing = new Map<string, number>()
  /** Number of the last grant; later ones are higher. */
  readonly #served = new Map<string, number>()
  /** Users and tasks whose last step was killed at its limit. */
  readonly #killed = new Set<string>()
  #inUse = 0
  #granted = 0

  constructor(slots: number) {
    this.#slots = slots
    this.#kept = slots >= LEAST_SLOTS_TO_KEEP_ONE ? 1 : 0
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Rejects with the signal's reason. */
  async take(claim: Claim, signal: AbortSignal): Promise<Turn> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    const waiting: Waiting = { claim, grant: () => resolve(undefined) }
    const leave = () => {
      const at = this.#waiting.indexOf(waiting)
      if (at < 0) return
      this.#waiting.splice(at, 1)
      reject(signal.reason as Error)
    }
    this.#waiting.push(waiting)
    signal.addEventListener('abort', leave, { once: true })
    this.#grant()
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
    return { done: (killed) => this.#done(claim, killed) }
  }

  #done({ user, task }: Claim, killed: boolean): void {
    const left = (this.#computing.get(user) ?? 1) - 1
    if (left > 0) this.#computing.set(user, left)
    else this.#computing.delete(user)
    this.#inUse--
    for (const key of [userKey(user), taskKey(task)]) {
      this.#killed.delete(key)
      if (killed) remember(this.#killed, key)
    }
    this.#grant()
  }

  #grant(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#waiting.splice(this.#waiting.indexOf(next), 1)
      const { user, task } = next.claim
      this.#inUse++
      this.#granted++
      this.#computing.set(user, (this.#computing.get(user) ?? 0) + 1)
      for (const key of [userKey(user), taskKey(task)]) {
        this.#served.delete(key)
        this.#served.set(key, this.#granted)
      }
      while (this.#served.size > MOST_KNOWN) this.#served.delete(this.#served.keys().next().value ?? '')
      next.grant()
    }
  }

  /** The best claim that may have a slot now. */
  #next(): Waiting | undefined {
    const free = this.#slots - this.#inUse
    if (free <= 0) return undefined
    let best: Waiting | undefined
    let bestRank: readonly number[] = []
    for (const waiting of this.#waiting) {
      const computing = this.#computing.get(waiting.claim.user) ?? 0
      const hasKept = computing === 0 && !this.#killed.has(userKey(waiting.claim.user))
      if (!hasKept && free <= this.#kept) continue
      const rank = this.#rank(waiting.claim, computing)
      if (best !== undefined && !isBefore(rank, bestRank)) continue
      best = waiting
      bestRank = rank
    }
    return best
  }

  /** Compared from the left; the lowest is first. */
  #rank({ user, task, resumed }: Claim, computing: number): readonly number[] {
    const userServed = this.#served.get(userKey(user)) ?? 0
    const taskServed = this.#served.get(taskKey(task)) ?? 0
    return [computing, userServed, this.#killed.has(taskKey(task)) ? 1 : 0, resumed ? 0 : 1, taskServed]
  }
}

const userKey = (user: string): string => `user ${user}`
const taskKey = (task: string): string => `task ${task}`

function remember(known: Set<string>, key: string): void {
  known.add(key)
  keepNewest(known, MOST_KNOWN)
}

/** Among equals, the one that has waited longer stays first. */
function isBefore(one: readonly number[], other: readonly number[]): boolean {
  const at = one.findIndex((value, index) => value !== other[index])
  return at >= 0 && (one[at] ?? 0) < (other[at] ?? 0)
}
