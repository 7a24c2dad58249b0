import type { Clock } from '../../clock.ts'
import { groupSize, rankOf, trialMs, type Suspect } from './suspects.ts'

/** Events that arrive within this time of the first are ordered and counted together. */
const GATHER_MS = 10

export interface Trial {
  readonly isAlone: boolean
  /** Longest time that others wait for its end. */
  readonly limitMs: number
}

interface Waiting {
  readonly suspect: Suspect
  readonly resume: (trial: Trial) => void
}

/**
 * Trials of one process, over all of its stages and lanes: the most suspicious events first, alone or in
 * groups (suspects.ts). While there is a trial nothing else is started. Handlings that already run go on.
 */
export class TrialGate {
  readonly #clock: Clock
  readonly #waiting: Waiting[] = []
  readonly #passing: (() => void)[] = []
  #isOpen = true
  #underway = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when the trials are over; null while there are none. */
  pass(): Promise<void> | null {
    return this.#isOpen ? null : new Promise((resume) => this.#passing.push(resume))
  }

  /** Resolves when it is this event's turn. Its `leave` must follow. */
  enter(suspect: Suspect): Promise<Trial> {
    if (this.#isOpen) {
      this.#isOpen = false
      this.#clock.schedule(GATHER_MS, () => this.#next())
    }
    return new Promise((resume) => this.#waiting.push({ suspect, resume }))
  }

  leave(): void {
    if (--this.#underway === 0) this.#next()
  }

  #next(): void {
    const rank = this.#waiting.reduce((most, { suspect }) => Math.max(most, rankOf(suspect)), 0)
    const equals = this.#waiting.filter(({ suspect }) => rankOf(suspect) === rank)
    const [first] = equals
    if (!first) return this.#open()
    const size = groupSize(first.suspect, equals.length)
    const group = new Set(equals.slice(0, size))
    const others = this.#waiting.filter((each) => !group.has(each))
    this.#waiting.splice(0, Infinity, ...others)
    this.#underway = group.size
    const trial = { isAlone: size === 1, limitMs: trialMs(first.suspect, size, others.length) }
    for (const { resume } of group) resume(trial)
  }

  #open(): void {
    this.#isOpen = true
    for (const resume of this.#passing.splice(0)) resume()
  }
}
