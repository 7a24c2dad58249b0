import { FlotillaError } from '../../../runtime/errors.ts'
import { keepNewest } from '../../../runtime/keep-newest.ts'

/** Wrong credentials of one address in WINDOW_MS; more are refused without a look at the database. */
const MAX_FAILURES = 10
const WINDOW_MS = 60_000
/**
 * Keys a second that are looked up all the same for refused addresses. Behind a proxy right keys come from such an
 * address too; this many reads of one row are no burden.
 */
const MAX_LOOKS = 50
/** Addresses that are kept, some 200 bytes each. */
const MAX_ADDRESSES = 10_000

/** Counts wrong keys, tokens and sign-ins by the address that sent them. */
export class Failures {
  readonly #now: () => number
  readonly #maxLooks: number
  /** Times, the oldest first; addresses in the order of their last failure. */
  readonly #times = new Map<string, number[]>()
  #looks = 0
  #looksSinceMs = Number.NEGATIVE_INFINITY

  /** `now`: milliseconds that only grow. `maxLooks`: per second. */
  constructor(now: () => number, maxLooks = MAX_LOOKS) {
    this.#now = now
    this.#maxLooks = maxLooks
  }

  /** Throws TOO_MANY_ATTEMPTS if the address is refused. `what` it sent too many of. */
  assertFew(address: string, what: string): void {
    const retryAfterMs = this.refusedForMs(address)
    if (retryAfterMs === null) return
    const message = `${address} sent too many ${what}; try again in ${Math.ceil(retryAfterMs / 1_000)} s`
    throw new FlotillaError('TOO_MANY_ATTEMPTS', message, { retryAfterMs })
  }

  /** How long the address is refused; null if it is not. Whole milliseconds. */
  refusedForMs(address: string): number | null {
    const times = this.#recent(address)
    const [first] = times
    if (first === undefined || times.length < MAX_FAILURES) return null
    return Math.ceil(first + WINDOW_MS - this.#now())
  }

  /** Whether an attempt of a refused address may be looked at now. */
  mayLook(): boolean {
    if (this.#now() - this.#looksSinceMs >= 1_000) {
      this.#looks = 0
      this.#looksSinceMs = this.#now()
    }
    return ++this.#looks <= this.#maxLooks
  }

  count(address: string): void {
    const times = [...this.#recent(address), this.#now()].slice(-MAX_FAILURES)
    this.#times.delete(address)
    this.#times.set(address, times)
    keepNewest(this.#times, MAX_ADDRESSES)
  }

  #recent(address: string): number[] {
    return (this.#times.get(address) ?? []).filter((atMs) => atMs > this.#now() - WINDOW_MS)
  }
}
