// Turns of sessions: a task with a session id asks its session, and is placed when its turn has come.
//
// 1. While it waits, all that its admission needs is a row of the lane, as it is for a queued task; a cancel and the
//    deadline end it here.
// 2. Whatever ends it here says so to its session (`turnEnded`), and a turn that is granted to a task that is not here
//    is ended at once: no session waits for a task that does not exist.
// 3. A task that brings a conversation is given that in place of what its session remembers, one that brings instructions
//    alone before it; so no running task takes their messages along.
// 4. Whether a task takes over and keeps Python variables is decided here, once: the stages behind go by what the grant
//    brings.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { defaultSessions } from '../../runtime/config/sessions.ts'
import { merge } from '../../runtime/decisions.ts'
import { failure } from '../../runtime/errors.ts'
import { turnLost } from '../../runtime/task/session-turns.ts'
import type { Decision, Emit, Failure, Json, StageEvent } from '../../runtime/stage.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'
import type { HistoryMessage } from '../../schemas/history.ts'
import { endWaiting, gone, withRelease } from './endings.ts'
import { endEvents } from './events.ts'
import { admitOrQueue, waitInSession } from './placement.ts'
import { type RouterDecision } from './rows.ts'
import type { InSession, Schedule } from './schedule.ts'

type Event<T> = Extract<StageEvent, { type: T }>

/** Has the task wait for its session, and asks it; or says why it can't. */
export function requestTurn(
  event: Event<'TaskSubmitted'>,
  task: TaskAdmitted,
  lane: Schedule,
  fleet: Fleet,
): Pick<Decision, 'emit' | 'lane' | 'timers'> | { rejected: Failure } {
  const keepsMemory = isInstructions(event.data.history)
  const standsApart = task.history !== null && !keepsMemory
  const placed = waitInSession(event, task, lane, fleet.limits.queue, keepsMemory)
  if ('rejected' in placed) return placed
  const { taskId, userId, agent, text, parent, history, outputSchema, submittedAtMs, deadlineMs } = task
  const sessionId = task.sessionId ?? ''
  const wanted =
    event.data.whenBusy ?? fleet.agents[agent]?.whenBusy ?? (fleet.sessions ?? defaultSessions).whenBusy
  const whenBusy = wanted === 'steer' && history !== null ? 'queue' : wanted
  const data = {
    ...{ sessionId, task: taskId, userId, agent, whenBusy, text, parent, submittedAtMs, deadlineMs },
    outputSchema: whenBusy === 'steer' ? outputSchema : null,
    executor: standsApart ? null : variablesFor(task, fleet),
  }
  const emit: Emit[] = [{ topic: 'sessions.requested', type: 'TurnRequested', key: sessionId, data }]
  return { ...placed, emit }
}

/** Whether all of it is the application's, and nobody has said anything yet. */
function isInstructions(history: Json): boolean {
  const messages = (history ?? []) as unknown as readonly HistoryMessage[]
  return messages.length > 0 && messages.every(({ role }) => role === 'system' || role === 'developer')
}

/**
 * The executor whose variables the task takes over from earlier turns and keeps for later ones; null: none. A task that
 * brings a recording stands apart from what the session has, as one does that brings a conversation.
 */
function variablesFor(task: TaskAdmitted, fleet: Fleet): string | null {
  const { agent, mode, executor, recording } = task
  const isKept = fleet.agents[agent]?.keepVariables ?? (fleet.sessions ?? defaultSessions).keepVariables
  return isKept && mode === 'code' && recording === null ? executor : null
}

/** The task's turn has come. */
export function takeTurn(event: Event<'TurnGranted'>, lane: Schedule, fleet: Fleet): RouterDecision {
  const { taskId, sessionId, history, variables } = event.data
  const held = lane.taskInSession(taskId)
  if (!held) {
    if (lane.isRunning(taskId) || lane.waitingTask(taskId)) return {}
    const error = failure('TURN_LOST', `Nothing is known of task ${taskId}, whose turn it was`)
    return { emit: [turnLost({ task: taskId, sessionId }, error, event.atMs)] }
  }
  const task = { ...held.task, history: historyWith(held, history), variables }
  const placed = admitOrQueue(event, task, lane, fleet.limits.queue, held.traceparent)
  if (!('rejected' in placed)) return merge(noDeadline(placed), placed)
  return withRelease(endWaiting(event, task, 'rejected', placed.rejected), task, fleet, event.atMs)
}

function historyWith({ task, keepsMemory }: InSession, remembered: Json): Json {
  if (task.history === null) return remembered
  return keepsMemory ? [...(task.history as Json[]), ...((remembered ?? []) as Json[])] : task.history
}

/** A task that was admitted has its deadline in planner. */
const noDeadline = ({ timers }: Pick<Decision, 'timers'>): RouterDecision =>
  timers?.['deadline'] === undefined ? { timers: { deadline: null } } : {}

/** The session refused the task, or another task of it has answered it. */
export function settleTurn(event: Event<'TurnSettled'>, lane: Schedule, fleet: Fleet): RouterDecision {
  const { taskId, status, output, error, by } = event.data
  const task = lane.taskInSession(taskId)?.task
  if (!task) return {}
  const modelReason = by === null ? null : `answered by task ${by}, which took the message along`
  const answer = { output, modelReason }
  const ended = gone(event, endEvents(event, task, status, error, task.submittedAtMs, answer))
  return withRelease(ended, task, fleet, event.atMs)
}

/** An answer of the session was given up: the task, if it waits here, has a result all the same. */
export const failTurn = (
  event: StageEvent,
  task: TaskAdmitted | undefined,
  error: Failure,
): RouterDecision => (task ? endWaiting(event, task, 'failed', error) : {})
