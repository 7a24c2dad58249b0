// What becomes of an alert as its rule is read: raised once, raised again while it lasts, resolved.
import type { AlertRaised, AlertResolved } from '../../schemas/generated/events.ts'
import type { Rule } from './rules.ts'
import type { Reading } from './windows.ts'

/** An alert that is under way. */
export interface Alert {
  alertId: string
  notifiedMs: number
}

export type Notice =
  { type: 'AlertRaised'; data: AlertRaised } | { type: 'AlertResolved'; data: AlertResolved }

export interface Step {
  /** The alert afterwards; null when there is none. */
  alert: Alert | null
  notice: Notice
}

/** Null: nothing changes. To fire takes enough tasks; to last takes only that the value stays above the threshold. */
export function step(
  rule: Rule,
  alert: Alert | undefined,
  { value, tasks }: Reading,
  nowMs: number,
): Step | null {
  const above = value > rule.threshold
  if (!alert)
    return above && tasks >= rule.minTasks ? raised(rule, `${rule.name}-${nowMs}`, value, nowMs) : null
  if (!above) return { alert: null, notice: resolved(rule, alert, value, nowMs) }
  return nowMs - alert.notifiedMs >= rule.renotifyMs ? raised(rule, alert.alertId, value, nowMs) : null
}

function raised(rule: Rule, alertId: string, value: number, atMs: number): Step {
  const { name, severity, channels, threshold, windowMs } = rule
  const message = `${name}: ${described(rule, value)} in ${seconds(windowMs)}, above ${shown(rule, threshold)}`
  const data = {
    alertId,
    rule: name,
    severity,
    channels: [...channels],
    value,
    threshold,
    windowMs,
    message,
    atMs,
  }
  return { alert: { alertId, notifiedMs: atMs }, notice: { type: 'AlertRaised', data } }
}

function resolved(rule: Rule, { alertId }: Alert, value: number, atMs: number): Notice {
  const { name, threshold, windowMs } = rule
  const message = `${name} is over: ${described(rule, value)} in ${seconds(windowMs)}`
  return { type: 'AlertResolved', data: { alertId, rule: name, value, threshold, message, atMs } }
}

const seconds = (ms: number): string => `${ms / 1_000} s`

function described(rule: Rule, value: number): string {
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

function shown({ measure }: Rule, value: number): string {
  if (measure === 'error_rate') return `${(value * 100).toFixed(1)} %`
  return measure === 'latency_p95_ms' ? seconds(value) : String(value)
}
