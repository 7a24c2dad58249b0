// The end of a task: one result, an event for the other stages, every row deleted.
import { boundedText } from '../../../runtime/text/bounded-text.ts'
import { failure } from '../../../runtime/errors.ts'
import { exactTime, plural } from '../../../runtime/text/quantities.ts'
import { asJson } from '../../../runtime/python/kept-variables.ts'
import type { Emit, Failure, Json } from '../../../runtime/stage.ts'
import { turnEnded } from '../../../runtime/task/session-turns.ts'
import { delegationEnded, taskResult } from '../../../runtime/task/result.ts'
import type { TaskCompleted, Usage } from '../../../schemas/generated/events.ts'
import { variablesOfTurn } from '../code/kept-variables.ts'
import { refusedCalls } from '../recorded.ts'
import { progressEvent } from '../events.ts'
import { heldMs } from '../../../runtime/task/held-calls.ts'
import { releasedAbove } from '../held-above.ts'
import { currentModel, type Changes, type Situation, type Step } from '../rows.ts'
import { currentStep, outstandingIds, withReplies, withWaiting } from '../step-replies.ts'
import { answeredMessages } from '../conversation/steering.ts'

type Status = TaskCompleted['status']

export function succeed(from: Situation, output: Json): Changes {
  return complete(from, 'succeeded', output, null)
}

export function fail(from: Situation, error: Failure): Changes {
  return complete(from, 'failed', null, error)
}

/** Money or tokens are used up: the task fails, with the model's last text as its output. */
export function stop(from: Situation, error: Failure): Changes {
  return complete(from, 'failed', lastText(from), error)
}

function lastText({ rows, run }: Situation): string | null {
  for (let step = run.step; step > 0; step -= 1) {
    const content = rows[`said:${step}`]?.content
    if (content) return content
  }
  return null
}

export function cancel(from: Situation, reason: string | null): Changes {
  const why = reason === null ? '' : `: ${reason}`
  return complete(from, 'cancelled', null, failure('TASK_CANCELLED', `The task was cancelled${why}`))
}

export function timeOut(from: Situation): Changes {
  return endLate(from, underWay(from))
}

/** The task came here after its deadline. */
export const timeOutUnbegun = (from: Situation): Changes => endLate(from, 'its first step had not begun')

function endLate(from: Situation, where: string): Changes {
  const message = `The task did not end within ${exactTime(from.task.timeoutMs)} (timeoutMs): ${where}`
  return complete(from, 'timed_out', null, failure('TASK_TIMED_OUT', message))
}

/** What the running step waits for. */
function underWay(from: Situation): string {
  const { run, rows } = from
  const step = `step ${run.step}`
  if (rows.answer) return `the answer of ${step} was being checked`
  if (run.phase === 'code') return `the Python of ${step} had not ended`
  if (run.phase === 'tools') return `${step} had no reply from ${openCalls(from)}`
  return `${modelName(from)} had not finished its answer in ${step}`
}

const modelName = (from: Situation): string => currentModel(from) || 'the model'

function openCalls(from: Situation): string {
  const step = currentStep(from)
  const open = step
    ? withReplies(step, from.rows).toolCalls.filter(({ status }) => status === 'requested')
    : []
  const [first, ...others] = new Set(open.map(({ tool }) => tool))
  if (first === undefined) return 'its tools'
  return others.length === 0 ? first : `${first} and ${plural(others.length, 'other tool')}`
}

function complete(from: Situation, status: Status, output: Json, error: Failure | null): Changes {
  const data = taskCompleted(from, status, output, error)
  const detail = {
    status,
    code: error?.code ?? null,
    ...usedInAll(data.usage),
    ...(data.childrenCost !== null && { childrenCost: data.childrenCost }),
    executionTime: data.executionTime,
  }
  return {
    clear: true,
    emit: [
      ...cancelEvents(from, status),
      { topic: 'tasks.completed', type: 'TaskCompleted', data },
      // Before the answer: what is answered holds nothing.
      ...releasedAbove(from, from.atMs),
      // Rows of tasks that an older version began lack it.
      ...delegationEnded(from.task.askedBy ?? null, data, costAbove(from)),
      ...closeEvents(from, status),
      ...turnEnded(from.task, {
        status,
        output,
        error: data.error,
        model: data.model,
        steered: answeredMessages(from.run),
        variables: asJson(variablesOfTurn(from)),
        atMs: from.atMs,
      }),
      progressEvent(from, 'completed', detail),
    ],
  }
}

