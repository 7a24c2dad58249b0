// Runs the tool calls that planner and code-sandbox ask for.
//
// 1. Each call is a part of its task's key, so the calls of one task run at the same time. WorkCancelled and
//    TaskClosed have the task's key: every call of the task sees the rows they write there (runtime/stage.ts,
//    5), and they interrupt running calls.
// 2. Every ToolRequested ends in exactly one ToolCompleted, except that a call which waits for a retry when
//    its task closes ends silently: no requester is left to read the reply.
// 3. Nothing starts after TaskClosed, nor a call that WorkCancelled named, in whatever order they are
//    handled. A task that succeeded has no open calls (planner waits for them first), so nothing needs to be
//    remembered. The rows of any other task's calls stay until their timers see that it is over: a server may
//    have to be asked to stop (polling.ts).
// 4. Only an idempotent tool is retried; any other only if a breaker kept the call from being made, or a
//    look-up says that it took no effect.
// 5. Settings may change while calls are under way. One that a process had begun when it died is what the journal knows of
//    it (`begun`), though its tool is gone or needs a person by now.
// 6. A call that needs a person waits under its own key with its arguments frozen (held.ts), in both modes.
//    Its ToolCompleted follows when people have decided, or nobody did in time. A cancel, or the end of its task, ends
//    the wait at once, with the release and the notices that a decision has.
import { defaultDelegation, toolSpecs } from '../../runtime/config/delegates.ts'
import type { Fleet, ToolSpec } from '../../runtime/config/fleet.ts'
import { merge } from '../../runtime/decisions.ts'
import { failure, plainFailure } from '../../runtime/errors.ts'
import type { Key } from '../../runtime/keys.ts'
import type { CallOutcome, Decision, Emit, RecordEvent, Stage, StageEvent } from '../../runtime/stage.ts'
import type { ToolRequested, WorkCancelled } from '../../schemas/generated/events.ts'
import type { ServerQuestion, ToolAnswer } from './call.ts'
import {
  callIdsOf,
  cancelDelegated,
  delegate,
  endDelegated,
  failDelegated,
  type Delegating,
} from './delegation.ts'
import { concludeLookUp, isInDoubt, reconcileCall, resolveDoubt, type Doubtful } from './doubt.ts'
import { ask, checksOf, gate } from './gate.ts'
import { decideHeld, drop, expire, EXPIRY, resumed, withdraw, type At } from './held.ts'
import { concludePoll, goOn, keepAsking, keepPolling, poll, withStop } from './polling.ts'
import { refusal, type Asked } from './refusal.ts'
import { askForServer } from './server-question.ts'
import { answerFits } from './server-answer.ts'
import { endingOfGone, goneTool } from './gone-tool.ts'
import { callOf } from './tool-call.ts'
import { headers } from '../../schemas/topics.ts'
import {
  completedEvents,
  describeTimeout,
  statusOf,
  toolChangedEvents,
  usageEvents,
  waitingEvents,
  type Ending,
} from './events.ts'
import { nextTry, type NextTry } from './retries.ts'
import type { Cancelled, Doubt, Held, ToolRows, Waiting } from './rows.ts'

type State = Readonly<Partial<ToolRows>>
type Beginning = At & Pick<StageEvent, 'begun'>

/** How long after its task's deadline an end or a cancel is remembered: requests in flight may come late. */
export const REMEMBER_MS = 600_000

/** The timer by which a cancel or the task's end reaches calls that wait for a person. */
const STOP = 'stop'

export const keyOfCall = (taskId: string, callId: string): Key => ({ root: taskId, part: callId })

/** `agents` and their limits: absent, no agent asks another. */
type Configured = Pick<Fleet, 'tools'> &
  Partial<Pick<Fleet, 'agents'>> & {
    readonly limits?: Partial<Pick<Fleet['limits'], 'delegation' | 'input'>>
  }

