// Selects the limits that a task or a model call falls under, and explains their refusals to people.
import type { Fleet, ProviderRates } from '../config/fleet.ts'
import { parseModel } from '../models/names.ts'
import { longestPrefix } from '../models/prices.ts'
import { plural } from '../text/quantities.ts'
import type { Claim, Refusal } from './port.ts'

type LimitSettings = Pick<Fleet['limits'], 'budgets' | 'rates'>

/** A claim, with a name of its limit for people. */
export type NamedClaim = Claim & {
  /** `the fleet`, `user "ann"`, … */
  readonly whose: string
  /** Its setting in flotilla.config.ts. */
  readonly setting: string
}

/** Usage, expected or actual. */
export interface Use {
  readonly userId: string | null
  readonly model: string
  readonly tokens: number
  /** Decides the day. Epoch milliseconds. */
  readonly atMs: number
}

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

/** Claims of a task when it is admitted: its estimate, and one of its user's requests. */
export function claimsOfTask(use: Use, { budgets, rates }: LimitSettings): NamedClaim[] {
  return [
    ...budgetClaims(use, budgets),
    ...userWindow(use, 'userTokens', use.tokens, rates),
    ...claimsOfRequest(use, { rates }),
  ]
}

/** Claims of a task that never runs: it still was a request. */
export function claimsOfRequest(
  { userId }: Pick<Use, 'userId'>,
  { rates }: Pick<LimitSettings, 'rates'>,
): NamedClaim[] {
  return userWindow({ userId }, 'userRequests', 1, rates)
}

/** Claims of one model call. */
export function claimsOfCall(use: Use, { budgets, rates }: LimitSettings): NamedClaim[] {
  return [
    ...budgetClaims(use, budgets),
    ...userWindow(use, 'userTokens', use.tokens, rates),
    ...providerWindows(use, rates),
  ]
}

/** Caps a claim at its window's size: a larger one may run when nothing else is in the window. */
export function askable(claims: readonly NamedClaim[]): NamedClaim[] {
  return claims.map((claim) =>
    claim.form === 'window' && claim.amount > claim.limit ? { ...claim, amount: claim.limit } : claim,
  )
}

export interface Day {
  /** 2026-11-24 */
  readonly name: string
  readonly beginsAtMs: number
  readonly endsAtMs: number
}

/** The budget day of this time. */
export function dayOf(atMs: number, { resetHourUtc }: LimitSettings['budgets']): Day {
  const day = Math.floor((atMs - resetHourUtc * HOUR_MS) / DAY_MS)
  const beginsAtMs = day * DAY_MS + resetHourUtc * HOUR_MS
  if (latest.day !== day) latest = { day, name: new Date(day * DAY_MS).toISOString().slice(0, 10) }
  return { name: latest.name, beginsAtMs, endsAtMs: beginsAtMs + DAY_MS }
}

/** The day that was named last: nearly all claims are of one. */
let latest = { day: Number.NaN, name: '' }

/** The fleet's budget, the user's, the model's. */
function budgetClaims(use: Use, budgets: LimitSettings['budgets']): NamedClaim[] {
  const day = dayOf(use.atMs, budgets)
  const claims: NamedClaim[] = []
  for (const name of budgetNames(use)) {
    const { limit, whose, setting } = budgetOf(name, budgets)
    if (limit === null) continue
    const key = `${day.name}:${name}`
    const warnAt = warnAtOf(limit, budgets)
    const [amount, resetsAtMs] = [use.tokens, day.endsAtMs]
    claims.push({ form: 'budget', key, amount, limit, resetsAtMs, warnAt, whose, setting })
  }
  return claims
}

function budgetNames({ userId, model }: Use): string[] {
  const ofModel = `model:${modelKey(model)}`
  return userId === null ? ['fleet', ofModel] : ['fleet', `user:${userId}`, ofModel]
}

/** Settled tokens at which a budget is reported. */
export const warnAtOf = (limit: number, { warnAt }: Pick<LimitSettings['budgets'], 'warnAt'>): number =>
  Math.ceil(limit * warnAt)

interface BudgetTerms {
  readonly limit: number | null
  readonly whose: string
  readonly setting: string
}

/** Whether tokens are counted by the day at all. */
export function hasBudget({
  fleetTokens,
  userTokens,
  modelTokens,
  users,
  models,
}: LimitSettings['budgets']): boolean {
  if (fleetTokens !== null || userTokens !== null || modelTokens !== null) return true
  return Object.keys(users).length > 0 || Object.keys(models).length > 0
}

