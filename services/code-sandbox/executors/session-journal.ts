// A session's log by steps, for an executor that rebuilds the session.
import { createHash } from 'node:crypto'
import type { Json } from '../../../schemas/json.ts'
import type { CallEntry, ResultEntry, Session, SessionEntry, StepEntry } from './port.ts'

export interface JournalledStep {
  readonly step: StepEntry
  readonly calls: ReadonlyMap<number, CallEntry>
  readonly results: ReadonlyMap<number, ResultEntry>
  /** Null: the running step. */
  readonly outputHash: string | null
}

interface OpenStep {
  step: StepEntry
  calls: Map<number, CallEntry>
  results: Map<number, ResultEntry>
  outputHash: string | null
}

export function stepsOf(log: readonly SessionEntry[]): JournalledStep[] {
  const steps = new Map<number, OpenStep>()
  for (const entry of log) {
    if (entry.kind === 'step')
      steps.set(entry.n, { step: entry, calls: new Map(), results: new Map(), outputHash: null })
    else add(steps.get(entry.n), entry)
  }
  return [...steps.values()]
}

function add(step: OpenStep | undefined, entry: Exclude<SessionEntry, StepEntry>): void {
  if (!step) throw new Error(`session log: a ${entry.kind} of step ${entry.n} stands before its step`)
  if (entry.kind === 'call') step.calls.set(entry.seq, entry)
  else if (entry.kind === 'result') step.results.set(entry.seq, entry)
  else step.outputHash = entry.outputHash
}

/**
 * Names a position in the log. Entries up to it follow from journalled events alone, so comparing names is
 * enough.
 */
export function positionOf(session: Session): string {
  const last = stepsOf(session.log).at(-1)
  if (!last) return 'start'
  return last.outputHash !== null ? doneAt(last.step.n) : pausedAt(last.step.n, last.calls.size)
}

export const doneAt = (n: number) => `done ${n}`
export const pausedAt = (n: number, calls: number) => `step ${n} after ${calls} calls`

export function hashOf(value: Json): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32)
}

export function argsHashOf(name: string, args: Json): string {
  return hashOf([name, args])
}
