// Decides whether a submitted task may run, and with what: admission/pipeline.ts has the steps in order.
//
// 1. One answer for each task id in seven days, and until a day after the deadline of its task: TaskAdmitted, or
//    TaskCompleted. A duplicate emits nothing (answered.ts).
// 2. A missing or wrong reference rejects the task with the remedy; nothing is ever downgraded.
// 3. All limits of a task are reserved in one call, counted by the task's id: a second run counts nothing
//    twice.
// 4. A cancel that comes before its task is kept for seven days (cancels.ts), and ends the task on arrival. One
//    for a running task is passed on behind its admission, so that planner, which reads cancels by itself
//    too, keeps none.
// 5. At most `limits.queue.inFlight` tasks of a lane run at once; the others are queued (schedule.ts). One
//    that is queued is ended here by a cancel or its deadline; one that runs, by the planner.
//    A turn of a session waits for its session first (session-turns.ts).
// 6. A task that was granted its estimate and ends here, or is cancelled or fails in the planner, releases it afterwards,
//    by a timer: its end waits for no store.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { merge } from '../../runtime/decisions.ts'
import type { CallOutcome, Stage, StageEvent } from '../../runtime/stage.ts'
import { emptyTask } from '../../schemas/task-fields.ts'
import { headers } from '../../schemas/topics.ts'
import { concludeSubmission, decideSubmission, isAnswered, noCancel } from './admission/pipeline.ts'
import { isSubmission, submittedBy, submittedEvents } from './admission/delegated.ts'
import { FORGET_ANSWERED } from './answered.ts'
import { assertAnswered, giveBackCall, isRefusedByStore } from './call.ts'
import { CANCEL_MS } from './constants.ts'
import {
  answer,
  cancelQueued,
  endLost,
  GIVE_BACK,
  rejectTask,
  timeOutQueued,
  withEstimate,
} from './endings.ts'
import { endEvents } from './events.ts'
import { holdTask, release, resumeTask } from './placement.ts'
import { type RouterDecision, type RouterRows, type State } from './rows.ts'
import { Schedule } from './schedule.ts'
import { failTurn, settleTurn, takeTurn } from './session-turns.ts'

/** When ids are forgotten that a timer, which was given up, was to forget. */
const FORGET_AGAIN_MS = 3_600_000

type Event<T> = Extract<StageEvent, { type: T }>

