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
// 4. Only an idempotent tool is retried; any other only if a breaker kept the call from being made.
import type { Fleet, ToolSpec } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import type { Key } from '../../runtime/keys.ts'
import type {
  CallFailure,
  CallOutcome,
  Decision,
  Emit,
  RecordEvent,
  Stage,
  StageEvent,
} from '../../runtime/stage.ts'
import type { ToolRequested, WorkCancelled } from '../../schemas/generated/events.ts'
import type { ToolAnswer } from './call.ts'
import { refusal, type Asked } from './refusal.ts'
import { callOf } from './tool-call.ts'
import { concludePoll, keepPolling, poll } from './polling.ts'
import { completedEvents, waitingEvents, usageEvents, type Ending } from './events.ts'
import { nextTry, type NextTry } from './retries.ts'
import type { Cancelled, ToolRows } from './rows.ts'

type State = Readonly<Partial<ToolRows>>

/** How long after its task's deadline an end or a cancel is remembered: requests in flight may come late. */
export const REMEMBER_MS = 600_000

export const keyOfCall = (taskId: string, callId: string): Key => ({ root: taskId, part: callId })

export function createToolExecutorStage(fleet: Pick<Fleet, 'tools'>): Stage<ToolRows> {
  const specs = new Map(fleet.tools.map((tool) => [tool.spec.name, tool.spec]))
  const begin = (asked: Asked, rows: State): Decision<ToolRows> => {
    const { request, nowMs } = asked
    const refused = refusal(asked, rows, specs)
    if (refused) return end(request, rows, { ...refused, startedAtMs: nowMs, endedAtMs: nowMs })
    const spec = specs.get(request.tool)
    return spec ? { call: callOf(request, spec, nowMs) } : {}
  }
  return {
    name: 'tool-executor',
    version: 2,
    consumes: [{ topic: 'tools.requested' }],
    keyOf,
    interrupts,
    decide(event, rows) {
      switch (event.type) {
        case 'ToolRequested':
          return begin({ request: event.data, askedMs: event.atMs, nowMs: event.atMs }, rows)
        case 'WorkCancelled':
          return remember(event, { cancelled: mergeCancel(event.data, event.atMs, rows.cancelled) })
        case 'TaskClosed':
          if (event.data.status === 'succeeded') return { clear: true }
          return remember(event, { closed: { status: event.data.status } })
        case 'TimerFired':
          if (event.data.name === 'forget') return { clear: true }
          if (rows.polling) return poll(rows, event.atMs, specs)
          if (rows.closed) return { clear: true }
          return rows.waiting ? begin({ ...rows.waiting, nowMs: event.atMs }, rows) : {}
        default:
          return {}
      }
    },
    conclude(event, rows, _call, outcome) {
      if (rows.polling) return concludePoll(rows, rows.polling, outcome)
      const request = requestOf(event, rows)
      const spec = request && specs.get(request.tool)
      return request && spec
        ? conclude({ request, spec, rows, askedMs: rows.waiting?.askedMs ?? event.atMs }, outcome)
        : {}
    },
    poisoned(event, rows, error) {
      const request = requestOf(event, rows)
      if (!request) return {}
      const at = { startedAtMs: event.atMs, endedAtMs: event.atMs }
      return end(request, rows, { status: 'failed', error, ...at })
    },
  }
}

function keyOf(event: RecordEvent): Key | string {
  switch (event.type) {
    case 'ToolRequested':
      return keyOfCall(event.data.taskId, event.data.callId)
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

type Stop = Extract<StageEvent, { type: 'WorkCancelled' | 'TaskClosed' }>

const remember = ({ atMs, data }: Stop, rows: Partial<ToolRows>): Decision<ToolRows> => ({
  rows,
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
}

function conclude(called: Called, outcome: CallOutcome): Decision<ToolRows> {
  const { request, spec, rows } = called
  const at = { startedAtMs: rows.waiting?.firstMs ?? outcome.startedMs, endedAtMs: outcome.endedMs }
  const usage = usageEvents(request, outcome)
  if (outcome.ok) {
    const answer = outcome.value as ToolAnswer
    if (answer.pending) return keepPolling(called, rows, answer.pending, outcome)
    return end(request, rows, { status: 'succeeded', error: null, answer, ...at }, usage)
  }
  const error = describeTimeout(request, spec, outcome.failure)
  const { deadlineMs } = request
  const when = { nowMs: outcome.endedMs, deadlineMs, seed: outcome.callId }
  const next = rows.closed ? null : nextTry(spec, error, rows.waiting?.tries ?? 0, when)
  if (!next) return end(request, rows, { status: statusOf(error), error, ...at }, usage)
  return wait(
    called,
    next,
    [...usage, ...waitingEvents(called, next, error, outcome.endedMs)],
    at.startedAtMs,
  )
}

function wait(
  { request, rows, askedMs }: Called,
  next: NextTry,
  emit: Emit[],
  firstMs: number,
): Decision<ToolRows> {
  const tries = (rows.waiting?.tries ?? 0) + (next.why === 'retry' ? 1 : 0)
  return {
    rows: { waiting: { request, tries, askedMs, firstMs, why: next.why } },
    timers: { retry: next.dueMs },
    emit,
  }
}

function end(request: ToolRequested, rows: State, ending: Ending, usage: Emit[] = []): Decision<ToolRows> {
  const emit = [...completedEvents(request, ending), ...usage]
  const left = { ...(rows.waiting && { waiting: null }), ...(rows.polling && { polling: null }) }
  return { rows: left, emit }
}

/** Rewords the host's error, which is about a call, for the model, which is told about its tool. */
function describeTimeout(request: ToolRequested, spec: ToolSpec, error: CallFailure): CallFailure {
  if (error.code !== 'CALL_TIMEOUT') return error
  const doubt = spec.idempotent ? '' : '; it may have taken effect all the same'
  const message = `${request.tool} did not answer in time (its limit is ${spec.timeoutMs} ms)${doubt}`
  return failure('TOOL_TIMEOUT', message)
}

function statusOf(error: CallFailure): 'failed' | 'unknown' | 'cancelled' {
  if (error.code === 'CALL_OUTCOME_UNKNOWN') return 'unknown'
  return error.code === 'CALL_ABORTED' ? 'cancelled' : 'failed'
}
