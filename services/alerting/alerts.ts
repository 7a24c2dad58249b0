// What becomes of an alert as its rule is read: raised once, raised again while it lasts, resolved.
//
// 1. While its rule is silent an alert is raised on the topic and in the log, and no channel is told. When the silence
//    ends and it still lasts, it is raised again and told.
// 2. Its end is told to whoever was told of its beginning, silence or not: nobody is left with an alert that is over.
import type { NamedRule } from '../../runtime/config/fleet.ts'
import type { AlertRaised, AlertResolved } from '../../schemas/generated/events.ts'
import type { Notice } from './notices.ts'
import type { Reading } from './windows.ts'

/** An alert that is under way. */
export interface Alert {
  alertId: string
  notifiedMs: number
  /** Whether its channels were told. */
  told: boolean
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
  { value, tasks }: Reading,
  silent: boolean,
  nowMs: number,
): Step | null {
  const above = value > rule.threshold
  if (!alert) {
    const fires = above && tasks >= rule.minTasks
    return fires ? raised(rule, `${rule.name}-${nowMs}`, value, !silent, nowMs) : null
  }
  if (!above) return resolved(rule, alert, value, nowMs)
  const due = nowMs >= renotifyAtMs(rule, alert) || (!alert.told && !silent)
  if (!due) return null
  const again = raised(rule, alert.alertId, value, !silent, nowMs)
  return { ...again, alert: { alertId: alert.alertId, notifiedMs: nowMs, told: alert.told || !silent } }
}

export const renotifyAtMs = (rule: NamedRule, alert: Alert): number => alert.notifiedMs + rule.renotifyMs

function raised(rule: NamedRule, alertId: string, value: number, tell: boolean, atMs: number): Step {
  const { name, severity, channels, threshold, windowMs, runbook } = rule
  const message = `${name}: ${described(rule, value)} in ${seconds(windowMs)}, above ${shown(rule, threshold)}`
  const facts = { alertId, rule: name, severity, value, threshold, message, atMs }
  return {
    alert: { alertId, notifiedMs: atMs, told: tell },
    event: { type: 'AlertRaised', data: { ...facts, channels: [...channels], windowMs } },
    notice: { kind: 'raised', ...facts, runbook },
    tell,
  }
}

function resolved(rule: NamedRule, { alertId, told }: Alert, value: number, atMs: number): Step {
  const { name, severity, threshold, windowMs, runbook } = rule
  const message = `${name} is over: ${described(rule, value)} in ${seconds(windowMs)}`
  const facts = { alertId, rule: name, value, threshold, message, atMs }
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

function described(rule: NamedRule, value: number): string {
  switch (rule.measure) {
    case 'error_rate':
      return `${shown(rule, value)} of tasks failed`
    case 'latency_p95_ms':
      return `95 % of tasks took up to ${shown(rule, value)}`
    case 'tokens':
      return `${value} tokens were used`
    case 'errors_matching':
      return `${value} errors matched ${rule.pattern}`
  }
}

function shown({ measure }: NamedRule, value: number): string {
  if (measure === 'error_rate') return `${(value * 100).toFixed(1)} %`
  return measure === 'latency_p95_ms' ? seconds(value) : String(value)
}
