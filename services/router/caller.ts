// Reserves a task's estimate, by the task's id, before it is admitted. The first model call takes the
// reservation over; a task that ends without one releases it. A schema of the task's own is compiled after that, so that
// the rates of its user bound how often.
import { systemClock, type Clock } from '../../runtime/clock.ts'
import type { Fleet, JsonSchema } from '../../runtime/config/fleet.ts'
import { failure, hasCode } from '../../runtime/errors.ts'
import { budgetWarnings } from '../../runtime/limits/budget-warnings.ts'
import { askable, claimsOfRequest, claimsOfTask, describeRefusal } from '../../runtime/limits/claims.ts'
import type { SchemaChecks } from '../../runtime/foreign-schema/checks.ts'
import type { Limits } from '../../runtime/limits/port.ts'
import type { CallContext, Failure } from '../../runtime/stage.ts'
import type { Instruments } from '../../runtime/telemetry/instruments.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'
import { broughtTokens } from './admission/estimate.ts'
import { isLimited, type Granted, type LimitsAnswer, type LimitsRequest } from './call.ts'

export interface LimitsCallerParts {
  readonly fleet: Pick<Fleet, 'limits'>
  readonly limits: Pick<Limits, 'reserve' | 'settle' | 'end'>
  readonly schemas: Pick<SchemaChecks, 'refusal'>
  readonly instruments: Pick<Instruments, 'count' | 'log'>
  readonly clock?: Pick<Clock, 'now'>
}

type Stream = CallContext['stream']

export function createLimitsCaller({
  fleet,
  limits,
  schemas,
  instruments,
  clock = systemClock,
}: LimitsCallerParts) {
  const warnings = budgetWarnings(instruments, clock)

  async function giveBack({
    taskId,
    userId,
    submittedAtMs,
    ran,
  }: Granted & { taskId: string }): Promise<null> {
    const claims = claimsOfRequest({ userId }, fleet.limits)
    if (ran) await limits.end(taskId)
    else await limits.settle({ id: taskId, claims, atMs: submittedAtMs })
    return null
  }

  async function reserve(task: TaskAdmitted, stream: Stream): Promise<LimitsAnswer> {
    const nowMs = clock.now()
    const { userId } = task
    const tokens = task.estimatedTokens ?? fleet.limits.budgets.estimateTokens + broughtTokens(task)
    const alternatives = task.models.map((model) =>
      askable(claimsOfTask({ userId, model, tokens, atMs: nowMs }, fleet.limits)),
    )
    const ttlMs = Math.max(1, task.deadlineMs - nowMs)
    const reserved = await limits.reserve({ id: task.taskId, alternatives, ttlMs })
    for (const [number, refusal] of (reserved.refusals ?? []).entries())
      warnings.refused(alternatives[number]?.[refusal.claim], refusal, stream)
    if (reserved.granted) return { granted: true, model: reserved.alternative }
    // If no model fits, the refusal of the wanted one is reported.
    const [refusal] = reserved.refusals
    const claim = refusal && alternatives[0]?.[refusal.claim]
    if (!claim) throw new Error('limits refused a task and named no limit')
    const code = claim.form === 'budget' ? 'BUDGET_EXCEEDED' : 'RATE_LIMITED'
    const said = describeRefusal(claim, refusal, nowMs)
    const reason = failure(code, `${said.charAt(0).toUpperCase()}${said.slice(1)}.`)
    return { granted: false, reason: { ...reason, retryAfterMs: refusal.retryAfterMs } }
  }

  async function schemaRefusal(task: TaskAdmitted): Promise<LimitsAnswer | null> {
    const schema = task.outputSchema as JsonSchema
    // Tasks without a user count as one user: with their ids as keys, each would get a turn of its own.
    const reason = await schemas.refusal({ schema, key: task.userId ?? '' }).then(invalid, busy)
    if (reason === null) return null
    if (isLimited(task, fleet)) await giveBack(task)
    return { granted: false, reason }
  }

  async function admit(task: TaskAdmitted, hasOwnSchema: boolean, stream: Stream): Promise<LimitsAnswer> {
    const answer: LimitsAnswer = isLimited(task, fleet)
      ? await reserve(task, stream)
      : { granted: true, model: 0 }
    const refused = answer.granted && hasOwnSchema ? await schemaRefusal(task) : null
    return refused ?? answer
  }

  return (request: LimitsRequest, { stream }: Pick<CallContext, 'stream'>): Promise<LimitsAnswer | null> =>
    'task' in request
      ? admit(request.task, request.hasOwnSchema ?? false, stream)
      : giveBack(request.giveBack)
}

function invalid(why: string | null): Failure | null {
  return why === null ? null : failure('TASK_INVALID', `outputSchema is not a valid JSON Schema: ${why}.`)
}

/** Waiting for a slot would delay tasks that have no schema. */
function busy(error: unknown): Failure {
  if (hasCode(error, 'WORKER_BUSY'))
    return failure(
      'WORKER_BUSY',
      `outputSchema could not be compiled now: ${error.message}. Submit again later.`,
    )
  throw error
}
