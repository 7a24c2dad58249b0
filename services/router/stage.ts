// Decides whether a submitted task may run, and with what.
//
// 1. One answer for each task id in seven days: TaskAdmitted, or TaskCompleted. A duplicate emits nothing
//    (answered.ts).
// 2. A missing or wrong reference rejects the task with the remedy; nothing is ever downgraded.
// 3. All limits of a task are reserved in one call, counted by the task's id: a second run counts nothing
//    twice.
// 4. A cancel that comes before its task is kept for a day (cancels.ts), and ends the task on arrival. One
//    for a running task is passed on behind its admission, so that planner, which reads cancels by itself
//    too, keeps none.
// 5. At most `limits.queue.inFlight` tasks of a lane run at once; the others are queued (schedule.ts). One
//    that is queued is ended here by a cancel or its deadline; one that runs, by the planner.
// 6. A task that was granted its estimate and ends here releases it afterwards, by a timer: its end waits for
//    no store.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import type { CallOutcome, Decision, Emit, Failure, Stage, StageEvent } from '../../runtime/stage.ts'
import { headers } from '../../schemas/topics.ts'
import type { TaskAdmitted, TaskSubmitted } from '../../schemas/generated/events.ts'
import { admit, type Admission } from './admission.ts'
import { FORGET_ANSWERED } from './answered.ts'
import { CANCEL_MS } from './constants.ts'
import { checkInput } from './input-checks.ts'
import { admissionCall, assertAnswered, giveBackCall, isLimited, withinLimits, type Granted } from './call.ts'
import { admitOrQueue, release } from './placement.ts'
import { endEvents } from './events.ts'
import { emptyTask } from '../../schemas/task-fields.ts'
import { rowOf, Schedule } from './schedule.ts'

export type RouterRows = {
  /** This id was answered. Still read; written by earlier versions only, with a timer `forget`. */
  task: { answer: 'admitted' | 'rejected' | 'cancelled' | 'failed'; atMs: number }
  /** Cancelled before it was submitted. Still read; written by earlier versions only. */
  cancel: { reason: string | null; atMs: number }
  /** The task ended here and still holds its estimate. */
  granted: Granted
}

const GIVE_BACK = 'give back'

type State = Readonly<Partial<RouterRows>>
type Event<T> = Extract<StageEvent, { type: T }>

export function createRouterStage(fleet: Fleet): Stage<RouterRows, Schedule> {
  const limits = fleet.limits.queue
  return {
    name: 'router',
    version: 4,
    consumes: [
      { topic: 'tasks.submitted' },
      { topic: 'tasks.control', events: ['TaskCancelled'] },
      // The end of a task as the other stages read it: small, while its result may be large.
      { topic: 'tools.requested', accepts: (record) => record[headers.schema] === 'TaskClosed' },
    ],
    forwardsHome: true,
    laneIndex: () => new Schedule(),
    decide(event, rows, lane) {
      switch (event.type) {
        case 'TaskSubmitted':
          return isAnswered(event, rows, lane) ? {} : handleSubmission(event, rows, fleet, lane)
        case 'SubmissionRefused':
          return isAnswered(event, rows, lane) ? {} : rejectTask(event, emptyTask, event.data.failure, lane)
        case 'TaskCancelled':
          if (lane.isLost(event.key)) return endLost(event)
          if (lane.waitingTask(event.key)) return cancelQueued(event, lane, fleet)
          if (lane.isRunning(event.key)) return passOn(event)
          return isAnswered(event, rows, lane) || rows.cancel ? {} : keepCancel(event, lane)
        case 'TaskClosed':
          return release([event.key], lane, limits, event.atMs)
        case 'TimerFired':
          return handleTimer(event, rows, lane, fleet)
        default:
          return {}
      }
    },
    conclude(event, _rows, call, outcome, lane) {
      if (event.type === 'TimerFired') return concludeRelease(outcome)
      return event.type === 'TaskSubmitted'
        ? applyAdmission(event, withinLimits(call, outcome), lane, fleet)
        : {}
    },
    poisoned(event, rows, reason, lane) {
      if (event.type === 'TimerFired' && event.data.name === GIVE_BACK) return { rows: { granted: null } }
      const freed = release([event.key], lane, limits, event.atMs)
      if (event.type !== 'TaskSubmitted' || isAnswered(event, rows, lane)) return freed
      return merge(answer(event, lane, endEvents(event, event.data, 'failed', reason)), freed)
    },
  }
}

