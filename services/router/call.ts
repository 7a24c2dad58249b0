// The call of admission, once for each task: its estimate must fit the budgets and its user's rates, and a
// schema of its own must compile. A task that ends before it runs, or that is cancelled or fails before its first call,
// releases its estimate; it still counts as one of its user's requests.
import type { Fleet } from '../../runtime/config/fleet.ts'
import { plainFailure } from '../../runtime/errors.ts'
import { claimsOfTask } from '../../runtime/limits/claims.ts'
import type { Call, CallOutcome, Failure } from '../../runtime/stage.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'

/** A task that was granted and has ended. */
export interface Granted {
  readonly userId: string | null
  readonly submittedAtMs: number
  /** It had left the queue: its first call may have taken its estimate over. */
  readonly ran?: true
}

/** Request of a call of kind `limits`. Idempotent by the task's id. */
export type LimitsRequest =
  | {
      readonly task: TaskAdmitted
      /** The task has a schema of its own, which is compiled, within limits, before the task is admitted. */
      readonly hasOwnSchema?: boolean
    }
  | { readonly giveBack: Granted & { readonly taskId: string } }

/** The value of an admission: the first of the task's models that fits the budgets, or why none does. */
export type LimitsAnswer =
  { readonly granted: true; readonly model: number } | { readonly granted: false; readonly reason: Failure }

const TIMEOUT_MS = 10_000

/** Null: nothing limits this task, and it has no schema of its own. */
export function admissionCall(task: TaskAdmitted, hasOwnSchema: boolean, fleet: Fleet): Call | null {
  // A target of its own, and so a breaker of its own.
  if (hasOwnSchema) return admissionOf('admission with a schema', { task, hasOwnSchema })
  return isLimited(task, fleet) ? admissionOf('admission', { task }) : null
}

/** Whether its admission reserves tokens or requests. */
export function isLimited({ userId, models }: TaskAdmitted, { limits }: Pick<Fleet, 'limits'>): boolean {
  // The budget of the fleet limits every task.
  if (limits.budgets.fleetTokens !== null && models.length > 0) return true
  return models.some((model) => claimsOfTask({ userId, model, tokens: 0, atMs: 0 }, limits).length > 0)
}

/** Messages of a session keep their order, whatever delays one of them. */
const admissionOf = (target: string, request: Extract<LimitsRequest, { task: unknown }>): Call => {
  const { sessionId } = request.task
  const call = callOf(target, request)
  return sessionId === null ? call : { ...call, inOrderOf: sessionId }
}

export const giveBackCall = (taskId: string, granted: Granted): Call =>
  callOf('giving back', { giveBack: { taskId, ...granted } })

function callOf(target: string, request: LimitsRequest): Call {
  return {
    kind: 'limits',
    target,
    request,
    timeoutMs: TIMEOUT_MS,
    idempotent: true,
    // Counted by task id, so it may be repeated: the host does so while the store is unavailable, and the
    // task waits.
    journalled: false,
  }
}

/** A key of the limits that another program has written; the store being away is waited for. */
export const isRefusedByStore = (outcome: CallOutcome): outcome is Extract<CallOutcome, { ok: false }> =>
  !outcome.ok && outcome.failure.code === 'STORE_UNAVAILABLE'

/** The call is repeated until it is answered; any other failure is a bug. */
export function assertAnswered(outcome: CallOutcome): asserts outcome is Extract<CallOutcome, { ok: true }> {
  if (!outcome.ok) throw new Error(`asking the limits: ${outcome.failure.message}`)
}

/** The task as it may run. Throws if the answer can't be understood: a bug. */
export function withinLimits(
  call: Call,
  outcome: CallOutcome,
): { admitted: TaskAdmitted } | { rejected: Failure } {
  if (isRefusedByStore(outcome)) return { rejected: plainFailure(outcome.failure) }
  assertAnswered(outcome)
  const { task } = call.request as Extract<LimitsRequest, { task: unknown }>
  const answer = outcome.value as LimitsAnswer
  if (!answer.granted) return { rejected: answer.reason }
  if (answer.model === 0) return { admitted: task }
  const models = task.models.slice(answer.model)
  const passed = task.models.slice(0, answer.model).join(', ')
  const modelReason = `${task.modelReason}; in place of ${passed}, whose daily token budget does not cover the task`
  return { admitted: { ...task, models, modelReason } }
}
