// Commits of a lane that the log has refused, kept while the lane is dropped and reopened.
//
// 1. Memory holds what a refused effect changed, and later effects build on it: so the lane is dropped, and
//    nothing of it remains. Opened again, it commits its effects one by one for a while, until the guilty one
//    is refused on its own.
// 2. Its cause is known from then on. When that event is taken again, it is given up: its requester gets a
//    failure and operators a dead letter. If that is refused too, a smaller letter is written, at last only a
//    line in the process's log: no effect is retried forever.
// 3. A position that is refused has too much metadata: the lane takes fewer records ahead of unfinished ones,
//    half as much each time.
import type { Clock } from '../../clock.ts'
import { failure } from '../../errors.ts'
import type { CommitRefused, LogRecord } from '../../log/port.ts'
import type { Failure } from '../../stage.ts'
import { METADATA_BYTES } from './offsets.ts'

export interface Refusal {
  readonly reason: Failure
  /** How many effects of this cause were refused. */
  readonly times: number
}

/** Refusals from which an effect is the smallest letter alone; past it, nothing. */
export const SMALLEST_LETTER = 2
export const NO_LETTER = 3

const ONE_BY_ONE_MS = 60_000

/** Names the cause of an effect: its record, or a timer's event. */
export const causeOf = (record: LogRecord): string => `${record.topic}/${record.offset}`

export class Refusals {
  readonly #clock: Clock
  readonly #causes = new Map<string, Refusal>()
  #oneByOneUntilMs = 0
  #metadataBytes: number

  constructor(clock: Clock, metadataBytes: number = METADATA_BYTES) {
    this.#clock = clock
    this.#metadataBytes = metadataBytes
  }

  /** The bound on a position's metadata. */
  get metadataBytes(): number {
    return this.#metadataBytes
  }

  /** Effects are committed one at a time now. */
  get oneByOne(): boolean {
    return this.#clock.now() < this.#oneByOneUntilMs
  }

  of(cause: string): Refusal | undefined {
    // There is hardly ever one, and to look for it means to hash the text.
    return this.#causes.size === 0 ? undefined : this.#causes.get(cause)
  }

  /** The commit of these effects was refused. */
  note(causes: readonly string[], { part, message }: CommitRefused): void {
    if (part === 'position') this.#metadataBytes = Math.floor(this.#metadataBytes / 2)
    else if (causes.length > 1) this.#oneByOneUntilMs = this.#clock.now() + ONE_BY_ONE_MS
    else for (const cause of causes) this.#blame(cause, message)
  }

  #blame(cause: string, message: string): void {
    this.#oneByOneUntilMs = 0
    const before = this.#causes.get(cause)
    const reason =
      before?.reason ?? failure('COMMIT_REFUSED', `the log refuses the effects of this event: ${message}`)
    this.#causes.set(cause, { reason, times: (before?.times ?? 0) + 1 })
  }

  /** An effect of this cause was committed. */
  committed(cause: string): void {
    if (this.#causes.size > 0) this.#causes.delete(cause)
  }
}
