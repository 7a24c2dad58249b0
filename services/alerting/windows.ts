// Sliding windows of the whole fleet.
//
// 1. A window is a ring of slots, one state row each, so a tally writes one small row per rule and the number
//    of rows is bounded. A window slides by a slot, a 24th of its length.
// 2. Execution times are kept as counts in classes 2 % wide. A p95 read from them is never above the true one
//    and at most 2 % below, so an alert is never raised wrongly.
import type { NamedRule } from '../../runtime/config/alert-rules.ts'
import { searchFor } from '../../runtime/foreign-schema/patterns.ts'
import type { Tally } from './tally.ts'

const SLOTS = 24
const CLASS_WIDTH = Math.log(1.02)
const QUANTILE = 0.95

export interface Slot {
  startMs: number
  /** Tasks; of a mean, scores. */
  tasks: number
  /** The rule's count: failures, tokens, matching errors; of a mean, the sum of the scores. */
  counted: number
  /** Class of execution time → tasks. */
  times: Record<string, number>
}

export type SlotRows = { [row: `slot:${string}`]: Slot }

/** The values that a rule compares. */
export interface Reading {
  readonly value: number
  readonly tasks: number
  /** The counted things, if each has a name. */
  readonly subjects?: readonly { readonly name: string; readonly text: string }[]
}

/** Subjects that a message names. */
const MAX_NAMED = 5

/** For the end of a message; empty if there are none. */
export function listSubjects(subjects: NonNullable<Reading['subjects']>, separator: string): string {
  if (subjects.length === 0) return ''
  const listed = subjects.slice(0, MAX_NAMED).map(({ text }) => text)
  if (subjects.length > MAX_NAMED) listed.push(`${subjects.length - MAX_NAMED} more`)
  return `: ${listed.join(separator)}`
}

const slotMs = (rule: NamedRule): number => Math.max(1, Math.ceil(rule.windowMs / SLOTS))
const isCurrent = (rule: NamedRule, slot: Slot, nowMs: number): boolean =>
  slot.startMs > nowMs - rule.windowMs

/** The slot row with the tally added; null if the tally is older than the window. */
export function addTally(
  rule: NamedRule,
  rows: Readonly<Partial<SlotRows>>,
  tally: Tally,
  nowMs: number,
): { row: `slot:${string}`; slot: Slot } | null {
  const number = Math.floor(tally.bucketMs / slotMs(rule))
  const row = `slot:${rule.name}:${number % (SLOTS + 1)}` as const
  const empty: Slot = { startMs: number * slotMs(rule), tasks: 0, counted: 0, times: {} }
  const present = rows[row]
  const before = present?.startMs === empty.startMs ? present : empty
  if (!isCurrent(rule, empty, nowMs) || (present && present.startMs > empty.startMs)) return null
  return { row, slot: withTally(rule, before, tally) }
}

function withTally(rule: NamedRule, slot: Slot, tally: Tally): Slot {
  const score = scoreFor(rule, tally)
  const more = isMean(rule) ? Number(score !== null) : tally.succeeded + tally.failed
  const tasks = slot.tasks + more
  const times = rule.measure === 'latency_p95_ms' ? withTimes(slot.times, tally.executionTimesMs) : slot.times
  return { ...slot, tasks, times, counted: slot.counted + countedBy(rule, tally) }
}

/** The score of which the rule takes the mean; null: the tally has none. */
function scoreFor({ measure }: NamedRule, { quality, satisfaction }: Tally): number | null {
  if (measure === 'quality_mean') return quality
  return measure === 'satisfaction_mean' ? satisfaction : null
}

const isFoundBy = (pattern: string) => (error: string) => searchFor(pattern, 'i')(error) !== null

function countedBy(rule: NamedRule, tally: Tally): number {
  switch (rule.measure) {
    case 'error_rate':
      return tally.failed
    case 'tokens':
      return tally.tokens
    case 'errors_matching':
      return rule.pattern === null ? 0 : tally.errors.filter(isFoundBy(rule.pattern)).length
    case 'quality_mean':
    case 'satisfaction_mean':
      return scoreFor(rule, tally) ?? 0
    case 'latency_p95_ms':
    case 'budgets_near_limit':
    case 'mcp_tools_changed':
      return 0
  }
}

function withTimes(times: Slot['times'], more: readonly number[]): Slot['times'] {
  const sum = { ...times }
  for (const ms of more) {
    const name = String(Math.floor(Math.log(Math.max(1, ms)) / CLASS_WIDTH))
    sum[name] = (sum[name] ?? 0) + 1
  }
  return sum
}

/** When the next slot leaves the window; Infinity if there is none. */
export function nextChangeMs(rule: NamedRule, rows: Readonly<Partial<SlotRows>>, nowMs: number): number {
  const current = slotsOf(rule, rows).filter((slot) => isCurrent(rule, slot, nowMs))
  return Math.min(...current.map(({ startMs }) => startMs + rule.windowMs))
}

/** Fires below its threshold; without scores it does not. */
export const isMean = ({ measure }: Pick<NamedRule, 'measure'>): boolean =>
  measure === 'quality_mean' || measure === 'satisfaction_mean'

/** The rule's reading over the window that ends now. */
export function reading(rule: NamedRule, rows: Readonly<Partial<SlotRows>>, nowMs: number): Reading {
  const slots = slotsOf(rule, rows).filter((slot) => isCurrent(rule, slot, nowMs))
  const tasks = slots.reduce((sum, slot) => sum + slot.tasks, 0)
  const counted = slots.reduce((sum, slot) => sum + slot.counted, 0)
  if (rule.measure === 'error_rate' || isMean(rule))
    return { tasks, value: tasks === 0 ? 0 : counted / tasks }
  return { tasks, value: rule.measure === 'latency_p95_ms' ? quantile(slots) : counted }
}

function slotsOf(rule: NamedRule, rows: Readonly<Partial<SlotRows>>): Slot[] {
  const slots: Slot[] = []
  for (const name of rowNames(rule)) {
    const slot = rows[name]
    if (slot !== undefined) slots.push(slot)
  }
  return slots
}

/** Names of a rule's rows, made once: every tally reads all of them. */
const namesOf = new WeakMap<NamedRule, readonly (keyof SlotRows)[]>()

function rowNames(rule: NamedRule): readonly (keyof SlotRows)[] {
  const known = namesOf.get(rule)
  if (known) return known
  const names = Array.from({ length: SLOTS + 1 }, (_, index) => `slot:${rule.name}:${index}` as const)
  namesOf.set(rule, names)
  return names
}

/** Nearest rank, in milliseconds; 0 if there are no times. */
function quantile(slots: readonly Slot[]): number {
  const counts: number[] = []
  let left = 0
  for (const { times } of slots)
    for (const [index, count] of classesOf(times)) {
      counts[index] = (counts[index] ?? 0) + count
      left += count
    }
  left = Math.ceil(QUANTILE * left)
  for (let index = 0; index < counts.length; index++) {
    left -= counts[index] ?? 0
    if (left <= 0) return Math.round(Math.exp(index * CLASS_WIDTH))
  }
  return 0
}

/** The classes of a slot, read once: every tally reads all slots, and changes one. */
const readClasses = new WeakMap<Slot['times'], readonly (readonly [index: number, count: number])[]>()

function classesOf(times: Slot['times']) {
  const known = readClasses.get(times)
  if (known) return known
  const classes = Object.entries(times).map(([name, count]) => [Number(name), count] as const)
  readClasses.set(times, classes)
  return classes
}
