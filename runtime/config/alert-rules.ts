// The types of alerts in flotilla.config.ts: rules, channels and silences. The standard ones: alerts.ts.
import type { AlertMeasure } from './alerts.ts'

export interface AlertRule {
  /**
   * Quantity: share of failed tasks (0 to 1), p95 of executionTime, tokens, errors that match `pattern`, budgets at
   * `limits.budgets.warnAt`, mean of evaluators' scores or users' ratings (0 to 1).
   */
  measure: AlertMeasure
  /** Fires above it; a mean below it. */
  threshold: number
  windowMs: number // For budgets: a day.
  /** Fewer tasks in the window never fire. */
  minTasks: number
  /**
   * Matches errors as `CODE: message`; null: none. Matches budgets as `the fleet`, `user "ann"`, `model
   * gpt-4o`; null: all. Ignores case.
   */
  pattern: string | null
  severity: 'critical' | 'warning'
  /** Names of channels. */
  channels: string[]
  /** An alert that is still firing is raised again after this time. */
  renotifyMs: number
  /** Link to instructions; shown in every notification. */
  runbook: string | null
}

/** Secrets are named by the environment variable that holds them. */
export type ChannelDefinition =
  | { type: 'pagerduty'; routingKeyEnv: string; url: string }
  | { type: 'slack'; urlEnv: string }
  | { type: 'email'; urlEnv: string; from: string; to: string[]; caFile?: string }
  | { type: 'webhook'; url: string; secretEnv: string }

/** Mutes the rule's channels meanwhile. */
export interface SilenceDefinition {
  rule: string
  /** ISO 8601. Absent: no lower bound. */
  from?: string
  until: string
  reason?: string
}

type ChannelSettings = {
  [T in ChannelDefinition['type']]: { type: T } & Partial<Extract<ChannelDefinition, { type: T }>>
}[ChannelDefinition['type']]

export interface AlertsDefinition {
  /** The name of a standard rule: given fields change it, false removes it. Any other name: a new rule. */
  rules?: Record<string, Partial<AlertRule> | false>
  channels?: Record<string, ChannelSettings>
  silences?: SilenceDefinition[]
  /** How long to collect alerts before notifying a channel, so that they arrive as one notification. */
  groupWaitMs?: number
  /** Shortest time between two notifications of a channel. */
  groupIntervalMs?: number
  /** Attempts of one notification; the waits between them double from `retryMs` to five minutes. */
  tries?: number
  retryMs?: number
}

/** AlertsDefinition, checked and completed. */
export interface Alerts {
  readonly rules: readonly NamedRule[]
  readonly channels: Readonly<Record<string, ChannelDefinition>>
  readonly silences: readonly { readonly rule: string; readonly fromMs: number; readonly untilMs: number }[]
  readonly groupWaitMs: number
  readonly groupIntervalMs: number
  readonly tries: number
  readonly retryMs: number
}

export type NamedRule = Readonly<AlertRule> & { readonly name: string }
