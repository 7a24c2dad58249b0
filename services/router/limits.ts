// Admission asks the limits once for each task: its estimate must fit the budgets, and its user's rates.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { claimsOfTask } from '../../runtime/limits/claims.ts'
import type { Call, CallOutcome, Failure } from '../../runtime/stage.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'

/** Request of a call of kind `limits`. Idempotent by the task's id. */
export interface LimitsRequest {
  readonly task: TaskAdmitted
}

/** Its value: the first of the task's models that the budgets can pay, or why none. */
export type LimitsAnswer =
  { readonly granted: true; readonly model: number } | { readonly granted: false; readonly reason: Failure }

const TIMEOUT_MS = 10_000

/** Null: nothing limits this task. */
export function limitsCall(task: TaskAdmitted, { limits }: Fleet): Call | null {
  const { userId, models } = task
  const limited = models.some(
    (model) => claimsOfTask({ userId, model, tokens: 0, atMs: 0 }, limits).length > 0,
  )
  if (!limited) return null
  const request: LimitsRequest = { task }
  return {
    kind: 'limits',
    target: 'admission',
    request,
    timeoutMs: TIMEOUT_MS,
    idempotent: true,
    // Counted by task id, so it may be asked again: while the store is away the host does, and the task waits.
    journalled: false,
  }
}

/** The task as it may run. Throws where the answer can't be understood: a bug. */
export function withinLimits(
  call: Call,
  outcome: CallOutcome,
): { admitted: TaskAdmitted } | { rejected: Failure } {
  if (!outcome.ok) throw new Error(`asking the limits: ${outcome.failure.message}`)
  const { task } = call.request as LimitsRequest
  const answer = outcome.value as LimitsAnswer
  if (!answer.granted) return { rejected: answer.reason }
  if (answer.model === 0) return { admitted: task }
  const models = task.models.slice(answer.model)
  const passed = task.models.slice(0, answer.model).join(', ')
  const modelReason = `${task.modelReason}; in place of ${passed}, whose daily token budget does not cover the task`
  return { admitted: { ...task, models, modelReason } }
}