export function createToolExecutorStage(fleet: Configured): Stage<ToolRows> {
  const { agents = {}, limits = {} } = fleet
  const specs = new Map(toolSpecs(fleet).map((spec) => [spec.name, spec]))
  const delegating: Delegating = { agents, limits: limits.delegation ?? defaultDelegation }
  const checks = checksOf(fleet.tools)

  const begin = (asked: Asked, rows: State, { id, atMs, begun }: Beginning): Decision<ToolRows> => {
    const { request, nowMs } = asked
    const at = { startedAtMs: nowMs, endedAtMs: nowMs }
    const refused = refusal(asked, rows, specs)
    if (begun && refused?.error.code === 'TOOL_UNKNOWN') return { call: callOf(request, goneTool, nowMs) }
    if (refused) return end(request, rows, { ...refused, ...at })
    const spec = specs.get(request.tool)
    if (!spec) return {}
    if (spec.delegate) return delegate(request, { id, atMs }, rows, spec.delegate, delegating)
    // What was begun before a person was needed is not made later, under another id, because one agrees.
    const isPast = rows.waiting?.cleared || (begun && !spec.idempotent)
    const gated = isPast ? ({ do: 'pass' } as const) : gate(asked, spec, id, checks(request.tool).arguments)
    if (gated.do === 'refuse') return end(request, rows, { status: 'failed', error: gated.error, ...at })
    return gated.do === 'pass' ? { call: callOf(request, spec, nowMs, rows.waiting?.given) } : gated.decided
  }

  const continueWaiting = (waiting: Waiting, rows: State, event: Beginning): Decision<ToolRows> => {
    const { request, why, doubt } = waiting
    const { atMs } = event
    if (why !== 'reconcile' || !doubt) return begin({ ...waiting, nowMs: atMs }, rows, event)
    const spec = specs.get(request.tool)
    if (spec?.reconciles) return { call: reconcileCall(request, spec, doubt) }
    return end(request, rows, inDoubt(waiting.firstMs, doubt, atMs))
  }

  /** Null: the call may go on waiting, or be made. */
  const stopHeld = (held: Held, rows: State, atMs: number): Decision<ToolRows> | null => {
    if (rows.closed) return withStop(held, drop(held, atMs), atMs)
    const asked = { request: resumed(held, atMs), askedMs: held.askedMs, nowMs: atMs }
    const refused = refusal(asked, rows, specs)
    return refused && withStop(held, withdraw(held, { ...refused, output: null }, atMs), atMs)
  }

  const decideApproval = (held: Held, event: Decided, rows: State): Decision<ToolRows> => {
    const { atMs, data } = event
    const stopped = stopHeld(held, rows, atMs)
    if (stopped) return stopped
    const fits = checks(held.request.tool)
    const ofServer = held.question && { answer: answerFits(held.question) }
    const verdict = decideHeld(held, data, event, { ...fits, ...ofServer })
    if (verdict.do !== 'run') return withStop(held, verdict.decided, atMs)
    const { request, approval, decided, given } = verdict
    if (held.polling) return merge(decided, goOn(held.polling, verdict, atMs))
    const { askedMs, firstMs = atMs } = held
    const begun = { request, tries: 0, askedMs, firstMs, approval, ...(given && { given }) }
    const waiting = { ...begun, why: 'cleared', cleared: true } as const
    // By a handling of its own: the decision is durable, and everybody knows of it, while the tool runs.
    return { ...decided, rows: { ...decided.rows, waiting }, timers: { ...decided.timers, retry: atMs } }
  }

  return {
    name: 'tool-executor',
    version: 2,
    consumes: [
      { topic: 'tools.requested' },
      { topic: 'tasks.control', events: ['ApprovalDecided'] },
      { topic: 'tasks.delegated', accepts: (record) => record[headers.schema] === 'DelegationEnded' },
    ],
    keyOf: (event) => keyOf(event, specs),
    interrupts,
    mayHaveBegun(event, { held, polling, waiting }) {
      if (event.type === 'ToolRequested') return { kind: 'tool', target: event.data.tool }
      if (event.type !== 'TimerFired' || held || polling || !waiting || waiting.doubt) return null
      return { kind: 'tool', target: waiting.request.tool }
    },
    decide(event, rows) {
      switch (event.type) {
        case 'ToolRequested':
          return begin({ request: event.data, askedMs: event.atMs, nowMs: event.atMs }, rows, event)
        case 'ApprovalDecided':
          return rows.held ? decideApproval(rows.held, event, rows) : {}
        case 'DelegationEnded':
          return endDelegated(event.data, rows, event.atMs)
        case 'WorkCancelled':
          return cancelWork(event, rows)
        case 'TaskClosed':
          return closeTask(event, rows)
        case 'TimerFired':
          if (event.data.name === 'forget') return { clear: true }
          if (rows.polling) return event.data.name === STOP ? {} : poll(rows, event.atMs, specs)
          if (rows.held && (event.data.name === STOP || rows.closed))
            return stopHeld(rows.held, rows, event.atMs) ?? {}
          if (event.data.name === STOP) return {}
          if (rows.closed) return { clear: true }
          if (event.data.name === EXPIRY)
            return rows.held ? withStop(rows.held, expire(rows.held, event), event.atMs) : {}
          return rows.waiting ? continueWaiting(rows.waiting, rows, event) : {}
        default:
          return {}
      }
    },
    conclude(event, rows, call, outcome) {
      if (rows.polling) {
        const spec = specs.get(rows.polling.request.tool)
        return concludePoll(rows, rows.polling, outcome, { id: event.id, spec })
      }
      const request = requestOf(event, rows)
      if (!request) return {}
      const { waiting } = rows
      const spec = specs.get(request.tool)
      if (!spec) {
        const ending = endingOfGone(request.tool, outcome, waiting?.firstMs)
        return end(request, rows, ending, usageEvents(request, outcome))
      }
      const called: Called = { request, spec, rows, askedMs: waiting?.askedMs ?? event.atMs, id: event.id }
      if (call.kind === 'rule') return concludeRule(called, outcome)
      return call.kind === 'reconcile' ? concludeReconcile(called, outcome) : conclude(called, outcome)
    },
    poisoned(event, rows, error) {
      if (event.type === 'TaskClosed') return closeTask(event, rows)
      if (event.type === 'TimerFired' && event.data.name === 'forget') return { clear: true }
      if (event.type === 'DelegationEnded') return failDelegated(event.data, rows, error, event.atMs)
      const at = { startedAtMs: event.atMs, endedAtMs: event.atMs }
      // The decision is a dead letter: the call waits for another one.
      if (event.type === 'ApprovalDecided') return {}
      if (rows.held) {
        const failed = withdraw(rows.held, { status: 'failed', output: null, error }, event.atMs)
        return withStop(rows.held, failed, event.atMs)
      }
      const request = requestOf(event, rows)
      return request ? end(request, rows, { status: 'failed', error, ...at }) : {}
    },
  }
}

