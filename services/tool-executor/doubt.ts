// Calls in doubt: begun by a process that died, or not answered in time, by a tool that must not run twice.
//
// 1. The tool looks up whether the call took effect, by the idempotency key that it was given (`reconcile`).
// 2. If it can't say, a person is asked (`inDoubt: 'hold'`), or the model is told that it is not known.
// 3. Only a call that has taken no effect, and will take none, is made again.
import type { CallFailure, CallOutcome, Call, Decision, Emit } from '../../runtime/stage.ts'
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import { defaultTerms, type Reconciled } from '../../runtime/config/approvals.ts'
import { backoffMs } from '../../runtime/backoff.ts'
import { plainFailure } from '../../runtime/errors.ts'
import type { ToolRequested } from '../../schemas/generated/events.ts'
import type { Json } from '../../schemas/json.ts'
import type { ReconcileCall } from './call.ts'
import { progressEvent } from './events.ts'
import { heldFrom } from './gate.ts'
import { hold, type At } from './held.ts'
import type { Doubt, ToolRows, Waiting } from './rows.ts'

const MAX_LOOK_UPS = 4
const FIRST_DELAY_MS = 1_000

export function isInDoubt(spec: ToolSpec, outcome: CallOutcome & { ok: false }): boolean {
  if (spec.idempotent) return false
  const { code } = outcome.failure
  return code === 'CALL_OUTCOME_UNKNOWN' || (code === 'CALL_TIMEOUT' && outcome.made !== false)
}

/** A call in doubt, and what is known of it. */
export interface Doubtful {
  readonly request: ToolRequested
  readonly spec: ToolSpec
  readonly askedMs: number
  readonly firstMs: number
  readonly waiting: Waiting | undefined
}

/** Null: the model is told. */
export function resolveDoubt(call: Doubtful, doubt: Doubt, at: At): Decision<ToolRows> | null {
  if (!call.spec.reconciles) return askAboutDoubt(call, doubt, at)
  const lookedUp = waitingRow(call, { why: 'reconcile', tries: 0, doubt })
  return {
    rows: { waiting: lookedUp },
    timers: { retry: at.atMs },
    emit: [lookUpEvent(call, doubt, at.atMs)],
  }
}

/** Null: the model is told. */
function askAboutDoubt({ spec, request, askedMs, firstMs, waiting }: Doubtful, doubt: Doubt, at: At) {
  if (spec.inDoubt !== 'hold') return null
  const terms = spec.approval ?? defaultTerms
  const before = waiting?.approval && { before: waiting.approval }
  const asked = { request, askedMs, firstMs, why: 'doubt' as const, doubt, ...before }
  return hold({ ...asked, ...heldFrom(terms, 'always', at.atMs) }, at)
}

export function reconcileCall(request: ToolRequested, spec: ToolSpec, doubt: Doubt): Call {
  const { taskId, tool, arguments: args, userId, agent = null } = request
  const asked: ReconcileCall = { taskId, tool, arguments: args, userId, agent, idempotencyKey: doubt.callId }
  return {
    kind: 'reconcile',
    // A breaker of its own: what fails here says nothing of the tool.
    target: `reconcile of ${tool}`,
    request: asked,
    timeoutMs: spec.timeoutMs,
    idempotent: true,
  }
}

export type Reconciling =
  | { readonly do: 'answer'; readonly output: Json }
  /** The model is told. */
  | { readonly do: 'tell' }
  | { readonly do: 'change'; readonly decided: Decision<ToolRows> }

export function concludeLookUp(call: Doubtful, doubt: Doubt, outcome: CallOutcome, at: At): Reconciling {
  const open = (): Reconciling => {
    const decided = askAboutDoubt(call, doubt, at)
    return decided ? { do: 'change', decided } : { do: 'tell' }
  }
  if (!outcome.ok) return again(call, doubt, outcome.failure, at) ?? open()
  const found = outcome.value as Reconciled<Json>
  if (found === null) return open()
  if (found.tookEffect) return { do: 'answer', output: found.output ?? null }
  const waiting = waitingRow(call, { why: 'cleared', tries: 0 })
  return { do: 'change', decided: { rows: { waiting }, timers: { retry: at.atMs } } }
}

function again(
  call: Doubtful,
  doubt: Doubt,
  { code, retryable, retryAfterMs }: CallFailure,
  at: At,
): Reconciling | null {
  const tries = (call.waiting?.tries ?? 0) + 1
  if (code === 'CALL_ABORTED' || tries >= MAX_LOOK_UPS || !retryable) return null
  const dueMs = at.atMs + Math.max(backoffMs(tries, FIRST_DELAY_MS), retryAfterMs ?? 0)
  const waiting = waitingRow(call, { why: 'reconcile', tries, doubt })
  return { do: 'change', decided: { rows: { waiting }, timers: { retry: dueMs } } }
}

type Next = Pick<Waiting, 'why' | 'tries' | 'doubt'>

function waitingRow({ request, askedMs, firstMs, waiting }: Doubtful, next: Next): Waiting {
  const approval = waiting?.approval && { approval: waiting.approval }
  const given = waiting?.given && { given: waiting.given }
  return { request, askedMs, firstMs, cleared: true, ...approval, ...given, ...next }
}

function lookUpEvent({ request }: Doubtful, { failure }: Doubt, atMs: number): Emit {
  const { callId, tool } = request
  const detail = { callId, tool, dueMs: atMs, lookUp: true, error: { ...plainFailure(failure) } }
  return progressEvent(request, 'retry_scheduled', atMs, detail)
}