const isAnswered = ({ key }: StageEvent, rows: State, lane: Schedule): boolean =>
  rows.task !== undefined || lane.answered.has(key)

/** Joins two decisions, which write different rows and timers. */
function merge(first: Decision<RouterRows>, second: Decision<RouterRows>): Decision<RouterRows> {
  return {
    rows: { ...first.rows, ...second.rows },
    emit: [...(first.emit ?? []), ...(second.emit ?? [])],
    timers: { ...first.timers, ...second.timers },
    lane: { ...first.lane, ...second.lane },
  }
}

function handleTimer(
  event: Event<'TimerFired'>,
  rows: State,
  lane: Schedule,
  fleet: Fleet,
): Decision<RouterRows> {
  switch (event.data.name) {
    case 'deadline':
      return lane.isLost(event.key) ? endLost(event) : timeOutQueued(event, lane)
    case GIVE_BACK:
      return rows.granted ? { call: giveBackCall(event.key, rows.granted) } : {}
    case FORGET_ANSWERED:
      return forgetAnswered(event, lane, fleet)
    default:
      return forget(event, rows, lane, fleet)
  }
}

function handleSubmission(
  event: Event<'TaskSubmitted'>,
  rows: State,
  fleet: Fleet,
  lane: Schedule,
): Decision<RouterRows> {
  const cancel = rows.cancel ?? lane.cancels.of(event.key)
  if (cancel) return cancelOnArrival(event, cancel.reason, rows, lane)
  const wrong = checkInput(event.data, event.key, fleet.limits.input)
  if (wrong) return rejectTask(event, event.data, wrong, lane)
  const admission = admit(event.data, event.key, event.atMs, fleet)
  const hasSchema = event.data.outputSchema !== null
  const call = 'admitted' in admission ? admissionCall(admission.admitted, hasSchema, fleet) : null
  return call ? { call } : applyAdmission(event, admission, lane, fleet)
}

function applyAdmission(
  event: Event<'TaskSubmitted'>,
  admission: Admission,
  lane: Schedule,
  fleet: Fleet,
): Decision<RouterRows> {
  return 'rejected' in admission
    ? rejectTask(event, event.data, admission.rejected, lane)
    : admitTask(event, admission.admitted, lane, fleet)
}

function admitTask(
  event: Event<'TaskSubmitted'>,
  task: TaskAdmitted,
  lane: Schedule,
  fleet: Fleet,
): Decision<RouterRows> {
  const placement = admitOrQueue(event, task, lane, fleet.limits.queue)
  if ('rejected' in placement)
    return withRelease(rejectTask(event, event.data, placement.rejected, lane), task, fleet, event.atMs)
  return merge(answer(event, lane, []), placement)
}

function cancelQueued(event: Event<'TaskCancelled'>, lane: Schedule, fleet: Fleet): Decision<RouterRows> {
  const why = event.data.reason === null ? '' : `: ${event.data.reason}`
  const error = failure('TASK_CANCELLED', `The task was cancelled${why}`)
  const task = lane.waitingTask(event.key)?.task
  const ending = endQueued(event, lane, 'cancelled', error)
  return task ? withRelease(ending, task, fleet, event.atMs) : ending
}

/** Adds the release of the estimate to the end of a task, if limits granted one. */
function withRelease(
  ending: Decision<RouterRows>,
  task: TaskAdmitted,
  fleet: Fleet,
  atMs: number,
): Decision<RouterRows> {
  if (!isLimited(task, fleet)) return ending
  const { userId, submittedAtMs } = task
  const rows = { ...ending.rows, granted: { userId, submittedAtMs } }
  return { ...ending, rows, timers: { ...ending.timers, [GIVE_BACK]: atMs } }
}

function concludeRelease(outcome: CallOutcome): Decision<RouterRows> {
  assertAnswered(outcome)
  return { rows: { granted: null } }
}

