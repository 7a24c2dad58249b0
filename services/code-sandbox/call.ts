// The stage's two calls as data. caller.ts makes them.
import type { Call } from '../../runtime/stage.ts'
import { DEFAULT_EXECUTOR, limits } from './constants.ts'
import type { ResultEntry, Session, StepEntry, StepLimits, ToolSignature } from './executors/port.ts'
import { logBefore, stepEntries, type ActiveRow, type View } from './rows.ts'

/** `step` begins a step; `results` resumes the one at the end of the log. */
export interface CodeCall {
  readonly executor: string
  readonly session: Session
  readonly step: StepEntry | null
  readonly results: readonly ResultEntry[]
  readonly tools: readonly ToolSignature[]
  readonly limits: StepLimits
  readonly userId: string | null
}

export interface DiscardCall {
  readonly sessionId: string
}

/** Allowance for starting a process or waiting for a free one. */
const WAITING_MS = 120_000
const MAX_CALL_MS = 1_800_000

/** Executor names of a profile → the executors here. */
const executorOf = (name: string) => (name === 'default' ? DEFAULT_EXECUTOR : name)

export function codeCall(
  taskId: string,
  rows: View,
  active: ActiveRow,
  tools: ReadonlyMap<string, ToolSignature>,
): Call {
  const executor = executorOf(active.executor)
  const before = logBefore(rows, active.n)
  const resuming = active.pending.length > 0
  const request: CodeCall = {
    executor,
    session: {
      id: taskId,
      log: resuming ? [...before, ...stepEntries(rows, active.n, active.pending)] : before,
    },
    step: resuming ? null : (rows[`log:${active.n}`]?.step ?? null),
    results: active.pending.flatMap((seq) => rows[`call:${active.n}.${seq}`]?.result ?? []),
    // Rows of older versions name no others.
    tools: (active.policyTools ?? active.tools).flatMap((name) => tools.get(name) ?? []),
    limits: { timeoutMs: active.timeoutMs, ...perStep, argumentChars: roomOf(rows) },
    userId: active.userId,
  }
  // A lost session is rebuilt first: every step may take its time limit again.
  const timeoutMs = Math.min(MAX_CALL_MS, active.timeoutMs * (active.n + 1) + WAITING_MS)
  return { kind: 'code', target: executor, request, timeoutMs, idempotent: true }
}

const roomOf = ({ session }: View): number => Math.max(0, limits.sessionChars - (session?.chars ?? 0))

const perStep = {
  toolCalls: limits.toolCalls,
  printChars: limits.printChars,
  valueChars: limits.valueChars,
} as const

export function discardCall(taskId: string): Call {
  const request: DiscardCall = { sessionId: taskId }
  return {
    kind: 'discard',
    target: 'sandbox',
    request,
    timeoutMs: 10_000,
    idempotent: true,
    journalled: false,
  }
}
