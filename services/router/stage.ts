// Decides whether a submitted task may run, and with what.
//
// 1. One answer for each task id in seven days: TaskAdmitted, or TaskCompleted. A duplicate emits nothing (answered.ts).
// 2. What is missing or wrong rejects the task with the remedy; nothing is ever downgraded.
// 3. What limits a task is asked in one call, whose answer is counted by the task's id: a second run counts nothing twice.
// 4. A cancel that comes before its task is kept for a day (cancels.ts), and ends the task on arrival. One for a task that is at
//    work is passed on behind its admission, so that planner, which reads cancels by itself too, keeps none.
// 5. At most `limits.queue.inFlight` tasks of a lane are at work; the others wait their turn (schedule.ts). One that
//    waits is ended here by a cancel or its deadline; one that is at work, by the planner.
// 6. A task that was granted its estimate and ends here gives it back afterwards, by a timer: its end waits for no store.
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
import { place, released } from './placement.ts'
import { ended } from './events.ts'
import { emptyTask } from '../../schemas/task-fields.ts'
import { rowOf, Schedule } from './schedule.ts'

export type RouterRows = {
  /** This id was answered. Still read; written by earlier versions only, with a timer `forget`. */
  task: { answer: 'admitted' | 'rejected' | 'cancelled' | 'failed'; atMs: number }
  /** Cancelled before it was submitted. Still read; written by earlier versions only. */
  cancel: { reason: string | null; atMs: number }
  /** It ended here and holds its estimate still. */
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
      // The end of a task as the other stages hear it: small, where its result may be large.
      { topic: 'tools.requested', accepts: (record) => record[headers.schema] === 'TaskClosed' },
    ],
    forwardsHome: true,
    laneIndex: () => new Schedule(),
    decide(event, rows, lane) {
      switch (event.type) {
        case 'TaskSubmitted':
          return isAnswered(event, rows, lane) ? {} : submitted(event, rows, fleet, lane)
        case 'SubmissionRefused':
          return isAnswered(event, rows, lane) ? {} : rejected(event, emptyTask, event.data.failure, lane)
        case 'TaskCancelled':
          if (lane.isLost(event.key)) return endedLost(event)
          if (lane.waitingTask(event.key)) return cancelledWaiting(event, lane, fleet)
          if (lane.isAtWork(event.key)) return passOn(event)
          return isAnswered(event, rows, lane) || rows.cancel ? {} : keepCancel(event, lane)
        case 'TaskClosed':
          return released([event.key], lane, limits, event.atMs)
        case 'TimerFired':
          return timerFired(event, rows, lane, fleet)
        default:
          return {}
      }
    },
    conclude(event, _rows, call, outcome, lane) {
      if (event.type === 'TimerFired') return givenBack(outcome)
      return event.type === 'TaskSubmitted' ? decided(event, withinLimits(call, outcome), lane, fleet) : {}
    },
    poisoned(event, rows, reason, lane) {
      if (event.type === 'TimerFired' && event.data.name === GIVE_BACK) return { rows: { granted: null } }
      const freed = released([event.key], lane, limits, event.atMs)
      if (event.type !== 'TaskSubmitted' || isAnswered(event, rows, lane)) return freed
      return joined(answer(event, lane, ended(event, event.data, 'failed', reason)), freed)
    },
  }
}

const isAnswered = ({ key }: StageEvent, rows: State, lane: Schedule): boolean =>
  rows.task !== undefined || lane.answered.has(key)

/** Both, which write different rows and timers. */
function joined(first: Decision<RouterRows>, second: Decision<RouterRows>): Decision<RouterRows> {
  return {
    rows: { ...first.rows, ...second.rows },
    emit: [...(first.emit ?? []), ...(second.emit ?? [])],
    timers: { ...first.timers, ...second.timers },
    lane: { ...first.lane, ...second.lane },
  }
}

function timerFired(
  event: Event<'TimerFired'>,
  rows: State,
  lane: Schedule,
  fleet: Fleet,
): Decision<RouterRows> {
  switch (event.data.name) {
    case 'deadline':
      return lane.isLost(event.key) ? endedLost(event) : timedOut(event, lane)
    case GIVE_BACK:
      return rows.granted ? { call: giveBackCall(event.key, rows.granted) } : {}
    case FORGET_ANSWERED:
      return forgetAnswered(event, lane, fleet)
    default:
      return forgotten(event, rows, lane, fleet)
  }
}

function submitted(
  event: Event<'TaskSubmitted'>,
  rows: State,
  fleet: Fleet,
  lane: Schedule,
): Decision<RouterRows> {
  const cancel = rows.cancel ?? lane.cancels.of(event.key)
  if (cancel) return cancelled(event, cancel.reason, rows, lane)
  const wrong = checkInput(event.data, event.key, fleet.limits.input)
  if (wrong) return rejected(event, event.data, wrong, lane)
  const admission = admit(event.data, event.key, event.atMs, fleet)
  const hasSchema = event.data.outputSchema !== null
  const call = 'admitted' in admission ? admissionCall(admission.admitted, hasSchema, fleet) : null
  return call ? { call } : decided(event, admission, lane, fleet)
}

function decided(
  event: Event<'TaskSubmitted'>,
  admission: Admission,
  lane: Schedule,
  fleet: Fleet,
): Decision<RouterRows> {
  return 'rejected' in admission
    ? rejected(event, event.data, admission.rejected, lane)
    : admitted(event, admission.admitted, lane, fleet)
}

