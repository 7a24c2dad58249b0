// Gives the tasks of a session their turns, one at a time, and keeps what the session remembers.
//
// 1. At most one task of a session has its turn: a turn is granted when none runs, and in the transition in which the
//    running one ends. Tasks wait in the order in which they were submitted; one that interrupts goes before others.
//    They come by different lanes of router, so that a session which is idle waits a moment for what was sent before.
// 2. A session belongs to the user whose task began it; every other user's task is refused.
// 3. What ends a task, here or elsewhere, ends its turn: router and planner emit TurnEnded in the transaction of its
//    result. If that event never comes, planner is asked after the deadline, again and again: it ends the turn of a
//    task that it does not know. So a turn never outlasts its task for long.
// 4. A message that is given to the running task waits all the same: the end of that task says whether it was taken
//    along, and then answers it; else it is the next turn. If its own task ends first, it is withdrawn; one that was in a
//    prompt by then is remembered as said.
// 5. An event of a task that neither runs nor waits changes nothing.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { defaultSessions, type Sessions } from '../../runtime/config/sessions.ts'
import { merge } from '../../runtime/decisions.ts'
import { failure } from '../../runtime/errors.ts'
import { decodeKey } from '../../runtime/keys.ts'
import { withoutLost } from '../../runtime/errors/missing-row.ts'
import { plural } from '../../runtime/text/quantities.ts'
import type { Emit, Failure, Stage, StageEvent } from '../../runtime/stage.ts'
import type { TurnEnded, TurnRequested } from '../../schemas/generated/events.ts'
import { cancelled, progressed, refused, settled } from './events.ts'
import { compact, takeSummary } from './compaction.ts'
import { memoryOf, turnFrom } from './memory.ts'
import { dropVariables, giveVariables, hasVariables, keepVariables, sizesOf } from './variables.ts'
import {
  begun,
  type Session,
  type SessionDecision,
  type SessionRows,
  type State,
  type Waiting,
} from './rows.ts'

type Event<T> = Extract<StageEvent, { type: T }>

/** How long after its deadline a running task may still end by itself; the pauses between two questions grow. */
export const LOST_MS = 60_000
const MOST_LOST_MS = 3_600_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const LOST = 'lost'
const FORGET = 'forget'
const DROP = 'drop variables'
const SETTLE = 'settle'
/** How long an idle session waits, from a message's submission, for messages that were submitted before it. */
export const SETTLE_MS = 50

export function createSessionsStage(fleet: Pick<Fleet, 'sessions'>): Stage<SessionRows> {
  const limits = fleet.sessions ?? defaultSessions
  return {
    name: 'sessions',
    version: 1,
    // A turn whose output is lost has ended all the same.
    consumes: [{ topic: 'sessions.requested', payloads: 'optional' }],
    keyOf: (event) => ('sessionId' in event.data ? (event.data.sessionId ?? event.key) : event.key),
    decide(event, rows) {
      switch (event.type) {
        case 'TurnRequested':
          return request(event, rows, limits)
        case 'TurnEnded':
          return endTurn(event, rows, limits)
        case 'SessionSummarised':
          return summarised(event, rows, limits)
        case 'SessionDeleted':
          return remove(event, rows)
        case 'TimerFired':
          return handleTimer(event, rows, limits)
        default:
          return {}
      }
    },
    poisoned: (event, rows, reason) => giveUp(event, rows, reason, limits),
  }
}

function request({ data, atMs }: Event<'TurnRequested'>, rows: State, limits: Sessions): SessionDecision {
  const session = rows.session ?? begun(data.userId)
  if (isKnown(session, data.task)) return {}
  const refusal = refusalOf(session, data, limits)
  if (refusal) return { emit: [refused(data.sessionId, data.task, refusal)] }
  const queued = { ...session, waiting: withMessage(session.waiting, waitingOf(data)) }
  return session.running === null ? settle(data, queued, rows, limits, atMs) : join(queued, data)
}

const isKnown = ({ running, waiting }: Session, task: string): boolean =>
  running?.task === task || waiting.some((each) => each.task === task)

