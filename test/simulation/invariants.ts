// The invariants of a run. The shrinker recognises by their names whether a failure is still the same.
//
// results      every submitted task has exactly one TaskCompleted, however often it was submitted; nobody else
//              has one
// history      the events of a task are one consistent history: each effect once, each request answered once,
//              the end last
// after        no owner of a lane starts work for a task that it knows to have ended; calls under way are stopped
// calls        a journalled call is never made again, an effect never happens twice, a fault explains each repeat
// trees        a call of another agent is one task with one answer; no tree costs more than its share; what nobody
//              waits for is cancelled
// held         while a call of a delegated task waits for a person, no task above it times out, and none waits for one
//              whose asker has ended
// forks        tools that a recording or a person answers for are not called otherwise; a fork names its origin
// usage        usage of finished calls is in usage.recorded, in the result and in the ledger, once
// limits       settled and reserved amounts of a budget never pass it, at any step, and are those requested; no
//              model is called without a reservation; settled amounts are the recorded ones, and a week later
//              nothing is reserved
// state        state rows are the fold of the commits, on the log and in every process's memory
// letters      only unreadable records are given up, and each of them is given up or answered; no stage and no
//              caller throws
// people       a tool that needs approval is called for an approved call only; each wait ends, by a decision, by its time or
//              with its task, and channels learn of that too
// afterwards   a fleet at rest answers as fast as ever, despite hostile users, and reports what its log has lost
// sessions     tasks of a session run one at a time, in the order in which they came, for the user that began it
// alerts       alerts of a rule are raised (again while they fire) and resolved in turn, and none stays raised
// rest         everything drains; after a week nothing is left in memory, and no timer was lost
import { checkAlerts } from './invariants/alerts.ts'
import { checkAfter, checkCalls } from './invariants/calls.ts'
import { checkAfterwards } from './invariants/afterwards.ts'
import { checkForks } from './invariants/forks.ts'
import { checkHeldChildren } from './invariants/held-children.ts'
import { checkHistory, checkResults } from './invariants/history.ts'
import { checkLetters } from './invariants/letters.ts'
import { checkLimits, checkReservations } from './invariants/limits.ts'
import { checkSessions } from './invariants/sessions.ts'
import { checkPeople } from './invariants/people.ts'
import { checkAtRest, checkState } from './invariants/state.ts'
import { checkTrees } from './invariants/trees.ts'
import { checkUsage } from './invariants/usage.ts'
import type { Evidence } from './evidence.ts'
import type { Simulation } from './simulate.ts'

export interface Violation {
  readonly invariant: string
  readonly text: string
}

export type Check = (run: Simulation, evidence: Evidence) => readonly string[] | Promise<readonly string[]>

/** Looked at when everything has ended. */
const checks: Readonly<Record<string, Check>> = {
  results: checkResults,
  history: checkHistory,
  after: checkAfter,
  calls: checkCalls,
  trees: checkTrees,
  held: checkHeldChildren,
  forks: checkForks,
  usage: checkUsage,
  limits: checkLimits,
  state: checkState,
  letters: checkLetters,
  people: checkPeople,
  afterwards: checkAfterwards,
  sessions: checkSessions,
}

export async function checkRun(
  run: Simulation,
  evidence: Evidence,
  isQuiet: boolean,
  passAWeek: () => Promise<void>,
): Promise<Violation[]> {
  const violations: Violation[] = isQuiet ? [] : [{ invariant: 'rest', text: describeUnrest(run) }]
  for (const [invariant, check] of Object.entries(checks))
    violations.push(...(await check(run, evidence)).map((text) => ({ invariant, text })))
  // A violation so far would only show again.
  if (violations.length > 0) return violations
  await passAWeek()
  violations.push(...checkAtRest(run).map((text) => ({ invariant: 'rest', text })))
  violations.push(...(await checkReservations(run)).map((text) => ({ invariant: 'limits', text })))
  violations.push(...(await checkAlerts(run)).map((text) => ({ invariant: 'alerts', text })))
  return violations
}

function describeUnrest(run: Simulation): string {
  const statuses = run.live().flatMap((process) =>
    process
      .status()
      .filter(({ open, assigned, pending }) => open !== assigned || pending > 0)
      .map((status) => ({ process: process.name, ...status })),
  )
  return `not at rest after ten minutes: ${run.backlog()} records behind, ${JSON.stringify(statuses)}`
}