/** Limit of `fleet`, `user:ann` or `model:gpt-4o`. */
export function budgetOf(name: string, budgets: LimitSettings['budgets']): BudgetTerms {
  const { fleetTokens, userTokens, modelTokens, users, models } = budgets
  const subject = name.slice(name.indexOf(':') + 1)
  if (name.startsWith('user:')) {
    const whose = `user "${subject}"`
    if (Object.hasOwn(users, subject)) return terms(users[subject], whose, `users.${subject}`)
    return terms(userTokens, whose, 'userTokens')
  }
  if (name.startsWith('model:')) {
    const whose = `model ${subject}`
    const prefix = prefixOf(subject, models)
    if (prefix !== undefined) return terms(models[prefix], whose, `models.${prefix}`)
    return terms(modelTokens, whose, 'modelTokens')
  }
  return terms(fleetTokens, 'the fleet', 'fleetTokens')
}

const terms = (limit: number | null | undefined, whose: string, setting: string): BudgetTerms => ({
  limit: limit ?? null,
  whose,
  setting: `limits.budgets.${setting}`,
})

/** The key of the table that covers this model: its name or the longest prefix of it. */
function prefixOf(model: string, table: Readonly<Record<string, unknown>>): string | undefined {
  const names = Object.keys(table)
  if (names.length === 0) return undefined
  return longestPrefix(
    model,
    names.map((name) => ({ name, model: modelKey(name) })),
  )?.name
}

/** One name for a model that may be written in two ways: `openai/gpt-4o` is `gpt-4o`. */
export function modelKey(model: string): string {
  const { provider, model: rest } = parseModel(model)
  return provider === 'openai' ? rest : model
}

function userWindow(
  { userId }: Pick<Use, 'userId'>,
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

/** Windows that the provider allows the fleet's key: in all, and for this model. */
function providerWindows(
  { model, tokens }: Use,
  { providers, models }: LimitSettings['rates'],
): NamedClaim[] {
  const { provider, model: rest } = parseModel(model)
  const name = modelKey(model)
  const prefix = prefixOf(name, models)
  const claims: NamedClaim[] = []
  if (Object.hasOwn(providers, provider)) {
    const of = { key: provider, whose: `provider ${provider}`, setting: `providers.${provider}` }
    claims.push(...minuteWindows(providers[provider], tokens, of))
  }
  if (prefix !== undefined) {
    const of = { key: `${provider}/${rest}`, whose: `model ${name}`, setting: `models.${prefix}` }
    claims.push(...minuteWindows(models[prefix], tokens, of))
  }
  return claims
}

function minuteWindows(
  rates: ProviderRates | undefined,
  tokens: number,
  of: { key: string; whose: string; setting: string },
): NamedClaim[] {
  const window = (what: keyof ProviderRates, amount: number): NamedClaim[] => {
    const limit = rates?.[what]
    if (limit === undefined) return []
    const setting = `limits.rates.${of.setting}.${what}`
    const key = `${what}:${of.key}`
    return [{ form: 'window', key, amount, limit, windowMs: MINUTE_MS, whose: of.whose, setting }]
  }
  return [...window('tokensPerMinute', tokens), ...window('requestsPerMinute', 1)]
}

const count = (value: number): string => value.toLocaleString('en-US')

/** Names the exhausted limit, its usage, its setting, and when to retry. */
export function describeRefusal(claim: NamedClaim, refusal: Refusal, nowMs: number): string {
  const { whose, setting, limit, amount } = claim
  if (claim.form === 'window') {
    const unit = /tokens(PerMinute)?$/i.test(setting) ? 'tokens' : 'requests'
    const waitS = Math.ceil(refusal.retryAfterMs / 1_000)
    return (
      `${whose} has used ${count(refusal.reserved)} of ${count(limit)} ${unit} in ${claim.windowMs / 1_000} s ` +
      `(${setting}); ${count(amount)} more fit in ${waitS} s`
    )
  }
  const resets = new Date(claim.resetsAtMs).toISOString()
  return (
    `the daily token budget of ${whose} does not cover ${count(amount)} more: of ${plural(limit, 'token')}, ` +
    `${count(refusal.settled)} are used and ${count(refusal.reserved)} reserved (${setting}); it resets at ${resets}, ` +
    `in ${plural(Math.ceil((claim.resetsAtMs - nowMs) / MINUTE_MS), 'minute')}`
  )
}
