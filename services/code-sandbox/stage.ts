// code-sandbox: a step's Python, paused at each tool call and resumed by its reply.
//
// 1. The session log in the rows is the session: each entry follows from a journalled event or outcome, so
//    any executor rebuilds it. Ids of tool calls are `${requestId}.${seq}`: a step that runs again asks for
//    the same calls.
// 2. At most one step of a task runs (`active`). It waits for its `pending` calls, or for the executor.
// 3. A step that was killed, cancelled or could not be run leaves nothing in the log: its variables are
//    undone, and replay does not see it. If the log could not be replayed, the whole log is dropped.
// 4. A session that has kept more than can be rebuilt is ended: the next step fails and says so, and the one
//    after it begins with a fresh one.
// 5. Nothing starts after TaskClosed, as long as the task's requests may still arrive: until its deadline. A
//    task that succeeded has none.
// 6. While a call of the step waits for a person (of its own, or of the task that it became), its deadline stands still. If that takes longer than a moment
//    the interpreter is given back: the log rebuilds the session when the call is answered (held.ts).
// 7. A step that was interrupted emits no answer: the event that interrupted it is handled next and decides;
//    a timer resumes the step if that event never comes.
import { backoffMs } from '../../runtime/backoff.ts'
import { failure, plainFailure } from '../../runtime/errors.ts'
import { toolSpecs } from '../../runtime/config/delegates.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import type { Call, CallOutcome, Decision, Emit, Failure, Stage, StageEvent } from '../../runtime/stage.ts'
import type { CodeRequested, ToolCompleted, WorkCancelled } from '../../schemas/generated/events.ts'
import { headers as headerNames } from '../../schemas/topics.ts'
import type { KeptStep } from '../../runtime/python/kept-variables.ts'
import type { KeptOutcome } from '../../runtime/task/recording.ts'
import { limits } from './constants.ts'
import { answerByPolicy } from './recorded.ts'
import { resultOf } from './results.ts'
import { codeCall, discardCall } from './call.ts'
import { isPriorLost, reportOf, sessionAfter, withoutPrior } from './kept.ts'
import { FORGET, closeTask } from './closed.ts'
import { agentsFirst, delegationOf, handedOver, type Delegates, type OpenCall } from './delegation.ts'
import type { Finished, Outcome, Paused, ToolSignature } from './executors/port.ts'
import { EVICT, followDelegation, holdCall, releaseCall } from './held.ts'
import {
  NAME,
  answeredEvents,
  callIdOf,
  endEvents,
  endingOf,
  toolRequestedEvents,
  type Ending,
} from './events.ts'
import {
  callRow,
  callRows,
  logRow,
  withoutLog,
  withoutStep,
  type ActiveRow,
  type CallRow,
  type SandboxRows,
  type View,
} from './rows.ts'

type Decided = Decision<SandboxRows>

const RETRY = 'retry'
const MAX_ATTEMPTS = 6
const MAX_RETRY_MS = 30_000
const INTERRUPTED_MS = 2_000

