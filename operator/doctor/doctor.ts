// Doctor for many callers: one run at a time, whose report answers all that ask meanwhile and for a moment after.
import type { DoctorReport } from '../../api/schemas/doctor.ts'
import type { Check } from './checks.ts'
import { examine } from './examine.ts'

/** A check asks the model, so a caller in a loop costs a few tokens in so many milliseconds, not more. */
const KEPT_MS = 10_000

export class Doctor {
  readonly #checks: () => readonly Check[]
  readonly #now: () => number
  #last: { readonly report: Promise<DoctorReport>; untilMs: number } | null = null

  constructor(checks: () => readonly Check[], now: () => number = Date.now) {
    this.#checks = checks
    this.#now = now
  }

  /** Resolves within the time of the slowest check: they run beside each other. */
  report(): Promise<DoctorReport> {
    if (this.#last !== null && this.#now() < this.#last.untilMs) return this.#last.report
    const last = { report: this.#examine(), untilMs: Infinity }
    this.#last = last
    const end = (): void => void (last.untilMs = this.#now() + KEPT_MS)
    last.report.then(end, end)
    return last.report
  }

  async #examine(): Promise<DoctorReport> {
    const findings = await Promise.all(this.#checks().map((check) => examine(check)))
    return { atMs: this.#now(), findings }
  }
}
