// Limits reserved before a model call and settled after it: its prompt and its longest answer, then its
// actual usage.
//
// 1. The settled figure is the one that usage.recorded carries, so the counters agree with the ledger.
// 2. A limit that frees up (a rate, reserved tokens) is RATE_LIMITED: the task waits. A budget that is spent
//    is BUDGET_EXCEEDED: another model, or the end of the task.
// 3. The first call of a task takes over what its admission reserved, also one of a model that nothing limits.
// 4. An estimate of what a call cost is at most what was reserved for it, so that no estimate exceeds a budget.
import { systemClock, type Clock } from '../../../runtime/clock.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { failure } from '../../../runtime/errors.ts'
import type { Guard, GuardedCall } from '../../../runtime/host/calls/guard.ts'
import { budgetWarnings } from '../../../runtime/limits/budget-warnings.ts'
import {
  askable,
  claimsOfCall,
  describeRefusal,
  hasBudget,
  type NamedClaim,
} from '../../../runtime/limits/claims.ts'
import type { Limits, Refusal } from '../../../runtime/limits/port.ts'
import type { Call, CallFailure, CallOutcome } from '../../../runtime/stage.ts'
import type { ValueHead } from '../../../runtime/store/port.ts'
import type { Instruments } from '../../../runtime/telemetry/instruments.ts'
import type { ModelRequest } from '../call.ts'
import { countedTokens, mostTokens } from './token-count.ts'
import { boundedSpend, tokensOf } from '../usage.ts'

export interface ModelGuardParts {
  readonly fleet: Pick<Fleet, 'limits'>
  readonly limits: Pick<Limits, 'reserve' | 'settle' | 'settleIf' | 'release' | 'end'>
  readonly instruments: Pick<Instruments, 'count' | 'log'>
  readonly clock?: Pick<Clock, 'now'>
}

/**
 * How long after a call's time limit its reservation is kept: the next owner takes it over, or settles it
 * from the journal.
 */
const GRACE_MS = 60_000

export function createModelGuard({
  fleet,
  limits,
  instruments,
  clock = systemClock,
}: ModelGuardParts): Guard {
  const claimsFor = ({ model, userId = null }: ModelRequest, tokens: number, atMs: number): NamedClaim[] =>
    claimsOfCall({ userId, model, tokens, atMs }, fleet.limits)

  const warnings = budgetWarnings(instruments, clock)
  /** Tokens reserved for the prompts of calls. */
  const prompts = new WeakMap<GuardedCall, number>()

  async function reserve(guarded: GuardedCall): Promise<CallFailure | null> {
    const { call, key } = guarded
    const id = takerOf(guarded)
    const request = requestOf(call)
    const nowMs = clock.now()
    if (claimsFor(request, 0, nowMs).length === 0) return limits.end(key).then(() => null)
    const take = async (promptTokens: number) => {
      const claims = askable(claimsFor(request, promptTokens + request.maxOutputTokens, nowMs))
      const ttlMs = call.timeoutMs + GRACE_MS
      const reserved = await limits.reserve({ id, alternatives: [claims], ttlMs, replaces: key })
      if (reserved.granted) prompts.set(guarded, promptTokens)
      return reserved.granted ? null : { claims, refusal: reserved.refusals[0] }
    }
    if ((await take(mostTokens(request))) === null) return null
    const refused = await take(await countedTokens(request))
    if (refused === null) return null
    const { claims, refusal } = refused
    const failed = refusalOf(claims, refusal, nowMs)
    instruments.count('calls_held_back', 1, { target: call.target, reason: failed.code })
    warnings.refused(refusal && claims[refusal.claim], refusal, guarded.stream)
    return failed
  }

  function bounded(guarded: GuardedCall, outcome: CallOutcome): CallOutcome {
    const promptTokens = prompts.get(guarded)
    return promptTokens === undefined ? outcome : boundedSpend(outcome, requestOf(guarded.call), promptTokens)
  }

  /** Null: the call used nothing. */
  function usedBy(guarded: GuardedCall, outcome: CallOutcome) {
    const request = requestOf(guarded.call)
    const used = tokensOf(outcome, request)
    if (used === null) return null
    const atMs = outcome.startedMs
    const claims = claimsFor(request, used.inputTokens + used.outputTokens, atMs)
    return { id: takerOf(guarded), claims, atMs }
  }

  async function settle(guarded: GuardedCall, outcome: CallOutcome): Promise<void> {
    const used = usedBy(guarded, outcome)
    if (used === null) return limits.release(takerOf(guarded))
    if (used.claims.length === 0) return
    for (const place of await limits.settle(used)) warnings.reached(used.claims[place], guarded.stream)
  }

  async function settleIf(guarded: GuardedCall, outcome: CallOutcome, entry: ValueHead): Promise<boolean> {
    const used = usedBy(guarded, outcome)
    const warned = used && used.claims.length > 0 && (await limits.settleIf?.(used, entry))
    if (!used || !warned) return false
    for (const place of warned) warnings.reached(used.claims[place], guarded.stream)
    return true
  }

  return {
    applies: (call) => hasBudget(fleet.limits.budgets) || claimsFor(requestOf(call), 0, 0).length > 0,
    reserve,
    bounded,
    settle,
    settleIf,
  }
}

/** The task comes first: in a store that sorts by id, current reservations are close together. */
const takerOf = ({ id, key }: GuardedCall): string => `${key}/${id}`

const requestOf = (call: Call): ModelRequest => call.request as ModelRequest

function refusalOf(claims: readonly NamedClaim[], refusal: Refusal | undefined, nowMs: number): CallFailure {
  const claim = refusal && claims[refusal.claim]
  if (!claim) throw new Error('limits refused a call and named no limit')
  const said = describeRefusal(claim, refusal, nowMs)
  const code = refusal.final && claim.form === 'budget' ? 'BUDGET_EXCEEDED' : 'RATE_LIMITED'
  return { ...failure(code, said), retryAfterMs: refusal.retryAfterMs }
}