function admitted(
  event: Event<'TaskSubmitted'>,
  task: TaskAdmitted,
  lane: Schedule,
  fleet: Fleet,
): Decision<RouterRows> {
  const placed = place(event, task, lane, fleet.limits.queue)
  if ('rejected' in placed)
    return giving(rejected(event, event.data, placed.rejected, lane), task, fleet, event.atMs)
  return joined(answer(event, lane, []), placed)
}

function cancelledWaiting(event: Event<'TaskCancelled'>, lane: Schedule, fleet: Fleet): Decision<RouterRows> {
  const why = event.data.reason === null ? '' : `: ${event.data.reason}`
  const error = failure('TASK_CANCELLED', `The task was cancelled${why}`)
  const task = lane.waitingTask(event.key)?.task
  const ending = endedWaiting(event, lane, 'cancelled', error)
  return task ? giving(ending, task, fleet, event.atMs) : ending
}

/** The end of a task that was granted its estimate, if there are limits to grant it. */
function giving(
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

function givenBack(outcome: CallOutcome): Decision<RouterRows> {
  assertAnswered(outcome)
  return { rows: { granted: null } }
}

function timedOut(event: Event<'TimerFired'>, lane: Schedule): Decision<RouterRows> {
  const timeoutMs = lane.waitingTask(event.key)?.task.timeoutMs
  const message = `The task waited for a place all of its ${timeoutMs} ms; raise timeoutMs, or submit when less is queued`
  return endedWaiting(event, lane, 'timed_out', failure('TASK_TIMED_OUT', message))
}

/** A task that waited and whose row is gone: all that is left of it is its id, and its deadline, which ends it. */
function endedLost(event: StageEvent): Decision<RouterRows> {
  const message =
    'What the task was is not in the blob store any more, where it waited for its place; submit it again'
  return {
    emit: ended(event, emptyTask, 'failed', failure('PAYLOAD_MISSING', message)),
    lane: { [rowOf(event.key)]: null },
    timers: { deadline: null },
  }
}

/** Nothing, for a task that is at work by now: its end is the planner's. */
function endedWaiting(
  event: StageEvent,
  lane: Schedule,
  status: 'cancelled' | 'timed_out',
  error: Failure,
): Decision<RouterRows> {
  const waiting = lane.waitingTask(event.key)
  if (!waiting) return {}
  const { task } = waiting
  return {
    emit: ended(event, task, status, error, task.submittedAtMs),
    lane: { [rowOf(event.key)]: null },
    timers: { deadline: null },
  }
}

function rejected(
  event: StageEvent,
  task: TaskSubmitted,
  reason: Failure,
  lane: Schedule,
): Decision<RouterRows> {
  return answer(event, lane, ended(event, task, 'rejected', reason))
}

function cancelled(
  event: Event<'TaskSubmitted'>,
  reason: string | null,
  rows: State,
  lane: Schedule,
): Decision<RouterRows> {
  const why = reason === null ? '' : `: ${reason}`
  const error = failure('TASK_CANCELLED', `The task was cancelled before it was submitted${why}`)
  const answered = answer(event, lane, ended(event, event.data, 'cancelled', error))
  return joined(answered, { ...noCancel(event, rows, lane), timers: { forget: null } })
}

/** One that planner has read already, or will, does nothing the second time. */
function passOn({ data }: Event<'TaskCancelled'>): Decision<RouterRows> {
  return { emit: [{ topic: 'tasks.admitted', type: 'TaskCancelled', data }] }
}

function keepCancel({ key, data, atMs }: Event<'TaskCancelled'>, lane: Schedule): Decision<RouterRows> {
  const rows = lane.cancels.keeping(key, { reason: data.reason, atMs })
  return Object.keys(rows).length > 0 ? { lane: rows, timers: { forget: atMs + CANCEL_MS } } : {}
}

/** What keeps a cancel, deleted. */
function noCancel({ key }: StageEvent, rows: State, lane: Schedule): Decision<RouterRows> {
  return { ...(rows.cancel && { rows: { cancel: null } }), lane: lane.cancels.ending(key) }
}

/** The end of a cancel's keeping, or of an answer's that an earlier version wrote. */
function forgotten(event: StageEvent, rows: State, lane: Schedule, fleet: Fleet): Decision<RouterRows> {
  const cancel = noCancel(event, rows, lane)
  if (!rows.task) return cancel
  const freed = released([event.key], lane, fleet.limits.queue, event.atMs)
  return joined(joined(cancel, { rows: { task: null, granted: null } }), freed)
}

/** A task whose end was never heard of holds its place no longer. */
function forgetAnswered(event: StageEvent, lane: Schedule, fleet: Fleet): Decision<RouterRows> {
  const { ids, rows, more } = lane.answered.due(event.atMs)
  const freed = released(ids, lane, fleet.limits.queue, event.atMs)
  return joined({ lane: rows, timers: more ? { [FORGET_ANSWERED]: event.atMs } : {} }, freed)
}

/** Every answer is remembered, so that it stays the only one. */
function answer(event: StageEvent, lane: Schedule, emit: Emit[]): Decision<RouterRows> {
  return { emit, ...lane.answered.keeping(event.key, event.atMs) }
}