function timeOutQueued(event: Event<'TimerFired'>, lane: Schedule): Decision<RouterRows> {
  const timeoutMs = lane.waitingTask(event.key)?.task.timeoutMs
  const message = `The task was queued for all of its ${timeoutMs} ms; raise timeoutMs, or submit when fewer tasks are queued`
  return endQueued(event, lane, 'timed_out', failure('TASK_TIMED_OUT', message))
}

/** A queued task whose row is lost: only its id is left, and its deadline, which ends it. */
function endLost(event: StageEvent): Decision<RouterRows> {
  const message = 'The queued task is no longer in the blob store; submit it again'
  return {
    emit: endEvents(event, emptyTask, 'failed', failure('PAYLOAD_MISSING', message)),
    lane: { [rowOf(event.key)]: null },
    timers: { deadline: null },
  }
}

/** Does nothing for a task that runs by now: the planner ends it. */
function endQueued(
  event: StageEvent,
  lane: Schedule,
  status: 'cancelled' | 'timed_out',
  error: Failure,
): Decision<RouterRows> {
  const waiting = lane.waitingTask(event.key)
  if (!waiting) return {}
  const { task } = waiting
  return {
    emit: endEvents(event, task, status, error, task.submittedAtMs),
    lane: { [rowOf(event.key)]: null },
    timers: { deadline: null },
  }
}

function rejectTask(
  event: StageEvent,
  task: TaskSubmitted,
  reason: Failure,
  lane: Schedule,
): Decision<RouterRows> {
  return answer(event, lane, endEvents(event, task, 'rejected', reason))
}

function cancelOnArrival(
  event: Event<'TaskSubmitted'>,
  reason: string | null,
  rows: State,
  lane: Schedule,
): Decision<RouterRows> {
  const why = reason === null ? '' : `: ${reason}`
  const error = failure('TASK_CANCELLED', `The task was cancelled before it was submitted${why}`)
  const answered = answer(event, lane, endEvents(event, event.data, 'cancelled', error))
  return merge(answered, { ...noCancel(event, rows, lane), timers: { forget: null } })
}

/** A cancel that planner reads twice does nothing the second time. */
function passOn({ data }: Event<'TaskCancelled'>): Decision<RouterRows> {
  return { emit: [{ topic: 'tasks.admitted', type: 'TaskCancelled', data }] }
}

function keepCancel({ key, data, atMs }: Event<'TaskCancelled'>, lane: Schedule): Decision<RouterRows> {
  const rows = lane.cancels.keep(key, { reason: data.reason, atMs })
  return Object.keys(rows).length > 0 ? { lane: rows, timers: { forget: atMs + CANCEL_MS } } : {}
}

/** Deletes the rows that keep a cancel. */
function noCancel({ key }: StageEvent, rows: State, lane: Schedule): Decision<RouterRows> {
  return { ...(rows.cancel && { rows: { cancel: null } }), lane: lane.cancels.drop(key) }
}

/** Deletes an expired cancel, or an answer that an earlier version wrote. */
function forget(event: StageEvent, rows: State, lane: Schedule, fleet: Fleet): Decision<RouterRows> {
  const cancel = noCancel(event, rows, lane)
  if (!rows.task) return cancel
  const freed = release([event.key], lane, fleet.limits.queue, event.atMs)
  return merge(merge(cancel, { rows: { task: null, granted: null } }), freed)
}

/** Also frees the slot of a task whose end never arrived. */
function forgetAnswered(event: StageEvent, lane: Schedule, fleet: Fleet): Decision<RouterRows> {
  const { ids, rows, more } = lane.answered.due(event.atMs)
  const freed = release(ids, lane, fleet.limits.queue, event.atMs)
  return merge({ lane: rows, timers: more ? { [FORGET_ANSWERED]: event.atMs } : {} }, freed)
}

/** Keeps every answer, so that it stays the only one. */
function answer(event: StageEvent, lane: Schedule, emit: Emit[]): Decision<RouterRows> {
  return { emit, ...lane.answered.keep(event.key, event.atMs) }
}
