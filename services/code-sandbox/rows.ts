// State rows of a task: one for each step and each call, so that no row grows with a session.
import type { KeptStep } from '../../runtime/python/kept-variables.ts'
import type { KeptOutcome } from '../../runtime/task/recording.ts'
import type { HeldCalls } from '../../runtime/task/held-calls.ts'
import type { Json } from '../../schemas/json.ts'
import type { Child, CodeRequested, ToolCompleted } from '../../schemas/generated/events.ts'
import type { ResultEntry, SessionEntry, StepEntry } from './executors/port.ts'

export interface SessionRow {
  readonly nextN: number
  /** Characters of code, arguments and results kept. */
  readonly chars: number
  /** Computing time of the steps kept. Absent in rows of older versions. */
  readonly computeMs?: number
}

/** The running step. */
export interface ActiveRow extends Omit<
  CodeRequested,
  'taskId' | 'code' | 'recording' | 'prior' | 'keepLog'
> {
  /** The reply has what runs the step again. Absent: not. */
  readonly keepLog?: boolean
  /** To be told to the model before what the step prints. */
  readonly notice?: string
  readonly n: number
  readonly startedAtMs: number
  /** Calls made together that the code waits for; empty before its first call. */
  readonly pending: readonly number[]
  readonly calls: number
  /** Consecutive failed calls of the executor. */
  readonly attempts: number
  /** The executor was stopped by an event that is not handled yet. */
  readonly interrupted: boolean
  /** The step is repeated: times of its outcomes are the recorded ones. */
  readonly isRepeated?: boolean
  /** Calls that wait for a person. Absent: none. */
  readonly held?: HeldCalls
}

export interface StepRow {
  readonly step: StepEntry
  readonly outputHash: string | null
}

export interface CallRow {
  readonly tool: string
  readonly arguments: { readonly [key: string]: Json }
  readonly argsHash: string
  readonly result: ResultEntry | null
  /** refused: by the task's policy, as one of a recorded call. */
  readonly status: ToolCompleted['status'] | 'refused' | null
  readonly durationMs: number
  readonly cached: boolean
  /** Answered by a recorded outcome. */
  readonly recorded?: boolean
  /** How people decided about it. Absent: it waited for nobody. */
  readonly approval?: Json
  /** The task that a call of another agent became. */
  readonly child?: Child
}

export type SandboxRows = {
  session: SessionRow
  active: ActiveRow
  /** The task ended without success: none of its steps begins any more. */
  closed: { status: string }
  /** Recorded outcomes of tool calls, from the task's first request. */
  outcomes: KeptOutcome[]
  /** Steps of earlier turns of its session, which stand before the task's own in the log. */
  prior: readonly KeptStep[]
  /** This outcome has answered a call. */
  [used: `used:${number}`]: true
  [log: `log:${number}`]: StepRow
  [call: `call:${number}.${number}`]: CallRow
}
export type View = Readonly<Partial<SandboxRows>>

export function logRow(n: number, row: StepRow): Partial<SandboxRows> {
  const name = `log:${n}` as const
  return { [name]: row } as Record<typeof name, StepRow>
}

export function callRow(n: number, seq: number, row: CallRow): Partial<SandboxRows> {
  const name = `call:${n}.${seq}` as const
  return { [name]: row } as Record<typeof name, CallRow>
}

export function callRows(rows: View, n: number): CallRow[] {
  const found: CallRow[] = []
  for (let row = rows[`call:${n}.0`]; row; row = rows[`call:${n}.${found.length}`]) found.push(row)
  return found
}

/** The finished steps of the log before this one. */
export function logBefore(rows: View, before: number): SessionEntry[] {
  const log: SessionEntry[] = entriesOf(rows.prior ?? [])
  for (let n = 0; n < before; n++) if (rows[`log:${n}`]?.outputHash) log.push(...stepEntries(rows, n, []))
  return log
}

/** Steps of earlier turns as entries. */
function entriesOf(prior: readonly KeptStep[]): SessionEntry[] {
  return prior.flatMap(({ n, code, nowMs, seed, calls, outputHash }): SessionEntry[] => [
    { kind: 'step', n, code, nowMs, seed },
    ...calls.flatMap(({ name, argsHash, ...result }, seq): SessionEntry[] => [
      { kind: 'call', n, seq, name, argsHash },
      { kind: 'result', n, seq, ...result },
    ]),
    { kind: 'done', n, outputHash },
  ])
}

/** One step's entries; of the calls in `without`, not the results. */
export function stepEntries(rows: View, n: number, without: readonly number[]): SessionEntry[] {
  const row = rows[`log:${n}`]
  if (!row) return []
  const entries: SessionEntry[] = [row.step]
  for (const [seq, call] of callRows(rows, n).entries()) {
    entries.push({ kind: 'call', n, seq, name: call.tool, argsHash: call.argsHash })
    if (call.result && !without.includes(seq)) entries.push(call.result)
  }
  if (row.outputHash !== null) entries.push({ kind: 'done', n, outputHash: row.outputHash })
  return entries
}

type Deleted = Partial<Record<keyof SandboxRows, null>>

/** Deletes what a step left in the log. */
export function withoutStep(rows: View, n: number): Deleted {
  const deleted: Deleted = { [`log:${n}`]: null }
  for (const seq of callRows(rows, n).keys()) deleted[`call:${n}.${seq}`] = null
  return deleted
}

/** Deletes the whole log. */
export function withoutLog(rows: View): Deleted {
  const steps = Array.from({ length: rows.session?.nextN ?? 0 }, (_, n) => withoutStep(rows, n))
  return Object.assign({ prior: null }, ...steps) as Deleted
}