type Decided = Extract<StageEvent, { type: 'ApprovalDecided' }>

/** Calls of other agents are handled under the task's own key (delegation.ts, 2). */
function keyOf(event: RecordEvent, specs: ReadonlyMap<string, ToolSpec>): Key | string {
  switch (event.type) {
    case 'ToolRequested':
      if (specs.get(event.data.tool)?.delegate) return event.data.taskId
      return keyOfCall(event.data.taskId, event.data.callId)
    case 'ApprovalDecided':
      return keyOfCall(event.data.taskId, event.data.callId)
    case 'DelegationEnded':
    case 'WorkCancelled':
    case 'TaskClosed':
      return event.data.taskId
    default:
      return event.key
  }
}

function interrupts(event: StageEvent): boolean | readonly Key[] {
  if (event.type === 'TaskClosed') return true
  if (event.type !== 'WorkCancelled') return false
  const { taskId, callIds } = event.data
  return callIds.length === 0 ? true : callIds.map((callId) => keyOfCall(taskId, callId))
}

const requestOf = (event: StageEvent, rows: State): ToolRequested | undefined =>
  event.type === 'ToolRequested' ? event.data : (rows.waiting ?? rows.polling)?.request

function cancelWork(event: Extract<StageEvent, { type: 'WorkCancelled' }>, rows: State): Decision<ToolRows> {
  const { atMs, data } = event
  const callIds = data.callIds.length === 0 ? callIdsOf(rows) : data.callIds
  const ended = cancelDelegated(rows, { callIds, reason: data.reason, atMs })
  const kept = remember(event, { cancelled: mergeCancel(data, atMs, rows.cancelled) })
  return { ...kept, rows: { ...ended.rows, ...kept.rows }, emit: ended.emit }
}

