// Applies a failed model call to its task; retries.ts has the rules.
import { plainFailure } from '../../runtime/errors.ts'
import { plural } from '../../runtime/text/quantities.ts'
import type { CallFailure, Failure, Json } from '../../runtime/stage.ts'
import { fail, stop, timeOut } from './result/task-end.ts'
import { progressEvent } from './events.ts'
import { react, type Reaction } from './retries.ts'
import { costSpent } from './step.ts'
import { change, currentModel, type Changes, type RowChanges, type Situation } from './rows.ts'

export function handleFailedCall(from: Situation, error: CallFailure): Changes {
  const { task, run, atMs, event } = from
  if (error.code !== 'CALL_ABORTED' && atMs >= task.deadlineMs) return timeOut(from)
  const { models, deadlineMs } = task
  const reaction = react(run, { failure: error, models, eventId: event.id, atMs, deadlineMs })
  const spent = reaction.do === 'nothing' || reaction.do === 'fail' ? null : costSpent(run, task)
  if (spent) return stop(from, spent)
  switch (reaction.do) {
    case 'nothing':
      return {}
    case 'retry':
      return scheduleRetry(from, reaction, 'retry_scheduled', error)
    case 'wait':
      return scheduleRetry(from, { ...reaction, run: { ...reaction.run, waiting: true } }, 'waiting', error)
    case 'change':
      return changeModel(from, reaction.run, error)
    case 'fail':
      return (error.code === 'BUDGET_EXCEEDED' ? stop : fail)(from, failureOf(from, error))
  }
}

type Scheduled = Extract<Reaction, { do: 'retry' | 'wait' }>

function scheduleRetry(
  from: Situation,
  { atMs, run }: Scheduled,
  kind: 'retry_scheduled' | 'waiting',
  error: CallFailure,
): Changes {
  const detail = { ...describe(from, error), untilMs: atMs, retries: run.retries }
  // A wait may be repeated until the deadline; the history records it once.
  const emit = from.run.waiting && kind === 'waiting' ? [] : [progressEvent(from, kind, detail)]
  return { rows: { run, ...keepFailure(from, error) }, emit, timers: { retry: atMs } }
}

function changeModel(from: Situation, run: Situation['run'], error: CallFailure): Changes {
  const { to, rows } = change(from, { run, ...keepFailure(from, error) })
  const detail = { ...describe(from, error), from: currentModel(from), to: currentModel(to) }
  return { rows, emit: [progressEvent(from, 'model_changed', detail)], timers: { turn: from.atMs } }
}

/** For the result, if the task's time ends first. A breaker only says that calls have failed: the failure itself says more. */
function keepFailure({ rows }: Situation, error: CallFailure): RowChanges {
  const isKnown = error.code === 'BREAKER_OPEN' && rows.failedCall
  return isKnown ? {} : { failedCall: plainFailure(error) }
}

function describe(from: Situation, { code, message }: CallFailure): { [key: string]: Json } {
  return { model: currentModel(from), code, message }
}

/** The failure as the result shows it, with the model and the number of retries. */
function failureOf(from: Situation, error: CallFailure): Failure {
  const tried = from.run.retries === 0 ? '' : ` (after ${plural(from.run.retries, 'retry', 'retries')})`
  return { ...plainFailure(error), message: `${currentModel(from)}: ${error.message}${tried}` }
}
