// What becomes of an alert as its rule is read: raised once, raised again while it lasts, resolved.
//
// 1. While its rule is silent an alert is raised on the topic and in the log, and no channel is told. When the silence
//    ends and it still lasts, it is raised again and told.
// 2. Its end is told to whoever was told of its beginning, silence or not: nobody is left with an alert that is over.
import type { NamedRule } from '../../runtime/config/fleet.ts'
import type { AlertRaised, AlertResolved } from '../../schemas/generated/events.ts'
import type { Notice } from './events.ts'
import { isOfBudgets, named } from './budgets.ts'
import type { Reading } from './windows.ts'

/** An alert that is under way. */
export interface Alert {
  alertId: string
  notifiedMs: number
  /** Whether its channels were told. */
  told: boolean
  /** Names of the subjects that it was raised about last. */
  about?: string[]
}

type Event = { type: 'AlertRaised'; data: AlertRaised } | { type: 'AlertResolved'; data: AlertResolved }

export interface Step {
  /** The alert afterwards; null when there is none. */
  readonly alert: Alert | null
  readonly event: Event
  readonly notice: Notice
  /** Whether its channels are told. */
  readonly tell: boolean
}

/** Null: nothing changes. To fire takes enough tasks; to last takes only that the value stays above the threshold. */
export function step(
  rule: NamedRule,
  alert: Alert | undefined,
  reading: Reading,
  silent: boolean,
  nowMs: number,
): Step | null {
  const above = reading.value > rule.threshold
  if (!alert) {
    const fires = above && reading.tasks >= rule.minTasks
    return fires
      ? raised(rule, { alertId: `${rule.name}-${nowMs}`, told: false }, reading, silent, nowMs)
      : null
  }
  if (!above) return resolved(rule, alert, reading, nowMs)
  const isNews = reading.subjects?.some(({ name }) => !alert.about?.includes(name)) ?? false
  const due = isNews || nowMs >= renotifyAtMs(rule, alert) || (!alert.told && !silent)
  return due ? raised(rule, alert, reading, silent, nowMs) : null
}

export const renotifyAtMs = (rule: NamedRule, alert: Alert): number => alert.notifiedMs + rule.renotifyMs

function raised(
  rule: NamedRule,
  { alertId, told }: Pick<Alert, 'alertId' | 'told'>,
  reading: Reading,
  silent: boolean,
  atMs: number,
): Step {
  const { name, severity, channels, threshold, windowMs, runbook } = rule
  const above = isOfBudgets(rule) ? '' : `, above ${shown(rule, threshold)}`
  const message = `${name}: ${described(rule, reading)}${above}`
  const facts = { alertId, rule: name, severity, value: reading.value, threshold, message, atMs }
  const about = reading.subjects && { about: reading.subjects.map((subject) => subject.name) }
  return {
    alert: { alertId, notifiedMs: atMs, told: told || !silent, ...about },
    event: { type: 'AlertRaised', data: { ...facts, channels: [...channels], windowMs } },
    notice: { kind: 'raised', ...facts, runbook },
    tell: !silent,
  }
}

function resolved(rule: NamedRule, { alertId, told }: Alert, reading: Reading, atMs: number): Step {
  const { name, severity, threshold, runbook } = rule
  const message = `${name} is over: ${described(rule, reading)}`
  const facts = { alertId, rule: name, value: reading.value, threshold, message, atMs }
  return {
    alert: null,
    event: { type: 'AlertResolved', data: facts },
    notice: { kind: 'resolved', ...facts, severity, runbook },
    tell: told,
  }
}

/** What a test of the rule's channels says. */
export function testNotice(rule: NamedRule, alertId: string, atMs: number): Notice {
  const { name, severity, threshold, runbook } = rule
  const message = `${name}: this is a test of its channels, nothing has happened`
  return { kind: 'test', alertId, rule: name, severity, value: 0, threshold, message, runbook, atMs }
}

const seconds = (ms: number): string => `${ms / 1_000} s`

function described(rule: NamedRule, reading: Reading): string {
  if (isOfBudgets(rule)) return named(reading)
  return `${counted(rule, reading.value)} in ${seconds(rule.windowMs)}`
}

function counted(rule: NamedRule, value: number): string {
  switch (rule.measure) {
    case 'error_rate':
      return `${shown(rule, value)} of tasks failed`
    case 'latency_p95_ms':
      return `95 % of tasks took up to ${shown(rule, value)}`
    case 'tokens':
      return `${value} tokens were used`
    case 'errors_matching':
      return `${value} errors matched ${rule.pattern}`
    case 'budgets_near_limit':
      return `${value} budgets`
  }
}

function shown({ measure }: NamedRule, value: number): string {
  if (measure === 'error_rate') return `${(value * 100).toFixed(1)} %`
  return measure === 'latency_p95_ms' ? seconds(value) : String(value)
}