function closeTask(event: Extract<StageEvent, { type: 'TaskClosed' }>, rows: State): Decision<ToolRows> {
  const { status } = event.data
  const ended = cancelDelegated(rows, { callIds: null, reason: status, atMs: event.atMs })
  if (status === 'succeeded') return { clear: true, emit: ended.emit }
  const kept = remember(event, { closed: { status } })
  return { ...kept, rows: { ...ended.rows, delegated: null, ...kept.rows }, emit: ended.emit }
}

type Stop = Extract<StageEvent, { type: 'WorkCancelled' | 'TaskClosed' }>

/** Calls that are made are interrupted; those that wait for a person are woken. */
const remember = ({ atMs, data }: Stop, rows: Partial<ToolRows>): Decision<ToolRows> => ({
  rows,
  wakeParts: STOP,
  timers: { forget: Math.max(atMs, data.deadlineMs ?? 0) + REMEMBER_MS },
})

function mergeCancel(data: WorkCancelled, atMs: number, before: Cancelled | undefined): Cancelled {
  const callIds = [...new Set([...(before?.callIds ?? []), ...data.callIds])]
  return { callIds, allUntilMs: data.callIds.length === 0 ? atMs : (before?.allUntilMs ?? null) }
}

interface Called {
  request: ToolRequested
  spec: ToolSpec
  rows: State
  askedMs: number
  /** Id of the event. */
  id: string
}

/** Anything but a plain no of the rule needs a person. */
function concludeRule(
  { request, spec, rows, askedMs, id }: Called,
  outcome: CallOutcome,
): Decision<ToolRows> {
  const atMs = outcome.endedMs
  const at = { startedAtMs: atMs, endedAtMs: atMs }
  if (!outcome.ok && outcome.failure.code === 'CALL_ABORTED')
    return end(request, rows, { status: 'cancelled', error: outcome.failure, ...at })
  if (!outcome.ok || outcome.value !== false)
    return ask({ request, askedMs }, spec, outcome.ok ? 'when' : 'rule failed', { id, atMs })
  const passed = { why: 'approval', rule: 'when', outcome: 'not needed' } as const
  const approval = { ...passed, decisions: [], heldAtMs: atMs, endedAtMs: atMs }
  const waiting: Waiting = {
    request,
    tries: 0,
    askedMs,
    firstMs: atMs,
    why: 'cleared',
    cleared: true,
    approval,
  }
  return { rows: { waiting }, timers: { retry: atMs } }
}

function concludeReconcile(called: Called, outcome: CallOutcome): Decision<ToolRows> {
  const { request, rows, id } = called
  const { waiting } = rows
  if (!waiting?.doubt) return {}
  const { doubt, firstMs } = waiting
  const next = rows.closed
    ? ({ do: 'tell' } as const)
    : concludeLookUp(doubtful(called, firstMs), doubt, outcome, { id, atMs: outcome.endedMs })
  if (next.do === 'change') return next.decided
  if (next.do === 'tell') return end(request, rows, inDoubt(firstMs, doubt, outcome.endedMs))
  const answer = { output: next.output, cached: false }
  const at = { startedAtMs: firstMs, endedAtMs: outcome.endedMs }
  return end(request, rows, { status: 'succeeded', error: null, answer, ...at })
}