function refusalOf(session: Session, data: TurnRequested, limits: Sessions) {
  const { userId, running, waiting } = session
  if (userId !== data.userId) {
    const message = `Session "${data.sessionId}" was begun by another user. Use a session id of your own.`
    return failure('SESSION_FORBIDDEN', message)
  }
  if (session.deleting)
    return failure('SESSION_BUSY', 'The session is being deleted. Submit again in a moment.')
  if (running === null && waiting.length === 0) return null
  if (running !== null && data.parent === running.task) {
    const message = `Task ${running.task} has the session's turn until this task ends, which it would wait for. Leave sessionId out of tasks that a task starts.`
    return failure('SESSION_BUSY', message, false)
  }
  if (data.whenBusy === 'reject') {
    const message = `Another task of this session runs, and whenBusy is reject.`
    return failure('SESSION_BUSY', message)
  }
  if (waiting.length < limits.waiting) return null
  const message = `The queue of this session is full: ${plural(waiting.length, 'task')} (sessions.waiting).`
  return failure('SESSION_QUEUE_FULL', message)
}

function waitingOf({ task, agent, whenBusy, submittedAtMs, deadlineMs, executor }: TurnRequested): Waiting {
  return { task, agent, whenBusy, submittedAtMs, deadlineMs, ...(executor !== null && { executor }) }
}

function withMessage(waiting: readonly Waiting[], own: Waiting): Waiting[] {
  const goesBefore = (other: Waiting): boolean =>
    other.whenBusy !== 'interrupt' &&
    (own.whenBusy === 'interrupt' || other.submittedAtMs > own.submittedAtMs)
  const found = waiting.findIndex(goesBefore)
  const place = found < 0 ? waiting.length : found
  return [...waiting.slice(0, place), own, ...waiting.slice(place)]
}

/** No task runs: the first one begins, once what was submitted before it should be here. */
function settle(
  { sessionId }: TurnRequested,
  session: Session,
  rows: State,
  limits: Sessions,
  atMs: number,
): SessionDecision {
  const firstMs = Math.min(...session.waiting.map(({ submittedAtMs }) => submittedAtMs))
  const dueMs = Math.min(firstMs, atMs) + SETTLE_MS
  if (atMs >= dueMs) return grant(sessionId, session, rows, limits, atMs)
  return { rows: { session }, timers: { [SETTLE]: dueMs } }
}

/** Another task runs, and `session` has the message among those that wait. */
function join(session: Session, data: TurnRequested): SessionDecision {
  const { running, waiting } = session
  const { task: fromTask, whenBusy, sessionId, text, agent, outputSchema } = data
  if (running === null || running.cancelled) return { rows: { session } }
  if (whenBusy === 'interrupt') {
    const stop = cancelled(running.task, `task ${fromTask} of its session interrupts it`)
    return { rows: { session: { ...session, running: { ...running, cancelled: true } } }, emit: [stop] }
  }
  // An agent answers what is asked of itself: who may use it may not use every other.
  if (whenBusy !== 'steer' || agent !== running.agent) return { rows: { session } }
  const given = waiting.map((each) => (each.task === fromTask ? { ...each, steering: { text } } : each))
  const steered = { taskId: running.task, sessionId, fromTask, text, outputSchema, withdrawn: false }
  return {
    rows: { session: { ...session, waiting: given } },
    emit: [{ topic: 'sessions.turns', type: 'TaskSteered', data: steered }],
  }
}

/** The first task that waits has its turn. */
function grant(
  sessionId: string,
  session: Session,
  rows: State,
  limits: Sessions,
  atMs: number,
): SessionDecision {
  const [next, ...waiting] = session.waiting
  if (next === undefined)
    return {
      rows: { session: { ...session, running: null } },
      timers: {
        [LOST]: null,
        [SETTLE]: null,
        [FORGET]: atMs + limits.retentionDays * DAY_MS,
        ...(hasVariables(session) && { [DROP]: atMs + limits.variablesHours * HOUR_MS }),
      },
    }
  const { task, agent, deadlineMs, executor } = next
  const history = memoryOf(session, rows, limits)
  const { session: giving, given: variables } = giveVariables(session, rows, next)
  const data = { taskId: task, sessionId, turn: session.turns + 1, history, variables }
  const running = { task, agent, deadlineMs, ...(executor !== undefined && { executor }) }
  return {
    rows: { session: { ...giving, waiting, running } },
    emit: [{ topic: 'sessions.turns', type: 'TurnGranted', data }],
    timers: { [LOST]: Math.max(atMs, deadlineMs) + LOST_MS, [SETTLE]: null, [FORGET]: null, [DROP]: null },
  }
}

