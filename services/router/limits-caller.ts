// Reserves a task's estimate, by the task's id, before it is admitted. Its first model call takes the reservation over; a
// task that ends before it is at work gives it back; one that makes no call holds it until its deadline.
import { systemClock, type Clock } from '../../runtime/clock.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { failure } from '../../runtime/errors.ts'
import { askable, claimsOfRequest, claimsOfTask, describeRefusal } from '../../runtime/limits/claims.ts'
import type { Limits } from '../../runtime/limits/port.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'
import type { Granted, LimitsAnswer, LimitsRequest } from './limits.ts'

export interface LimitsCallerParts {
  readonly fleet: Pick<Fleet, 'limits'>
  readonly limits: Pick<Limits, 'reserve' | 'settle'>
  readonly clock?: Pick<Clock, 'now'>
}

export function createLimitsCaller({ fleet, limits, clock = systemClock }: LimitsCallerParts) {
  async function giveBack({ taskId, userId, submittedAtMs }: Granted & { taskId: string }): Promise<null> {
    await limits.settle({
      id: taskId,
      claims: claimsOfRequest({ userId }, fleet.limits),
      atMs: submittedAtMs,
    })
    return null
  }

  async function reserve(task: TaskAdmitted): Promise<LimitsAnswer> {
    const nowMs = clock.now()
    const { userId } = task
    const tokens = task.estimatedTokens ?? fleet.limits.budgets.estimateTokens
    const alternatives = task.models.map((model) =>
      askable(claimsOfTask({ userId, model, tokens, atMs: nowMs }, fleet.limits)),
    )
    const ttlMs = Math.max(1, task.deadlineMs - nowMs)
    const reserved = await limits.reserve({ id: task.taskId, alternatives, ttlMs })
    if (reserved.granted) return { granted: true, model: reserved.alternative }
    // Where no model fits, the one that was wanted says why.
    const [refusal] = reserved.refusals
    const claim = refusal && alternatives[0]?.[refusal.claim]
    if (!claim) throw new Error('limits refused a task and named no limit')
    const code = claim.form === 'budget' ? 'BUDGET_EXCEEDED' : 'RATE_LIMITED'
    const said = describeRefusal(claim, refusal, nowMs)
    const reason = failure(code, `${said.charAt(0).toUpperCase()}${said.slice(1)}.`)
    return { granted: false, reason: { ...reason, retryAfterMs: refusal.retryAfterMs } }
  }

  return (request: LimitsRequest): Promise<LimitsAnswer | null> =>
    'task' in request ? reserve(request.task) : giveBack(request.giveBack)
}
