// The way of a submitted task, step by step. The first step that refuses it ends it.
//
// 1. An id that was answered within seven days, or whose task may still run, emits nothing (../answered.ts).
// 2. A cancel that came before its task ends it (../cancels.ts).
// 3. Its text, identity, ranges and output schema must be valid (input.ts). Nothing is looked up yet.
// 4. Its agent and profile must exist (sources.ts, references.ts).
// 5. It may choose only what its agent lets it choose (overrides.ts).
// 6. Every setting gets its default (defaults.ts); executor and tools must be configured (references.ts);
//    recorded steps must suit its mode and limits (fork.ts).
// 7. Its models are chosen; the first must be configured (models.ts, estimate.ts).
// 8. It must fit the budgets and rates, and its own schema must compile: one call (../call.ts, ../caller.ts),
//    left out if there is nothing to ask.
// 9. It is admitted, queued, or refused by a full queue (../placement.ts); a turn of a session first asks its session
//    (../session-turns.ts).
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { merge } from '../../../runtime/decisions.ts'
import { failure } from '../../../runtime/errors.ts'
import { fullName } from '../../../runtime/models/names.ts'
import { isTurn } from '../../../runtime/task/session-turns.ts'
import type { Call, CallOutcome, Failure, StageEvent } from '../../../runtime/stage.ts'
import type { TaskAdmitted } from '../../../schemas/generated/events.ts'
import { admissionCall, withinLimits } from '../call.ts'
import { answer, rejectTask, withRelease } from '../endings.ts'
import { endEvents } from '../events.ts'
import { admitOrQueue } from '../placement.ts'
import { type RouterDecision, type State } from '../rows.ts'
import { requestTurn } from '../session-turns.ts'
import type { Schedule } from '../schedule.ts'
import { withDefaults } from './defaults.ts'
import { checkFork } from './fork.ts'
import { checkInput } from './input.ts'
import { chooseModels } from './models.ts'
import { checkOverrides } from './overrides.ts'
import { checkExecutor, checkTools } from './references.ts'
import { submittedBy, submittedEvents, type Submission, type Submitted } from './delegated.ts'
import { sourcesOf } from './sources.ts'

export type Admission = { admitted: TaskAdmitted } | { rejected: Failure }

/** Steps 1 to 8; 9 if nothing is to be asked. */
export function decideSubmission(
  event: Submission,
  rows: State,
  lane: Schedule,
  fleet: Fleet,
): RouterDecision {
  const task = submittedBy(event)
  if (isAnswered(event, rows, lane)) return lane.isDelegated(event.key) ? {} : refuseTaken(task, event)
  const cancel = rows.cancel ?? lane.cancels.of(event.key)
  if (cancel) return cancelOnArrival(event, task, cancel.reason, rows, lane)
  const admission = examine(task, event.key, event.atMs, fleet)
  if ('rejected' in admission) return rejectTask(event, task, admission.rejected, lane)
  const call = admissionCall(admission.admitted, task.outputSchema !== null, fleet)
  return call ? { call } : place(event, task, admission.admitted, lane, fleet)
}

/** The answer to step 8, then step 9. */
export function concludeSubmission(
  event: Submission,
  call: Call,
  outcome: CallOutcome,
  lane: Schedule,
  fleet: Fleet,
): RouterDecision {
  const task = submittedBy(event)
  const admission = withinLimits(call, outcome)
  return 'rejected' in admission
    ? rejectTask(event, task, admission.rejected, lane)
    : place(event, task, admission.admitted, lane, fleet)
}

/** Somebody submitted a task under the id of a delegated one before it: the call must not wait for that. */
function refuseTaken({ asked, agent }: Submitted, { key }: Submission): RouterDecision {
  if (!asked) return {}
  const { taskId, callId } = asked.by
  const error = failure(
    'TASK_INVALID',
    `Another task has the id ${key}. Ask again: the next call has another id.`,
  )
  const child = { taskId: key, agent: agent ?? '', status: 'rejected' as const, cost: 0, costIsGuess: false }
  const data = { taskId, callId, child, output: null, error }
  return { emit: [{ topic: 'tasks.delegated', type: 'DelegationEnded', key: taskId, data }] }
}

export const isAnswered = ({ key }: StageEvent, rows: State, lane: Schedule): boolean =>
  rows.task !== undefined || lane.answered.has(key)

function cancelOnArrival(
  event: Submission,
  task: Submitted,
  reason: string | null,
  rows: State,
  lane: Schedule,
): RouterDecision {
  const why = reason === null ? '' : `: ${reason}`
  const error = failure('TASK_CANCELLED', `The task was cancelled before it was submitted${why}`)
  const ended = [...submittedEvents(task), ...endEvents(event, task, 'cancelled', error)]
  const answered = answer(event, lane, ended)
  return merge(answered, { ...noCancel(event, rows, lane), timers: { forget: null } })
}

/** Deletes the rows that keep a cancel. */
export function noCancel({ key }: StageEvent, rows: State, lane: Schedule): RouterDecision {
  return { ...(rows.cancel && { rows: { cancel: null } }), lane: lane.cancels.drop(key) }
}

/** Steps 3 to 7: the task as it may run, as far as the configuration can say. */
export function examine(given: Submitted, taskId: string, submittedAtMs: number, fleet: Fleet): Admission {
  const task = given.model === null ? given : { ...given, model: fullName(given.model) }
  const mistaken = checkInput(task, taskId, fleet.limits.input)
  if (mistaken) return { rejected: mistaken }
  const sources = sourcesOf(task, fleet)
  if ('rejected' in sources) return sources
  const refused = checkOverrides(task, sources)
  if (refused) return { rejected: refused }
  const complete = withDefaults(task, taskId, submittedAtMs, sources)
  const { agentName, profileName } = sources
  const unusable =
    checkExecutor(complete.executor, profileName, fleet) ??
    checkTools(complete.policyTools ?? complete.tools, agentName, fleet) ??
    checkFork(complete)
  if (unusable) return { rejected: unusable }
  const chosen = chooseModels(task, complete, sources)
  if ('rejected' in chosen) return chosen
  return { admitted: { ...complete, models: chosen.models, modelReason: chosen.reason } }
}

function place(
  event: Submission,
  submitted: Submitted,
  task: TaskAdmitted,
  lane: Schedule,
  fleet: Fleet,
): RouterDecision {
  const { queue } = fleet.limits
  // A delegated task is in no session.
  const placement =
    event.type === 'TaskSubmitted' && isTurn(task)
      ? requestTurn(event, task, lane, fleet)
      : admitOrQueue(event, task, lane, queue)
  if ('rejected' in placement)
    return withRelease(rejectTask(event, submitted, placement.rejected, lane), task, fleet, event.atMs)
  return merge(answer(event, lane, submittedEvents(submitted), task.deadlineMs), placement)
}