export function createCodeSandboxStage(fleet: Fleet): Stage<SandboxRows> {
  const specs = toolSpecs(fleet)
  const tools = new Map(specs.map((spec): [string, ToolSignature] => [spec.name, signature(spec)]))
  const idempotent = new Set(specs.filter((spec) => spec.idempotent).map(({ name }) => name))
  const delegates: Delegates = new Map(
    specs.flatMap(({ name, delegate }) => (delegate ? [[name, delegate] as const] : [])),
  )
  const execute = (taskId: string, rows: View, active: ActiveRow): Call =>
    codeCall(taskId, rows, active, tools)

  function decide(event: StageEvent, rows: View): Decided {
    switch (event.type) {
      case 'CodeRequested':
        return beginStep(event.data, event, rows)
      case 'ToolCompleted':
        return completeCall(event.data, event.atMs, rows)
      case 'TimerFired':
        if (event.data.name === FORGET) return { rows: { closed: null } }
        if (event.data.name === EVICT) return rows.active?.held ? { call: discardCall(event.key) } : {}
        return rows.active ? repeatCall(event.key, rows, rows.active, event.atMs) : {}
      case 'CallHeld':
        return holdCall(event.data, event.atMs, rows.active)
      case 'CallReleased':
        return releaseCall(event.data, rows.active)
      case 'DelegationHeld':
        return followDelegation(event.data, event.atMs, rows.active)
      case 'WorkCancelled':
        return cancelStep(event.data, event.atMs, rows)
      case 'TaskClosed':
        return closeTask(event.data, event.atMs, rows)
      default:
        return {}
    }
  }

  function beginStep(request: CodeRequested, event: StageEvent, rows: View): Decided {
    if (rows.active?.requestId === request.requestId) return {}
    if (rows.closed) return rejectLate(request, event.atMs, rows.closed.status)
    const full = rows.active ? null : fullSession(rows)
    if (full) return endSession(request, event.atMs, rows, full)
    const stale = rows.active ? abandonStep(request.taskId, rows, rows.active, event.atMs) : {}
    const { taskId, code, recording, prior, keepLog, ...given } = request
    const { step: repeated, outcomes } = (recording ?? {}) as Brought
    // Only the first request brings them; the rows of the task have them since.
    const earlier = rows.session ? [] : ((prior ?? []) as unknown as readonly KeptStep[])
    const session = rows.session ?? sessionAfter(earlier)
    const n = session.nextN
    const seed = repeated?.seed ?? `${request.requestId}/${event.id}`
    const nowMs = repeated?.atMs ?? event.atMs
    const active: ActiveRow = {
      ...given,
      n,
      startedAtMs: event.atMs,
      ...FRESH,
      ...(repeated ? { isRepeated: true } : {}),
      ...(keepLog ? { keepLog } : {}),
    }
    const written: Partial<SandboxRows> = {
      session: { ...session, nextN: n + 1, chars: session.chars + code.length },
      active,
      ...logRow(n, { step: { kind: 'step', n, code, nowMs, seed }, outputHash: null }),
      ...(outcomes ? { outcomes } : {}),
      ...(earlier.length > 0 ? { prior: earlier } : {}),
    }
    const call = execute(taskId, { ...rows, ...written }, active)
    return { emit: stale.emit ?? [], rows: { ...stale.rows, ...written }, timers: { [RETRY]: null }, call }
  }

  function completeCall(reply: ToolCompleted, atMs: number, rows: View): Decided {
    const { active } = rows
    const seq = active?.pending.find((pending) => callIdOf(active.requestId, pending) === reply.callId)
    if (!active || !rows.session || seq === undefined) return {}
    const call = rows[`call:${active.n}.${seq}`]
    if (!call || call.result) return {}
    const result = resultOf(reply, { n: active.n, seq, nowMs: atMs, chars: rows.session.chars })
    const { status, durationMs, cached, approval, child } = reply
    const more = { ...(approval === null ? {} : { approval }), ...(child && { child }) }
    const chars = rows.session.chars + JSON.stringify(result).length
    const written: Partial<SandboxRows> = {
      session: { ...rows.session, chars },
      ...callRow(active.n, seq, { ...call, result, status, durationMs, cached, ...more }),
    }
    const next = resumeWhenAnswered(reply.taskId, { ...rows, ...written }, active, atMs)
    return { ...next, rows: { ...written, ...next.rows } }
  }

  function resumeWhenAnswered(taskId: string, rows: View, active: ActiveRow, atMs: number): Decided {
    const waiting = active.pending.some((seq) => !rows[`call:${active.n}.${seq}`]?.result)
    if (waiting) return {}
    const taken = handedOver(rows, active, delegates, atMs)
    if (taken) return { ...closeStep(taskId, rows, active, taken), call: discardCall(taskId) }
    return { call: execute(taskId, rows, active) }
  }

  /** Repeats the executor's call after it failed or was interrupted. */
  function repeatCall(taskId: string, rows: View, active: ActiveRow, atMs: number): Decided {
    return { timers: { [RETRY]: null }, ...resumeWhenAnswered(taskId, rows, active, atMs) }
  }

  function cancelStep(order: WorkCancelled, atMs: number, rows: View): Decided {
    const { active } = rows
    if (!active) return {}
    const meant = order.callIds.length === 0 || order.callIds.includes(active.requestId)
    if (!meant) return active.interrupted ? repeatCall(order.taskId, rows, active, atMs) : {}
    return { ...abandonStep(order.taskId, rows, active, atMs, order.reason), call: discardCall(order.taskId) }
  }

  function conclude(event: StageEvent, rows: View, call: Call, outcome: CallOutcome): Decided {
    const { active } = rows
    if (call.kind !== 'code' || !active) return {}
    if (!outcome.ok) return handleFailedCall(event.key, rows, active, outcome)
    const value = outcome.value as Outcome
    const atMs = outcome.endedMs
    if (value.status === 'paused')
      return pauseStep(event.key, rows, active, { ...value, atMs, idempotent, delegates })
    const again = withoutPrior(rows, active, value, { timer: RETRY, atMs })
    return again ?? finishStep(event.key, rows, active, value, outcome)
  }

  return {
    name: NAME,
    version: 2,
    consumes: [
      { topic: 'code.requested' },
      { topic: 'tools.completed', accepts: (of) => of[headerNames.requester] === NAME || isWait(of) },
    ],
    decide,
    conclude,
    interrupts: (event) => event.type === 'WorkCancelled' || event.type === 'TaskClosed',
    poisoned,
  }
}