export function createRouterStage(fleet: Fleet): Stage<RouterRows, Schedule> {
  const limits = fleet.limits.queue
  return {
    name: 'router',
    version: 5,
    consumes: [
      { topic: 'tasks.submitted' },
      { topic: 'tasks.control', events: ['TaskCancelled'] },
      { topic: 'tasks.delegated', accepts: (record) => record[headers.schema] === 'TaskDelegated' },
      {
        topic: 'sessions.turns',
        // A task whose session's memory is lost runs without it.
        payloads: 'optional',
        accepts: ({ [headers.schema]: type }) => type === 'TurnGranted' || type === 'TurnSettled',
      },
      // The end of a task as the other stages read it: small, while its result may be large.
      { topic: 'tools.requested', accepts: (record) => record[headers.schema] === 'TaskClosed' },
      { topic: 'tools.completed', accepts: (record) => record[headers.schema] !== 'ToolCompleted' },
    ],
    forwardsHome: true,
    laneIndex: () => new Schedule(),
    decide(event, rows, lane) {
      switch (event.type) {
        case 'TaskSubmitted':
        case 'TaskDelegated':
          return decideSubmission(event, rows, lane, fleet)
        case 'SubmissionRefused':
          return isAnswered(event, rows, lane) ? {} : rejectTask(event, emptyTask, event.data.failure, lane)
        case 'TaskCancelled':
          if (lane.isLost(event.key)) return endLost(event)
          if (lane.heldTask(event.key)) return cancelQueued(event, event.data.reason, lane, fleet)
          if (lane.isRunning(event.key)) return passOn(event)
          return isAnswered(event, rows, lane) || rows.cancel ? {} : keepCancel(event, lane)
        case 'TaskClosed':
          return withEstimate(release([event.key], lane, limits, event.atMs), event, fleet)
        case 'CallHeld':
          return holdTask(event.key, event.data.callId, lane, limits, event.atMs)
        case 'CallReleased':
          return resumeTask(event.key, event.data.callId, lane)
        case 'DelegationHeld':
          return event.data.releasedAtMs === null
            ? holdTask(event.key, event.data.callId, lane, limits, event.atMs)
            : resumeTask(event.key, event.data.callId, lane)
        case 'TurnGranted':
          return takeTurn(event, lane, fleet)
        case 'TurnSettled':
          return settleTurn(event, lane, fleet)
        case 'TimerFired':
          return handleTimer(event, rows, lane, fleet)
        default:
          return {}
      }
    },
    conclude(event, _rows, call, outcome, lane) {
      if (event.type === 'TimerFired') return concludeRelease(outcome)
      return isSubmission(event) ? concludeSubmission(event, call, outcome, lane, fleet) : {}
    },
    poisoned(event, rows, reason, lane) {
      if (event.type === 'TimerFired' && event.data.name === GIVE_BACK) return { rows: { granted: null } }
      if (event.type === 'TimerFired' && event.data.name === FORGET_ANSWERED)
        return { timers: { [FORGET_ANSWERED]: event.atMs + FORGET_AGAIN_MS } }
      if (event.type === 'TimerFired' && event.data.name !== 'deadline')
        return forget(event, rows, lane, fleet)
      if (event.type === 'TurnGranted' || event.type === 'TurnSettled')
        return failTurn(event, lane.heldTask(event.key), reason)
      const freed = release([event.key], lane, limits, event.atMs)
      if (!isSubmission(event) || isAnswered(event, rows, lane)) return freed
      const task = submittedBy(event)
      const ended = [...submittedEvents(task), ...endEvents(event, task, 'failed', reason)]
      return merge(answer(event, lane, ended), freed)
    },
  }
}

function handleTimer(event: Event<'TimerFired'>, rows: State, lane: Schedule, fleet: Fleet): RouterDecision {
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

function concludeRelease(outcome: CallOutcome): RouterDecision {
  if (!isRefusedByStore(outcome)) assertAnswered(outcome)
  return { rows: { granted: null } }
}

/** A cancel that planner reads twice does nothing the second time. */
function passOn({ data }: Event<'TaskCancelled'>): RouterDecision {
  return { emit: [{ topic: 'tasks.admitted', type: 'TaskCancelled', data }] }
}

function keepCancel({ key, data, atMs }: Event<'TaskCancelled'>, lane: Schedule): RouterDecision {
  const rows = lane.cancels.keep(key, { reason: data.reason, atMs })
  return Object.keys(rows).length > 0 ? { lane: rows, timers: { forget: atMs + CANCEL_MS } } : {}
}

/** Deletes an expired cancel, or an answer that an earlier version wrote. */
function forget(event: StageEvent, rows: State, lane: Schedule, fleet: Fleet): RouterDecision {
  const cancel = noCancel(event, rows, lane)
  if (!rows.task) return cancel
  const freed = release([event.key], lane, fleet.limits.queue, event.atMs)
  return merge(merge(cancel, { rows: { task: null, granted: null } }), freed)
}

/** Also frees the slot of a task whose end never arrived. */
function forgetAnswered(event: StageEvent, lane: Schedule, fleet: Fleet): RouterDecision {
  const { ids, rows, more } = lane.answered.due(event.atMs)
  const freed = release(ids, lane, fleet.limits.queue, event.atMs)
  return merge({ lane: rows, timers: more ? { [FORGET_ANSWERED]: event.atMs } : {} }, freed)
}
