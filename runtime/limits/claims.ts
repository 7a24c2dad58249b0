// Which limits a task or a model call falls under, and what their refusals mean to people.
import type { Fleet } from '../config/fleet.ts'
import { parseModel } from '../models/names.ts'
import type { BudgetClaim, Claim, Refusal } from './port.ts'

type LimitSettings = Pick<Fleet['limits'], 'budgets' | 'rates'>

/** A claim with what people call its limit. */
export type NamedClaim = Claim & {
  /** `the fleet`, `user "ann"`, … */
  readonly whose: string
  /** Where it is set in flotilla.config.ts. */
  readonly setting: string
}

/** What is going to be used, or was. */
export interface Use {
  readonly userId: string | null
  readonly model: string
  readonly tokens: number
  /** Says the day. Epoch milliseconds. */
  readonly atMs: number
}

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

/** What a task takes when it is admitted: its estimate, and one of its user's requests. */
export function claimsOfTask(use: Use, { budgets, rates }: LimitSettings): NamedClaim[] {
  return [
    ...budgetClaims(use, budgets),
    ...userWindow(use, 'userTokens', use.tokens, rates),
    ...userWindow(use, 'userRequests', 1, rates),
  ]
}

/** A window may be smaller than what is asked for at once: that may then go when nothing else is in it. */
export function askable(claims: readonly NamedClaim[]): NamedClaim[] {
  return claims.map((claim) =>
    claim.form === 'window' && claim.amount > claim.limit ? { ...claim, amount: claim.limit } : claim,
  )
}

function dayOf(atMs: number, { resetHourUtc }: LimitSettings['budgets']) {
  const day = Math.floor((atMs - resetHourUtc * HOUR_MS) / DAY_MS)
  const name = new Date(day * DAY_MS).toISOString().slice(0, 10)
  return { name, endsAtMs: (day + 1) * DAY_MS + resetHourUtc * HOUR_MS }
}

/** The fleet's budget, the user's, the model's. */
function budgetClaims(use: Use, budgets: LimitSettings['budgets']): (BudgetClaim & NamedClaim)[] {
  const { name: day, endsAtMs } = dayOf(use.atMs, budgets)
  const claim = (key: string, limit: number | null, whose: string, setting: string) =>
    limit === null
      ? []
      : [
          {
            form: 'budget' as const,
            key: `${day}:${key}`,
            amount: use.tokens,
            limit,
            resetsAtMs: endsAtMs,
            warnAt: Math.ceil(limit * budgets.warnAt),
            whose,
            setting: `limits.budgets.${setting}`,
          },
        ]
  const model = modelKey(use.model)
  return [
    ...claim('fleet', budgets.fleetTokens, 'the fleet', 'fleetTokens'),
    ...(use.userId === null ? [] : claim(`user:${use.userId}`, ...ofUser(use.userId, budgets))),
    ...claim(`model:${model}`, ...ofModel(model, budgets)),
  ]
}

type BudgetTerms = [limit: number | null, whose: string, setting: string]

function ofUser(userId: string, { users, userTokens }: LimitSettings['budgets']): BudgetTerms {
  const whose = `user "${userId}"`
  if (Object.hasOwn(users, userId)) return [users[userId] ?? null, whose, `users.${userId}`]
  return [userTokens, whose, 'userTokens']
}

function ofModel(model: string, { models, modelTokens }: LimitSettings['budgets']): BudgetTerms {
  const whose = `model ${model}`
  const [prefix] = Object.keys(models)
    .filter((candidate) => model.startsWith(modelKey(candidate)))
    .sort((a, b) => b.length - a.length)
  if (prefix !== undefined) return [models[prefix] ?? null, whose, `models.${prefix}`]
  return [modelTokens, whose, 'modelTokens']
}

/** One name for a model that may be written in two ways: `openai/gpt-4o` is `gpt-4o`. */
function modelKey(model: string): string {
  const { provider, model: rest } = parseModel(model)
  return provider === 'openai' ? rest : model
}

function userWindow(
  { userId }: Use,
  what: 'userTokens' | 'userRequests',
  amount: number,
  rates: LimitSettings['rates'],
): NamedClaim[] {
  const limit = rates[what]
  if (userId === null || limit === null) return []
  const { windowMs } = rates
  const key = `${what}:${userId}`
  return [
    {
      form: 'window',
      key,
      amount,
      limit,
      windowMs,
      whose: `user "${userId}"`,
      setting: `limits.rates.${what}`,
    },
  ]
}

const count = (value: number): string => value.toLocaleString('en-US')

/** What is used up, by how much, where it is set, and when there is room again. */
export function describeRefusal(claim: NamedClaim, refusal: Refusal, nowMs: number): string {
  const { whose, setting, limit, amount } = claim
  if (claim.form === 'window') {
    const unit = setting.toLowerCase().includes('tokens') ? 'tokens' : 'requests'
    const waitS = Math.ceil(refusal.retryAfterMs / 1_000)
    return (
      `${whose} has used ${count(refusal.reserved)} of ${count(limit)} ${unit} in ${claim.windowMs / 1_000} s ` +
      `(${setting}); ${count(amount)} more fit in ${waitS} s`
    )
  }
  const resets = new Date(claim.resetsAtMs).toISOString()
  return (
    `the daily token budget of ${whose} does not cover ${count(amount)} more: of ${count(limit)} tokens, ` +
    `${count(refusal.settled)} are used and ${count(refusal.reserved)} reserved (${setting}); it resets at ${resets}, ` +
    `in ${Math.ceil((claim.resetsAtMs - nowMs) / MINUTE_MS)} minutes`
  )
}
