// Decides whether a submitted task may run, and with what.
//
// 1. One answer for each task id in seven days: TaskAdmitted, or TaskCompleted. A duplicate emits nothing.
// 2. What is missing or wrong rejects the task with the remedy; nothing is ever downgraded.
// 3. What limits a task is asked in one call, whose answer is counted by the task's id: a second run counts nothing twice.
// 4. A cancel that comes before its task is kept as long, and ends the task on arrival.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import type { Decision, Emit, Failure, Stage, StageEvent } from '../../runtime/stage.ts'
import type { TaskAdmitted, TaskSubmitted } from '../../schemas/generated/events.ts'
import { admit, type Admission } from './admission.ts'
import { REMEMBER_MS } from './config.ts'
import { checkInput } from './input-checks.ts'
import { limitsCall, withinLimits } from './limits.ts'
import { ended, unreadable } from './results.ts'

export type RouterRows = {
  /** This id was answered. */
  task: { answer: 'admitted' | 'rejected' | 'cancelled' | 'failed'; atMs: number }
  /** Cancelled before it was submitted. */
  cancel: { reason: string | null; atMs: number }
}

type State = Readonly<Partial<RouterRows>>
type Event<T> = Extract<StageEvent, { type: T }>

export function createRouterStage(fleet: Fleet): Stage<RouterRows> {
  return {
    name: 'router',
    version: 1,
    consumes: [{ topic: 'tasks.submitted' }, { topic: 'tasks.control' }],
    forwardsHome: true,
    decide(event, rows) {
      switch (event.type) {
        case 'TaskSubmitted':
          return rows.task ? {} : submitted(event, rows, fleet)
        case 'SubmissionRefused':
          return rows.task ? {} : rejected(event, unreadable, event.data.failure)
        case 'TaskCancelled':
          return rows.task || rows.cancel ? {} : keepCancel(event)
        case 'TimerFired':
          return { clear: true }
        default:
          return {}
      }
    },
    conclude(event, _rows, call, outcome) {
      return event.type === 'TaskSubmitted' ? decided(event, withinLimits(call, outcome)) : {}
    },
    poisoned(event, rows, reason) {
      if (event.type !== 'TaskSubmitted' || rows.task) return {}
      return answer(event, 'failed', ended(event, event.data, 'failed', reason))
    },
  }
}

function submitted(event: Event<'TaskSubmitted'>, rows: State, fleet: Fleet): Decision<RouterRows> {
  if (rows.cancel) return cancelled(event, rows.cancel.reason)
  const wrong = checkInput(event.data, event.key, fleet.limits.input)
  if (wrong) return rejected(event, event.data, wrong)
  const admission = admit(event.data, event.key, event.atMs, fleet)
  const call = 'admitted' in admission ? limitsCall(admission.admitted, fleet) : null
  return call ? { call } : decided(event, admission)
}

function decided(event: Event<'TaskSubmitted'>, admission: Admission): Decision<RouterRows> {
  return 'rejected' in admission
    ? rejected(event, event.data, admission.rejected)
    : admitted(event, admission.admitted)
}

function admitted(event: Event<'TaskSubmitted'>, task: TaskAdmitted): Decision<RouterRows> {
  const { agent, mode, profile, models, modelReason, maxSteps, deadlineMs } = task
  const detail = { agent, mode, profile, model: models[0] ?? null, modelReason, maxSteps, deadlineMs }
  return answer(event, 'admitted', [
    { topic: 'tasks.admitted', type: 'TaskAdmitted', data: task },
    {
      topic: 'tasks.history',
      type: 'TaskProgressed',
      data: { taskId: event.key, stage: 'router', kind: 'admitted', step: null, atMs: event.atMs, detail },
    },
  ])
}

function rejected(event: StageEvent, task: TaskSubmitted, reason: Failure): Decision<RouterRows> {
  return answer(event, 'rejected', ended(event, task, 'rejected', reason))
}

function cancelled(event: Event<'TaskSubmitted'>, reason: string | null): Decision<RouterRows> {
  const why = reason === null ? '' : `: ${reason}`
  const error = failure('TASK_CANCELLED', `The task was cancelled before it was submitted${why}`)
  return answer(event, 'cancelled', ended(event, event.data, 'cancelled', error))
}

function keepCancel(event: Event<'TaskCancelled'>): Decision<RouterRows> {
  return {
    rows: { cancel: { reason: event.data.reason, atMs: event.atMs } },
    timers: { forget: event.atMs + REMEMBER_MS },
  }
}

/** Every answer is remembered, so that it stays the only one. */
function answer(event: StageEvent, kind: RouterRows['task']['answer'], emit: Emit[]): Decision<RouterRows> {
  return {
    emit,
    rows: { task: { answer: kind, atMs: event.atMs }, cancel: null },
    timers: { forget: event.atMs + REMEMBER_MS },
  }
}
