// Daily token budgets that were reported to be near their limit (BudgetWarned).
//
// 1. A report holds until its budget's day ends, or until the budget is raised so far that the report no
//    longer applies.
// 2. Its own content counts: a late report of a day that is over is ignored.
// 3. Another budget near its limit is news: the alert is raised again at once.
import { searchFor } from '../../runtime/foreign-schema/patterns.ts'
import type { NamedRule } from '../../runtime/config/alert-rules.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { budgetOf, warnAtOf } from '../../runtime/limits/claims.ts'
import type { BudgetWarned } from '../../schemas/generated/events.ts'
import { listSubjects, type Reading } from './windows.ts'

type BudgetLimits = Fleet['limits']['budgets']
type NearBudget = Omit<BudgetWarned, 'atMs' | 'setting'>
export type BudgetRows = { budgets: NearBudget[] }
type State = Readonly<Partial<BudgetRows>>

/** Budgets kept: of many users, the first ones are enough. */
const MAX_BUDGETS = 100

export const isOfBudgets = ({ measure }: NamedRule): boolean => measure === 'budgets_near_limit'

/** Adds this report to the row. */
export function withReport({ budgets = [] }: State, report: BudgetWarned, nowMs: number): BudgetRows {
  const { atMs: _, setting: __, ...near } = report
  const others = budgets.filter(({ budget, resetsAtMs }) => budget !== near.budget && resetsAtMs > nowMs)
  const before = budgets.find(({ budget }) => budget === near.budget)
  // A late report of the same budget, from before it was raised.
  const isLate = before && before.resetsAtMs >= near.resetsAtMs && before.warnAtTokens > near.warnAtTokens
  const kept = [...others, isLate ? before : near].filter(({ resetsAtMs }) => resetsAtMs > nowMs)
  return { budgets: kept.sort((a, b) => Number(isOfUser(a)) - Number(isOfUser(b))).slice(0, MAX_BUDGETS) }
}

const isOfUser = ({ name }: NearBudget): boolean => name?.startsWith('user:') ?? false

export function budgetReading(rule: NamedRule, rows: State, limits: BudgetLimits, nowMs: number): Reading {
  const subjects = nearLimit(rule, rows, limits, nowMs).map((near) => ({
    name: near.budget,
    text: describeBudget(near),
  }))
  return { value: subjects.length, tasks: rule.minTasks, subjects }
}

/** When the first of their days ends; Infinity if there is none. */
export function nextResetMs(rule: NamedRule, rows: State, limits: BudgetLimits, nowMs: number): number {
  return Math.min(...nearLimit(rule, rows, limits, nowMs).map(({ resetsAtMs }) => resetsAtMs))
}

function nearLimit(
  { pattern }: NamedRule,
  { budgets = [] }: State,
  limits: BudgetLimits,
  nowMs: number,
): NearBudget[] {
  const named = pattern === null ? null : searchFor(pattern, 'i')
  return budgets.filter(
    (near) => near.resetsAtMs > nowMs && !hasRisen(near, limits) && named?.(near.budget) !== null,
  )
}

function hasRisen({ name, warnAtTokens }: NearBudget, limits: BudgetLimits): boolean {
  if (name === null) return false
  const { limit } = budgetOf(name, limits)
  return limit === null || warnAtOf(limit, limits) > warnAtTokens
}

/** Rows of older versions lack the tokens of a refusal. */
function describeBudget({
  budget,
  limitTokens,
  warnAtTokens,
  usedTokens = null,
  resetsAtMs,
}: NearBudget): string {
  const used = `${count(usedTokens ?? warnAtTokens)} of ${count(limitTokens)} tokens are used`
  const more = usedTokens === null ? '' : ', too few are left for what was refused'
  return `${budget} (${used}${more}, until ${new Date(resetsAtMs).toISOString()})`
}

const count = (value: number): string => value.toLocaleString('en-US')

/** Names the budgets, for people. */
export function describeBudgets({ value, subjects = [] }: Reading): string {
  const what =
    value === 1 ? 'a daily token budget is' : `${value === 0 ? 'no' : value} daily token budgets are`
  return `${what} near the limit${listSubjects(subjects, ', ')}`
}