/** What a request brings of a recording. */
interface Brought {
  step?: { seed?: string; atMs?: number }
  outcomes?: KeptOutcome[]
}

const isWait = ({ [headerNames.schema]: type = '' }: Readonly<Record<string, string>>): boolean =>
  waits.has(type)

const waits: ReadonlySet<string> = new Set(['CallHeld', 'CallReleased', 'DelegationHeld'])

const FRESH = { pending: [], calls: 0, attempts: 0, interrupted: false } as const

function signature({ name, description, input }: ToolSignature): ToolSignature {
  return { name, description, input }
}

interface Pausing extends Paused {
  readonly atMs: number
  /** Names of the tools that may answer twice. */
  readonly idempotent: ReadonlySet<string>
  readonly delegates: Delegates
}

/** Calls that the task's policy answers are not requested; once none is waited for, the step goes on by a timer. */
function pauseStep(taskId: string, before: View, active: ActiveRow, paused: Pausing): Decided {
  const { calls, atMs, idempotent, delegates } = paused
  const rows: Partial<SandboxRows> = {}
  const emit: Emit[] = []
  const open: OpenCall[] = []
  let chars = before.session?.chars ?? 0
  for (const call of calls) {
    chars += JSON.stringify(call.arguments).length
    const at = { n: active.n, seq: call.seq, nowMs: atMs, chars }
    const isDelegated = delegates.has(call.name)
    const answered = answerByPolicy({ ...before, ...rows }, active, { call, idempotent, isDelegated, at })
    const answer = answered === 'ask' ? null : answered
    const row = { tool: call.name, arguments: call.arguments, argsHash: call.argsHash, ...UNANSWERED }
    Object.assign(rows, callRow(active.n, call.seq, answer ? { ...row, ...answer.row } : row), answer?.used)
    if (answer) {
      chars += JSON.stringify(answer.row.result).length
      emit.push(...answeredEvents(taskId, active, { call, row: { ...row, ...answer.row }, atMs }))
    } else {
      open.push({ call, ask: answered === 'ask' })
    }
  }
  const asking = open.filter(({ call }) => delegates.has(call.name))
  const share = delegationOf(before, active, asking.length)
  for (const each of agentsFirst(open, delegates))
    emit.push(...toolRequestedEvents(taskId, active, each, atMs, asking.includes(each) ? share : null))
  if (before.session) rows.session = { ...before.session, chars }
  const pending = calls.map((call) => call.seq)
  rows.active = { ...active, ...FRESH, pending, calls: active.calls + calls.length }
  return { rows, emit, timers: { [RETRY]: open.length > 0 ? null : atMs } }
}

const UNANSWERED = { result: null, status: null, durationMs: 0, cached: false } satisfies Partial<CallRow>

function finishStep(
  taskId: string,
  rows: View,
  active: ActiveRow,
  value: Finished,
  outcome: CallOutcome,
): Decided {
  const decision = closeStep(taskId, rows, active, endingOf(value, outcome))
  const row = rows[`log:${active.n}`]
  if (value.lost === 'nothing' && row)
    return {
      ...decision,
      rows: {
        ...logRow(active.n, { ...row, outputHash: value.outputHash }),
        ...(rows.session && {
          session: { ...rows.session, computeMs: (rows.session.computeMs ?? 0) + value.computeMs },
        }),
        active: null,
      },
    }
  if (value.lost === 'session') return { ...decision, rows: { ...decision.rows, ...freshSession(rows) } }
  return decision
}

const PRIOR_LOST = 'its steps of earlier messages are no longer stored'
const TOO_MUCH = 'more than can be rebuilt if it is lost'

/** Why a session can't take another step; null if it can. */
function fullSession(rows: View): string | null {
  const { chars = 0, computeMs = 0 } = rows.session ?? {}
  if (isPriorLost(rows)) return PRIOR_LOST
  if (computeMs > limits.sessionComputeMs)
    return `its steps have computed for ${Math.round(computeMs / 60_000)} minutes in all, ${TOO_MUCH}`
  const most = limits.sessionChars.toLocaleString('en')
  return chars > limits.sessionChars
    ? `its code and tool results have more than ${most} characters, ${TOO_MUCH}`
    : null
}

