// Tasks that end in router, before the planner has seen them: refused on arrival, or cancelled, timed out or
// lost while they are queued.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { merge } from '../../runtime/decisions.ts'
import { hasBudget } from '../../runtime/limits/claims.ts'
import { failure } from '../../runtime/errors.ts'
import { exactTime } from '../../runtime/text/quantities.ts'
import { turnEnded } from '../../runtime/task/session-turns.ts'
import type { Emit, Failure, StageEvent } from '../../runtime/stage.ts'
import { emptyTask } from '../../schemas/task-fields.ts'
import type { TaskAdmitted, TaskCompleted, TurnEnded } from '../../schemas/generated/events.ts'
import { submittedEvents, type Submitted } from './admission/delegated.ts'
import { isLimited } from './call.ts'
import { REMEMBER_AFTER_DEADLINE_MS, REMEMBER_MS } from './constants.ts'
import { endEvents } from './events.ts'
import { laneRow } from './lane-row.ts'
import type { RouterDecision } from './rows.ts'
import { rowOf, type Schedule } from './schedule.ts'

type Closed = Extract<StageEvent, { type: 'TaskClosed' }>

/** The timer that releases the estimate of a task that ended here. */
export const GIVE_BACK = 'give back'

/** Keeps every answer, so that it stays the only one: at least until its task can't run any more. */
export function answer(
  event: StageEvent,
  lane: Schedule,
  emit: Emit[],
  deadlineMs: number = event.atMs,
): RouterDecision {
  const atMs = Math.max(event.atMs, deadlineMs + REMEMBER_AFTER_DEADLINE_MS - REMEMBER_MS)
  return { emit, ...lane.answered.keep(event.key, atMs) }
}

export function rejectTask(
  event: StageEvent,
  task: Submitted,
  reason: Failure,
  lane: Schedule,
): RouterDecision {
  return answer(event, lane, [...submittedEvents(task), ...endEvents(event, task, 'rejected', reason)])
}

export function cancelQueued(
  event: StageEvent,
  reason: string | null,
  lane: Schedule,
  fleet: Fleet,
): RouterDecision {
  const why = reason === null ? '' : `: ${reason}`
  const error = failure('TASK_CANCELLED', `The task was cancelled${why}`)
  const task = lane.heldTask(event.key)
  const ending = endQueued(event, lane, 'cancelled', error)
  return task ? withRelease(ending, task, fleet, event.atMs) : ending
}

export function timeOutQueued(event: StageEvent, lane: Schedule): RouterDecision {
  const time = exactTime(lane.heldTask(event.key)?.timeoutMs ?? 0)
  const message = lane.taskInSession(event.key)
    ? `The task waited for its session for all of its ${time} (timeoutMs); submit it when fewer tasks of the session wait`
    : `The task was queued for all of its ${time} (timeoutMs); submit it when fewer tasks are queued`
  return endQueued(event, lane, 'timed_out', failure('TASK_TIMED_OUT', message))
}

/** A queued task whose row is lost: only its id is left, and its deadline, which ends it. */
export function endLost(event: StageEvent): RouterDecision {
  const message = 'The queued task is no longer in the blob store; submit it again'
  return gone(event, endEvents(event, emptyTask, 'failed', failure('PAYLOAD_MISSING', message)))
}

/** A task that waits here ends, with these events: its row and its deadline go. */
export const gone = ({ key }: StageEvent, emit: Emit[]): RouterDecision => ({
  emit,
  lane: laneRow(rowOf(key), null),
  timers: { deadline: null },
})

/** Ends a task that waits here, and its turn if it has one. */
export function endWaiting(
  event: StageEvent,
  task: TaskAdmitted,
  status: Extract<TurnEnded['status'], TaskCompleted['status']>,
  error: Failure,
): RouterDecision {
  return gone(event, [
    ...endEvents(event, task, status, error, task.submittedAtMs),
    ...turnEnded(task, { status, error, atMs: event.atMs }),
  ])
}

/** Adds the release of the estimate to the end of a task, if limits granted one. */
export function withRelease(
  ending: RouterDecision,
  task: TaskAdmitted,
  fleet: Fleet,
  atMs: number,
): RouterDecision {
  if (!isLimited(task, fleet)) return ending
  const { userId, submittedAtMs } = task
  const rows = { ...ending.rows, granted: { userId, submittedAtMs } }
  return { ...ending, rows, timers: { ...ending.timers, [GIVE_BACK]: atMs } }
}

/**
 * The same for a task that the planner has ended. One that succeeded has made a call, which has taken its estimate over;
 * one that timed out had it until then.
 */
export function withEstimate(freed: RouterDecision, { data, atMs }: Closed, fleet: Fleet): RouterDecision {
  if (data.status !== 'cancelled' && data.status !== 'failed') return freed
  if (!hasBudget(fleet.limits.budgets)) return freed
  const granted = { userId: null, submittedAtMs: atMs, ran: true } as const
  return merge(freed, { rows: { granted }, timers: { [GIVE_BACK]: atMs } })
}

/** Does nothing for a task that runs by now: the planner ends it. */
function endQueued(
  event: StageEvent,
  lane: Schedule,
  status: 'cancelled' | 'timed_out',
  error: Failure,
): RouterDecision {
  const task = lane.heldTask(event.key)
  return task ? endWaiting(event, task, status, error) : {}
}
