// Calls that an MCP server goes on with as a task of its own (the Tasks extension).
//
// 1. The server's id of it is in a row of the call, so that a process that takes the lane over asks on. Asking is
//    safe to repeat, whatever the tool is.
// 2. It ends with the task's deadline, a cancel, or its task: the server is asked to stop it, up to CANCEL_TRIES
//    times, and the requester is answered once.
// 3. A server that is down is asked again until the deadline: what it goes on with may be well.
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import type { CallOutcome, Decision } from '../../runtime/stage.ts'
import type { ToolRequested } from '../../schemas/generated/events.ts'
import type { Pending, ToolAnswer } from './call.ts'
import { callOf } from './tool-call.ts'
import { completedEvents, continuedEvents, usageEvents, type Ending } from './events.ts'
import { refusal, type Asked, type Refusal } from './refusal.ts'
import type { Polling, ToolRows } from './rows.ts'

type State = Readonly<Partial<ToolRows>>
type Decided = Decision<ToolRows>

const CANCEL_TRIES = 3
const CANCEL_RETRY_MS = 5_000
/** Long enough for a cancel that has aborted the question to take its turn. */
const ABORTED_MS = 250
/** While the server is down. */
const RETRY_MS = 5_000

/** A call that was begun, or asked about, is not over. */
export function keepPolling(
  { request, askedMs }: Pick<Asked, 'request' | 'askedMs'>,
  rows: State,
  pending: Pending,
  outcome: Pick<CallOutcome, 'startedMs' | 'endedMs'>,
): Decided {
  const firstMs = rows.polling?.firstMs ?? rows.waiting?.firstMs ?? outcome.startedMs
  const approval = rows.polling?.approval ?? rows.waiting?.approval
  const polling: Polling = {
    ...{ request, pending, askedMs, firstMs, stop: null, tries: 0 },
    ...(approval && { approval }),
  }
  const isNew = rows.polling === undefined || rows.polling.pending.note !== pending.note
  return {
    rows: { polling, ...(rows.waiting && { waiting: null }) },
    timers: { poll: Math.min(outcome.endedMs + pending.pollMs, request.deadlineMs) },
    ...(isNew && { emit: continuedEvents(request, pending, outcome.endedMs) }),
  }
}

/** The timer of a call that goes on: ask, or have it stopped. */
export function poll(rows: State, nowMs: number, specs: ReadonlyMap<string, ToolSpec>): Decided {
  const { polling } = rows
  if (!polling) return {}
  const { request, askedMs, pending } = polling
  const spec = specs.get(request.tool)
  const refused = refusal({ request, askedMs, nowMs }, rows, specs)
  // Without its tool (a newer configuration) nothing can be asked of its server.
  if (!spec) return endPolling(rows, polling, { ...(refused as Refusal), endedAtMs: nowMs })
  const call = callOf(request, spec, nowMs)
  if (!refused) return { call: asking(call, pending, 'outcome') }
  const { untilMs: _, ...unlimited } = asking(call, pending, 'cancel')
  return {
    rows: { polling: { ...polling, stop: polling.stop ?? stopped(request, refused) } },
    call: { ...unlimited, timeoutMs: spec.timeoutMs },
  }
}

const stopped = ({ tool }: ToolRequested, { error }: Refusal): Refusal => {
  const why = error.message.replace(`${tool} was not called`, `${tool} was stopped`)
  return { status: 'cancelled', error: failure('CALL_ABORTED', why) }
}

const asking = (call: ReturnType<typeof callOf>, pending: Pending, ask: 'outcome' | 'cancel') => ({
  ...call,
  request: { ...call.request, continued: { pending, ask } },
  idempotent: true,
})

/** What the server said about a call that goes on. */
export function concludePoll(rows: State, polling: Polling, outcome: CallOutcome): Decided {
  const { request, stop, tries } = polling
  if (stop !== null) {
    if (outcome.ok || tries + 1 >= CANCEL_TRIES)
      return endPolling(rows, polling, { ...stop, endedAtMs: outcome.endedMs })
    const again = { ...polling, tries: tries + 1 }
    return { rows: { polling: again }, timers: { poll: outcome.endedMs + CANCEL_RETRY_MS } }
  }
  if (outcome.ok) {
    const answer = outcome.value as ToolAnswer
    if (answer.pending) return keepPolling(polling, rows, answer.pending, outcome)
    return endPolling(
      rows,
      polling,
      { status: 'succeeded', error: null, answer, endedAtMs: outcome.endedMs },
      outcome,
    )
  }
  const { code, retryable, retryAfterMs } = outcome.failure
  // An abort means that a cancel waits for its turn, or that the deadline has come: the next timer sees which.
  if (code === 'CALL_ABORTED') return { timers: { poll: outcome.endedMs + ABORTED_MS } }
  if (retryable) {
    const dueMs = outcome.endedMs + Math.max(RETRY_MS, retryAfterMs ?? 0)
    return { timers: { poll: Math.min(dueMs, request.deadlineMs) } }
  }
  return endPolling(
    rows,
    polling,
    { status: 'failed', error: outcome.failure, endedAtMs: outcome.endedMs },
    outcome,
  )
}

/** Nobody is left to read the reply of a task that is over. */
function endPolling(
  rows: State,
  { request, firstMs, approval }: Polling,
  ending: Omit<Ending, 'startedAtMs'>,
  outcome: CallOutcome | null = null,
): Decided {
  if (rows.closed) return { clear: true }
  const usage = outcome === null ? [] : usageEvents(request, { ...outcome, startedMs: firstMs })
  return {
    rows: { polling: null },
    emit: [...completedEvents(request, { ...ending, startedAtMs: firstMs }, approval), ...usage],
  }
}
