import type { TaskCompleted } from '../schemas/generated/events.ts'
import { taskIdMistake } from '../schemas/identity.ts'
import { FlotillaError } from '../runtime/errors.ts'
import type { RefusedCall, TaskResult, TaskStep } from './types.ts'

export function toResult(event: TaskCompleted): TaskResult {
  return {
    taskId: event.taskId,
    status: event.status,
    output: event.output,
    steps: (event.steps ?? []) as unknown as TaskStep[],
    usage: event.usage,
    childrenCost: event.childrenCost,
    executionTime: event.executionTime,
    model: event.model,
    modelReason: event.modelReason,
    error: event.error,
    traceId: event.traceId,
    userId: event.userId,
    agent: event.agent,
    profile: event.profile,
    sessionId: event.sessionId,
    forkedFrom: event.forkedFrom,
    forkedFromStep: event.forkedFromStep,
    toolPolicy: event.toolPolicy,
    refusedCalls: (event.refusedCalls ?? []) as unknown as RefusedCall[],
    submittedAtMs: event.submittedAtMs,
    completedAtMs: event.completedAtMs,
  }
}

/** Throws TASK_INVALID with the remedy if no task can have this id. */
export function assertTaskId(taskId: unknown): asserts taskId is string {
  const mistake = taskIdMistake(taskId)
  if (mistake !== null) throw new FlotillaError('TASK_INVALID', mistake)
}