function endTurn({ data, atMs, id }: Event<'TurnEnded'>, rows: State, limits: Sessions): SessionDecision {
  const { session } = rows
  if (session === undefined) return {}
  if (session.running?.task === data.task) return endRunning(session, data, { rows, limits, atMs, id })
  const own = session.waiting.find(({ task }) => task === data.task)
  return own ? leave(own, session, data, limits) : {}
}

/** The task has ended while it waited: its message is not for the running one any more. */
function leave(own: Waiting, session: Session, { sessionId }: TurnEnded, limits: Sessions): SessionDecision {
  const waiting = session.waiting.filter((each) => each !== own)
  const { running } = session
  const { task: fromTask, steering } = own
  if (running === null || !steering) return { rows: { session: { ...session, waiting } } }
  const { text } = steering
  // As many as may wait: who gives messages and cancels them does not make the row grow.
  const withdrawn = [...(session.withdrawn ?? []), { task: fromTask, text }].slice(-limits.waiting)
  const data = { taskId: running.task, sessionId, fromTask, text, outputSchema: null, withdrawn: true }
  return {
    rows: { session: { ...session, waiting, withdrawn } },
    emit: [{ topic: 'sessions.turns', type: 'TaskSteered', data }],
  }
}

interface At {
  readonly rows: State
  readonly limits: Sessions
  readonly atMs: number
  readonly id: string
}

function endRunning(session: Session, data: TurnEnded, at: At): SessionDecision {
  const { sessionId } = data
  // Of a turn that was lost the event names no user; the session is its user's all the same.
  const { userId } = session
  if (session.deleting) return { clear: true }
  const taken = session.waiting.filter(({ task, steering }) => steering && data.steered.includes(task))
  const row = turnFrom(data, textsOf(session, data.steered))
  const turn = session.turns + 1
  const answers = taken.map(({ task }) => answered(data, task))
  const waiting = session.waiting
    .filter((each) => !taken.includes(each))
    .map(({ steering: _, ...each }) => each)
  const kept = keepVariables(session, at.rows, { turn, data, limits: at.limits })
  const { withdrawn: _, ...rest } = kept.session
  const ended = { ...rest, turns: turn, waiting, running: null }
  const rows = { [`turn:${turn}`]: row, ...kept.rows } as Record<string, unknown>
  const all: Record<string, unknown> = { ...withoutLost(at.rows), ...rows }
  const written = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)) as State
  const { asked, answered: answer, status } = row
  const detail = {
    asked,
    answered: answer,
    status,
    steered: taken.map(({ task }) => task),
    ...(kept.detail !== null && { variables: kept.detail }),
    ...(kept.session.variables !== undefined && { kept: sizesOf(kept.session, at.atMs, at.limits) }),
  }
  const reported = progressed(sessionId, 'turn_ended', {
    userId,
    task: data.task,
    turn,
    atMs: at.atMs,
    detail,
  })
  const shorter = compact(ended, written, {
    sessionId,
    requestId: at.id,
    data,
    limits: at.limits,
    atMs: at.atMs,
  })
  const next = grant(sessionId, shorter.session, shorter.rows, at.limits, at.atMs)
  return merge(
    { rows: { [`turn:${turn}`]: row, ...kept.rows }, emit: [reported, ...answers] },
    merge(shorter.changes, next),
  )
}

/** The messages that the answer is an answer to, as they came into the conversation. */
function textsOf({ waiting, withdrawn = [] }: Session, steered: readonly string[]): string[] {
  const given = new Map([
    ...withdrawn.map(({ task, text }) => [task, text] as const),
    ...waiting.flatMap(({ task, steering }) => (steering ? [[task, steering.text] as const] : [])),
  ])
  return steered.flatMap((task) => given.get(task) ?? [])
}