/** The ledger gets the last calls of a task later than its end. */
const usedInAll = ({ modelCalls, inputTokens, outputTokens, cost }: Usage) => ({
  modelCalls,
  inputTokens,
  outputTokens,
  cost,
})

/**
 * US dollars that the end of this task costs the one that asked for it: all that it was given, if tasks below it have not
 * ended and may spend that; null: what it has cost.
 */
function costAbove(from: Situation): number | null {
  const { task, run } = from
  return outstandingIds(from).some((id) => run.lent?.includes(id)) ? task.maxCost : null
}

/**
 * Router reads it on `tools.requested` too, to free the task's slot. A task without code has nothing in
 * code-sandbox.
 */
function closeEvents({ task: { taskId, mode, deadlineMs } }: Situation, status: Status): Emit[] {
  const closed = (topic: 'tools.requested' | 'code.requested'): Emit => ({
    topic,
    type: 'TaskClosed',
    data: { taskId, status, deadlineMs },
  })
  return [closed('tools.requested'), ...(mode === 'code' ? [closed('code.requested')] : [])]
}

/** Cancels outstanding requests, on the topic that they went to. */
function cancelEvents(from: Situation, status: Status): Emit[] {
  const { taskId, deadlineMs } = from.task
  const reason = `the task ended: ${status}`
  const callIds = outstandingIds(from)
  const stop = (topic: 'tools.requested' | 'code.requested'): Emit => ({
    topic,
    type: 'WorkCancelled',
    data: { taskId, callIds, reason, deadlineMs },
  })
  if (callIds.length === 0) return []
  return [stop(from.run.phase === 'code' ? 'code.requested' : 'tools.requested')]
}

function taskCompleted(from: Situation, status: Status, output: Json, error: Failure | null): TaskCompleted {
  const { task, run, atMs } = from
  const steps = stepsOf(from)
  return taskResult(task, {
    taskId: task.taskId,
    status,
    output,
    // Steps are JSON by construction; their interfaces lack the index signature that Json asks for.
    steps: steps as unknown as Json,
    usage: totalUsage(run.usage, steps),
    executionTime: Math.max(0, atMs - task.submittedAtMs - heldMs(from.run, atMs)),
    model: currentModel(from) || null,
    modelReason: run.model === 0 ? task.modelReason : `${task.modelReason}; ${run.modelReason}`,
    error: error && withLastError(error, lastError(from, steps)),
    refusedCalls: refusedCalls(from, steps),
    childrenCost: run.childrenCost ?? null,
    traceId: from.event.traceId ?? task.traceId,
    submittedAtMs: task.submittedAtMs,
    completedAtMs: atMs,
  })
}

/** Limits that end a task whatever its steps do: why the steps did not end it is in the last one that failed. */
const endedByLimit: readonly string[] = ['STEP_LIMIT', 'TASK_TIMED_OUT']

interface LastError {
  readonly step: number
  readonly error: Failure
}

function withLastError(error: Failure, last: LastError | null): Failure {
  if (last === null || !endedByLimit.includes(error.code)) return error
  const { step, error: cause } = last
  const message = `${error.message}. The last error, in step ${step}, was ${cause.code}: ${cause.message}`
  return { ...error, message: boundedText(message) }
}

/** In a step, the model's failed calls come before what its answer led to. */
function lastError({ rows, run }: Situation, steps: readonly Step[]): LastError | null {
  const failed = steps.findLast((step) => errorOf(step) !== null)
  const error = failed ? errorOf(failed) : null
  if (rows.failedCall && failed?.step !== run.step) return { step: run.step, error: rows.failedCall }
  return failed && error ? { step: failed.step, error } : null
}

function errorOf({ error, toolCalls }: Step): Failure | null {
  if (error !== null && !endedByLimit.includes(error.code)) return error
  return toolCalls.findLast((call) => call.error)?.error ?? null
}

/** All steps in order; a running one as far as it got. */
function stepsOf(from: Situation): Step[] {
  const steps: Step[] = []
  for (let number = 1; number <= from.run.step; number += 1) {
    const step = from.rows[`step:${number}`]
    if (step) steps.push(withWaiting(withReplies(step, from.rows), from.run))
  }
  const { answer } = from.rows
  if (answer && steps.at(-1)?.step !== answer.step.step) steps.push(answer.step)
  return steps
}

const notMade = new Set(['refused', 'awaiting_approval', 'undecided'])

function totalUsage(usage: Usage, steps: readonly Step[]): Usage {
  const made = steps
    .flatMap((step) => step.toolCalls)
    .filter(({ status, recorded }) => !recorded && !notMade.has(status))
  return { ...usage, toolCalls: made.length }
}
