// Asks each part of a process whether it works, for /ready and the gauge of its problems.
import { toFailure } from '../errors.ts'
import { exactTime } from '../text/quantities.ts'
import type { Readiness } from './http/server.ts'

export interface PartCheck {
  readonly name: string
  /** Rejects with the reason why the part can't be used now. */
  readonly check: () => Promise<unknown>
}

/** A server that takes connections and says nothing must not keep /ready from saying so. */
const ANSWER_MS = 5_000

/** All at once; none takes longer than ANSWER_MS. */
export function askParts(checks: readonly PartCheck[]): Promise<Readiness['parts']> {
  return Promise.all(checks.map(async ({ name, check }) => ({ name, problem: await problemOf(check) })))
}

/** Series of the gauge `problems`. */
export const problemSeries = (parts: Readiness['parts']) =>
  parts.map(({ name, problem }) => ({ labels: { part: name }, value: Number(problem !== null) }))

async function problemOf(check: PartCheck['check']): Promise<string | null> {
  const late = Promise.withResolvers<string>()
  const timer = setTimeout(() => late.resolve(`no answer within ${exactTime(ANSWER_MS)}`), ANSWER_MS)
  const asked = Promise.resolve()
    .then(check)
    .then(
      () => null,
      (error: unknown) => toFailure(error).message,
    )
  const problem = await Promise.race([asked, late.promise])
  clearTimeout(timer)
  return problem
}