/** The running task took this one's message along: its answer answers both. */
function answered({ sessionId, status, output, error, task: by }: TurnEnded, task: string): Emit {
  return settled(sessionId, task, { status, output, error, by })
}

function summarised(event: Event<'SessionSummarised'>, rows: State, limits: Sessions): SessionDecision {
  const { session } = rows
  const { requestId, sessionId } = event.data
  if (session?.asking?.requestId !== requestId) return {}
  return takeSummary(session, rows, event.data, { sessionId, limits, atMs: event.atMs })
}

/** What waits is refused; what runs is cancelled, and the session goes with its end. */
function remove({ data, atMs }: Event<'SessionDeleted'>, rows: State): SessionDecision {
  const { session } = rows
  const { sessionId, requestedBy } = data
  // It was asked for when the id was another user's.
  if (session !== undefined && requestedBy !== null && session.userId !== requestedBy) return {}
  const gone = progressed(sessionId, 'deleted', { userId: session?.userId ?? null, atMs })
  if (session === undefined) return { emit: [gone] }
  const reason = failure('SESSION_DELETED', 'The session was deleted while the task waited for its turn.')
  const refusals = session.waiting.map(({ task }) => refused(sessionId, task, reason))
  const { running } = session
  if (running === null) return { clear: true, emit: [...refusals, gone] }
  const stop = running.cancelled ? [] : [cancelled(running.task, 'its session was deleted')]
  const texts = Object.keys(rows).filter((name) => /^(turn|variables):/.test(name))
  return {
    rows: {
      ...Object.fromEntries(texts.map((name) => [name, null])),
      summary: null,
      session: {
        ...session,
        waiting: [],
        asking: null,
        variables: {},
        deleting: true,
        running: { ...running, cancelled: true },
      },
    },
    emit: [...refusals, ...stop, gone],
  }
}

function handleTimer(
  { key, data, atMs }: Event<'TimerFired'>,
  rows: State,
  limits: Sessions,
): SessionDecision {
  const { session } = rows
  if (session === undefined) return { clear: true }
  const sessionId = decodeKey(key).root
  const { running, userId } = session
  if (data.name === SETTLE) return running === null ? grant(sessionId, session, rows, limits, atMs) : {}
  if (data.name === FORGET && running === null && session.waiting.length === 0)
    return { clear: true, emit: [progressed(sessionId, 'expired', { userId, atMs })] }
  if (data.name === DROP && running === null) return dropVariables(session, rows, limits)
  if (data.name !== LOST || running === null) return {}
  const { task: taskId, agent, deadlineMs } = running
  // A task that waits for a person may be late by days.
  const again = Math.min(MOST_LOST_MS, Math.max(LOST_MS, atMs - deadlineMs))
  return {
    emit: [{ topic: 'sessions.turns', type: 'TurnQueried', data: { taskId, sessionId, userId, agent } }],
    timers: { [LOST]: atMs + again },
  }
}

/** The event of a session was given up: its task has a result, or its turn is free, all the same. */
function giveUp(event: StageEvent, rows: State, reason: Failure, limits: Sessions): SessionDecision {
  const { atMs } = event
  switch (event.type) {
    case 'TurnRequested': {
      const { sessionId, task } = event.data
      return { emit: [settled(sessionId, task, { status: 'failed', error: reason })] }
    }
    case 'TurnEnded':
      try {
        return freed(event.data, rows, limits, atMs)
      } catch {
        // The session can't be read any more: its next task begins it again.
        return { clear: true }
      }
    case 'TimerFired':
      return { timers: { [event.data.name]: atMs + LOST_MS } }
    default:
      return {}
  }
}

/** The turn is free, and is not remembered. */
function freed({ sessionId, task }: TurnEnded, rows: State, limits: Sessions, atMs: number): SessionDecision {
  const { session } = rows
  if (session?.running?.task !== task) return {}
  if (session.deleting) return { clear: true }
  const waiting = session.waiting.map(({ steering: _, ...each }) => each)
  const { withdrawn: _, ...rest } = session
  return grant(sessionId, { ...rest, waiting, running: null }, rows, limits, atMs)
}
