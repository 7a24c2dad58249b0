// The life of an alert: raised once, raised again while it keeps firing, resolved.
//
// 1. While its rule is silenced, an alert is raised on the topic and in the log, and no channel is notified.
//    When the silence ends and it still fires, it is raised again and its channels are notified.
// 2. Channels that were notified of an alert are notified of its end, silence or not: none is left with an
//    alert that is over.
import type { NamedRule } from '../../runtime/config/alert-rules.ts'
import { plural } from '../../runtime/text/quantities.ts'
import type { AlertRaised, AlertResolved } from '../../schemas/generated/events.ts'
import type { Notice } from './events.ts'
import { isOfBudgets, describeBudgets } from './budgets.ts'
import { describeTools, isOfTools } from './changed-tools.ts'
import { isMean, type Reading } from './windows.ts'

/** A firing alert. */
export interface Alert {
  alertId: string
  notifiedMs: number
  /** Whether its channels were notified. */
  told: boolean
  /** Names of the subjects of the last raise. */
  about?: string[]
}

type Event = { type: 'AlertRaised'; data: AlertRaised } | { type: 'AlertResolved'; data: AlertResolved }

export interface Step {
  /** The alert afterwards; null if it is resolved. */
  readonly alert: Alert | null
  readonly event: Event
  readonly notice: Notice
  /** Whether its channels are notified. */
  readonly tell: boolean
}

/** Null: nothing changes. Firing needs enough tasks; staying needs only a value beyond the threshold. */
export function step(
  rule: NamedRule,
  alert: Alert | undefined,
  reading: Reading,
  silent: boolean,
  nowMs: number,
): Step | null {
  const beyond = isBeyond(rule, reading)
  if (!alert) {
    const fires = beyond && reading.tasks >= rule.minTasks
    return fires
      ? raise(rule, { alertId: `${rule.name}-${nowMs}`, told: false }, reading, silent, nowMs)
      : null
  }
  if (!beyond) return resolve(rule, alert, reading, nowMs)
  const isNews = reading.subjects?.some(({ name }) => !alert.about?.includes(name)) ?? false
  const due = isNews || nowMs >= renotifyAtMs(rule, alert) || (!alert.told && !silent)
  return due ? raise(rule, alert, reading, silent, nowMs) : null
}

/** A mean is bad below its threshold, everything else above it. */
const isBeyond = (rule: NamedRule, { value, tasks }: Reading): boolean =>
  isMean(rule) ? tasks > 0 && value < rule.threshold : value > rule.threshold

export const renotifyAtMs = (rule: NamedRule, alert: Alert): number => alert.notifiedMs + rule.renotifyMs

function raise(
  rule: NamedRule,
  { alertId, told }: Pick<Alert, 'alertId' | 'told'>,
  reading: Reading,
  silent: boolean,
  atMs: number,
): Step {
  const { name, severity, channels, threshold, windowMs, runbook } = rule
  const limit = `, ${isMean(rule) ? 'below' : 'above'} ${format(rule, threshold)}`
  const message = `${name}: ${describeReading(rule, reading)}${isOfBudgets(rule) || isOfTools(rule) ? '' : limit}`
  const facts = { alertId, rule: name, severity, value: reading.value, threshold, message, atMs }
  const about = reading.subjects && { about: reading.subjects.map((subject) => subject.name) }
  return {
    alert: { alertId, notifiedMs: atMs, told: told || !silent, ...about },
    event: { type: 'AlertRaised', data: { ...facts, channels: [...channels], windowMs } },
    notice: { kind: 'raised', ...facts, runbook },
    tell: !silent,
  }
}

function resolve(rule: NamedRule, { alertId, told }: Alert, reading: Reading, atMs: number): Step {
  const { name, severity, threshold, runbook } = rule
  const message = `${name} is over: ${describeReading(rule, reading)}`
  const facts = { alertId, rule: name, value: reading.value, threshold, message, atMs }
  return {
    alert: null,
    event: { type: 'AlertResolved', data: facts },
    notice: { kind: 'resolved', ...facts, severity, runbook },
    tell: told,
  }
}

/** The notification that tests the rule's channels. */
export function testNotice(rule: NamedRule, alertId: string, atMs: number): Notice {
  const { name, severity, threshold, runbook } = rule
  const message = `${name}: this is a test of its channels, nothing has happened`
  return { kind: 'test', alertId, rule: name, severity, value: 0, threshold, message, runbook, atMs }
}

const seconds = (ms: number): string => `${ms / 1_000} s`

function describeReading(rule: NamedRule, reading: Reading): string {
  if (isOfBudgets(rule)) return describeBudgets(reading)
  if (isOfTools(rule)) return describeTools(reading)
  return `${describeCount(rule, reading.value)} in ${seconds(rule.windowMs)}`
}

function describeCount(rule: NamedRule, value: number): string {
  switch (rule.measure) {
    case 'error_rate':
      return `${format(rule, value)} of tasks failed`
    case 'latency_p95_ms':
      return `95 % of tasks took up to ${format(rule, value)}`
    case 'quality_mean':
      return `the mean quality of scored tasks was ${format(rule, value)}`
    case 'satisfaction_mean':
      return `the mean satisfaction of users was ${format(rule, value)}`
    case 'tokens':
      return `${value} tokens were used`
    case 'errors_matching':
      return `${plural(value, 'error')} matched ${rule.pattern}`
    case 'mcp_tools_changed':
      return plural(value, 'tool')
    case 'budgets_near_limit':
      return plural(value, 'budget')
  }
}

function format({ measure }: NamedRule, value: number): string {
  if (measure === 'quality_mean' || measure === 'satisfaction_mean') return value.toFixed(2)
  if (measure === 'error_rate') return `${(value * 100).toFixed(1)} %`
  return measure === 'latency_p95_ms' ? seconds(value) : String(value)
}