const doubtful = ({ request, spec, askedMs, rows: { waiting } }: Called, firstMs: number): Doubtful => ({
  ...{ request, spec, askedMs, firstMs, waiting },
})

function inDoubt(startedAtMs: number, { failure: error }: Doubt, endedAtMs: number): Ending {
  return { status: statusOf(error), error, startedAtMs, endedAtMs }
}

function conclude(called: Called, outcome: CallOutcome): Decision<ToolRows> {
  const { request, spec, rows } = called
  const startedAtMs = rows.waiting?.firstMs ?? outcome.startedMs
  const at = { startedAtMs, endedAtMs: outcome.endedMs }
  const usage = usageEvents(request, outcome)
  if (outcome.ok) {
    const answer = outcome.value as ToolAnswer
    const { asks, pending } = answer
    if (asks && pending) return keepAsking(called, rows, { asks, pending }, outcome)
    if (pending) return keepPolling(called, rows, pending, outcome)
    if (asks) return concludeQuestion(called, asks, outcome)
    return end(request, rows, { status: 'succeeded', error: null, answer, ...at }, usage)
  }
  const error = describeTimeout(request, spec, outcome.failure)
  usage.push(...toolChangedEvents(request, spec, error, outcome.endedMs))
  if (!rows.closed && isInDoubt(spec, outcome)) {
    const doubt = { callId: outcome.callId, failure: plainFailure(error) }
    const at = { id: called.id, atMs: outcome.endedMs }
    const settled = resolveDoubt(doubtful(called, startedAtMs), doubt, at)
    if (settled) return merge({ emit: usage }, settled)
  }
  const { deadlineMs } = request
  const when = { nowMs: outcome.endedMs, deadlineMs, seed: outcome.callId }
  const next = rows.closed ? null : nextTry(spec, error, rows.waiting?.tries ?? 0, when)
  if (!next) return end(request, rows, { status: statusOf(error), error, ...at }, usage)
  return wait(called, next, [...usage, ...waitingEvents(called, next, error, outcome.endedMs)], startedAtMs)
}

/** A server asks people before it goes on. */
function concludeQuestion(
  { request, spec, rows, askedMs, id }: Called,
  question: ServerQuestion,
  outcome: CallOutcome,
): Decision<ToolRows> {
  const firstMs = rows.waiting?.firstMs ?? outcome.startedMs
  const usage = usageEvents(request, outcome)
  if (rows.closed) {
    const error = failure('CALL_ABORTED', `${request.tool} was not called: its task is over`)
    const at = { startedAtMs: firstMs, endedAtMs: outcome.endedMs }
    return end(request, rows, { status: 'cancelled', error, ...at }, usage)
  }
  const call = { request, askedMs, firstMs, before: rows.waiting?.approval }
  const asked = askForServer(call, spec, question, { id, atMs: outcome.endedMs })
  return merge({ emit: usage }, asked)
}

function wait(
  { request, rows: { waiting }, askedMs }: Called,
  next: NextTry,
  emit: Emit[],
  firstMs: number,
): Decision<ToolRows> {
  const tries = (waiting?.tries ?? 0) + (next.why === 'retry' ? 1 : 0)
  const { cleared, approval, given } = waiting ?? {}
  const asked = { ...(cleared && { cleared }), ...(approval && { approval }), ...(given && { given }) }
  return {
    rows: { waiting: { request, tries, askedMs, firstMs, why: next.why, ...asked } },
    timers: { retry: next.dueMs },
    emit,
  }
}

function end(request: ToolRequested, rows: State, ending: Ending, usage: Emit[] = []): Decision<ToolRows> {
  const emit = [...completedEvents(request, ending, rows.waiting?.approval), ...usage]
  const left = { ...(rows.waiting && { waiting: null }), ...(rows.polling && { polling: null }) }
  return { rows: left, emit }
}