/** Fails the step, and begins a fresh session with the next one. */
function endSession(request: CodeRequested, atMs: number, rows: View, why: string): Decided {
  const { taskId, code: _, ...given } = request
  const message =
    `The Python session was ended because ${why}. This step was not run and ` +
    'all variables are gone: in the next one, define again what you need.'
  const error = failure(why === PRIOR_LOST ? 'PAYLOAD_MISSING' : 'CODE_LIMIT', message)
  const unbegun: ActiveRow = { ...given, n: rows.session?.nextN ?? 0, startedAtMs: atMs, ...FRESH }
  const kept = given.keepLog ? { after: null, step: null } : null
  return {
    rows: freshSession(rows),
    emit: endEvents(taskId, unbegun, [], { status: 'failed', error, finished: null, atMs, kept }),
    call: discardCall(taskId),
  }
}

function freshSession(rows: View): Decided['rows'] & object {
  const kept = Object.entries(withoutLog(rows)).filter(([name]) => name in rows)
  const session = rows.session && { session: { nextN: rows.session.nextN, chars: 0, computeMs: 0 } }
  return { ...Object.fromEntries(kept), ...session }
}

/** Ends the step, leaves nothing of it in the log, and cancels the calls that it waits for. */
function closeStep(taskId: string, rows: View, active: ActiveRow, ending: Ending): Decided {
  return {
    rows: { ...withoutStep(rows, active.n), active: null },
    emit: [
      ...endEvents(taskId, active, callRows(rows, active.n), {
        ...ending,
        kept: reportOf(rows, active, ending.finished),
      }),
      ...cancelCalls(taskId, rows, active, ending),
    ],
    timers: { [RETRY]: null, [EVICT]: null },
  }
}

function cancelCalls(taskId: string, rows: View, active: ActiveRow, { error, status }: Ending): Emit[] {
  const { n, pending, requestId, deadlineMs } = active
  const open = pending.filter((seq) => !rows[`call:${n}.${seq}`]?.result)
  if (open.length === 0) return []
  const callIds = open.map((seq) => callIdOf(requestId, seq))
  const reason = error?.message ?? `its step ${status}`
  return [{ topic: 'tools.requested', type: 'WorkCancelled', data: { taskId, callIds, reason, deadlineMs } }]
}

function handleFailedCall(
  taskId: string,
  rows: View,
  active: ActiveRow,
  outcome: CallOutcome & { ok: false },
): Decided {
  const { failure: error, endedMs } = outcome
  if (error.code === 'CALL_ABORTED')
    return {
      rows: { active: { ...active, interrupted: true } },
      timers: { [RETRY]: endedMs + INTERRUPTED_MS },
    }
  const delayMs = error.retryAfterMs ?? backoffMs(active.attempts, 1_000, MAX_RETRY_MS)
  const attempts = active.attempts + (error.code === 'BREAKER_OPEN' ? 0 : 1)
  if (error.retryable && attempts < MAX_ATTEMPTS && endedMs + delayMs < active.deadlineMs)
    return { rows: { active: { ...active, attempts } }, timers: { [RETRY]: endedMs + delayMs } }
  return closeStep(taskId, rows, active, {
    status: 'failed',
    error: plainFailure(error),
    finished: null,
    atMs: endedMs,
  })
}

function abandonStep(taskId: string, rows: View, active: ActiveRow, atMs: number, reason?: string): Decided {
  const error = failure('CALL_ABORTED', reason ?? `step ${active.step} was replaced by a later one`)
  return closeStep(taskId, rows, active, { status: 'cancelled', error, finished: null, atMs })
}

function rejectLate({ taskId, code: _, ...given }: CodeRequested, atMs: number, status: string): Decided {
  const error = failure('CALL_ABORTED', `step ${given.step} was not run: its task is over (${status})`)
  const unbegun: ActiveRow = { ...given, n: 0, startedAtMs: atMs, ...FRESH }
  return { emit: endEvents(taskId, unbegun, [], { status: 'cancelled', error, finished: null, atMs }) }
}

function poisoned(event: StageEvent, rows: View, error: Failure): Decided {
  const { active } = rows
  if (event.type === 'TimerFired' && event.data.name === FORGET) return { rows: { closed: null } }
  if (event.type === 'TaskClosed') {
    // Without giving the interpreter back: it goes when others need its place.
    const { call: _, ...closed } = closeTask(event.data, event.atMs, rows)
    return closed
  }
  const ending: Ending = { status: 'failed', error: plainFailure(error), finished: null, atMs: event.atMs }
  if (event.type !== 'CodeRequested') return active ? closeStep(event.key, rows, active, ending) : {}
  const { taskId, code: _, ...given } = event.data
  const unbegun: ActiveRow = { ...given, n: rows.session?.nextN ?? 0, startedAtMs: event.atMs, ...FRESH }
  return { emit: endEvents(taskId, unbegun, [], { ...ending, kept: reportOf(rows, unbegun, null) }) }
}
