// Calls that an MCP server goes on with as a task of its own (the Tasks extension).
//
// 1. The server's id of it is in a row of the call, so that a process that takes the lane over asks on. Asking is
//    safe to repeat, whatever the tool is.
// 2. It ends with the task's deadline, a cancel, or its task: the server is asked to stop it, up to CANCEL_TRIES
//    times, and the requester is answered once.
// 3. It may ask people in between: then the call is held (server-question.ts), with this row in it. However that wait
//    ends but by an answer, the requester has its reply at once, and the server is asked to stop.
// 4. A server that is down is asked again until the deadline: what it goes on with may be well.
import type { ToolSpec } from '../../runtime/config/fleet.ts'
import { merge } from '../../runtime/decisions.ts'
import { failure } from '../../runtime/errors.ts'
import type { CallOutcome, Decision } from '../../runtime/stage.ts'
import type { ToolRequested } from '../../schemas/generated/events.ts'
import type { Given, Pending, ServerQuestion, ToolAnswer } from './call.ts'
import { callOf } from './tool-call.ts'
import { EXPIRY } from './held.ts'
import { askForServer } from './server-question.ts'
import { completedEvents, continuedEvents, usageEvents, type Ending } from './events.ts'
import { refusal, type Asked, type Refusal } from './refusal.ts'
import type { Held, Polling, ToolRows } from './rows.ts'

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
  const { request, askedMs, pending, given } = polling
  const spec = specs.get(request.tool)
  const refused = refusal({ request, askedMs, nowMs }, rows, specs)
  // Without its tool (a newer configuration) nothing can be asked of its server.
  if (!spec) return endPolling(rows, polling, { ...(refused as Refusal), endedAtMs: nowMs })
  const call = callOf(request, spec, nowMs)
  const stop = polling.stop ?? (refused && stopped(request, refused))
  if (!stop) return { call: asking(call, pending, given ? 'answer' : 'outcome', given) }
  const { untilMs: _, ...unlimited } = asking(call, pending, 'cancel')
  return {
    rows: { polling: { ...polling, stop } },
    call: { ...unlimited, timeoutMs: spec.timeoutMs },
  }
}

const stopped = ({ tool }: ToolRequested, { error }: Refusal): Refusal => {
  const why = error.message.replace(`${tool} was not called`, `${tool} was stopped`)
  return { status: 'cancelled', error: failure('CALL_ABORTED', why) }
}

const asking = (
  call: ReturnType<typeof callOf>,
  pending: Pending,
  ask: 'outcome' | 'answer' | 'cancel',
  given?: Given,
) => ({
  ...call,
  request: { ...call.request, continued: { pending, ask }, ...(given && { given }) },
  idempotent: true,
})

/** People have answered: the server gets it, and the call goes on with the time that it had left. */
export const goOn = (
  polling: Polling,
  { request, approval, given }: Pick<Polling, 'request' | 'approval' | 'given'>,
  atMs: number,
): Decided => ({
  rows: {
    polling: { ...polling, request, ...(approval && { approval }), ...(given && { given }) },
  },
  timers: { poll: atMs },
})

/** The wait of a held call is over, and nobody answered. In `decided` its requester has a reply, unless its task is over. */
export function withStop({ polling, request }: Held, decided: Decided, atMs: number): Decided {
  const isOver = decided.clear === true || decided.rows?.held === null
  if (!polling || !isOver) return decided
  const { clear: _, ...rest } = decided
  const stop = stopped(request, { status: 'cancelled', error: failure('CALL_ABORTED', '') })
  return {
    ...rest,
    rows: { ...rest.rows, held: null, polling: { ...polling, stop, isAnswered: true } },
    timers: { ...rest.timers, [EXPIRY]: null, poll: atMs },
  }
}

/** What the server said about a call that goes on. */
export function concludePoll(rows: State, polling: Polling, outcome: CallOutcome, at: Asking): Decided {
  const { request, stop, tries } = polling
  if (stop !== null) {
    if (outcome.ok || tries + 1 >= CANCEL_TRIES)
      return endPolling(rows, polling, { ...stop, endedAtMs: outcome.endedMs })
    const again = { ...polling, tries: tries + 1 }
    return { rows: { polling: again }, timers: { poll: outcome.endedMs + CANCEL_RETRY_MS } }
  }
  if (outcome.ok) {
    const answer = outcome.value as ToolAnswer
    if (answer.asks) return holdPolling(polling, answer.asks, { ...at, atMs: outcome.endedMs })
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

/** `spec`: undefined if a newer configuration has no such tool. */
interface Asking {
  readonly id: string
  readonly spec: ToolSpec | undefined
}

/** A call that was begun goes on, and its server asks people at once. */
export function keepAsking(
  called: Pick<Asked, 'request' | 'askedMs'> & Asking,
  rows: State,
  answer: { readonly asks: ServerQuestion; readonly pending: Pending },
  outcome: Pick<CallOutcome, 'startedMs' | 'endedMs'>,
): Decided {
  const begun = keepPolling(called, rows, answer.pending, outcome)
  const polling = begun.rows?.polling
  if (!polling || rows.closed) return begun
  const held = holdPolling(polling, answer.asks, { ...called, atMs: outcome.endedMs })
  return merge(begun, held, { timers: { poll: null } })
}

function holdPolling(
  polling: Polling,
  question: ServerQuestion,
  { id, atMs, spec }: Asking & { readonly atMs: number },
): Decided {
  const { given: _, approval, ...plain } = polling
  const { request, askedMs, firstMs } = polling
  const call = { request, askedMs, firstMs, before: approval, polling: plain }
  return askForServer(call, spec ?? {}, question, { id, atMs })
}

/** Nobody is left to read the reply of a task that is over. */
function endPolling(
  rows: State,
  { request, firstMs, approval, isAnswered }: Polling,
  ending: Omit<Ending, 'startedAtMs'>,
  outcome: CallOutcome | null = null,
): Decided {
  if (rows.closed) return { clear: true }
  if (isAnswered) return { rows: { polling: null } }
  const usage = outcome === null ? [] : usageEvents(request, { ...outcome, startedMs: firstMs })
  return {
    rows: { polling: null },
    emit: [...completedEvents(request, { ...ending, startedAtMs: firstMs }, approval), ...usage],
  }
}
