// Alert rules, channels and silences: the standard ones as data, and how a configuration changes them.
import { z } from 'zod'
import type { AlertRule, Alerts, AlertsDefinition, ChannelDefinition, NamedRule } from './alert-rules.ts'

export const alertMeasures = [
  'error_rate',
  'latency_p95_ms',
  'tokens',
  'errors_matching',
  'budgets_near_limit',
  'mcp_tools_changed',
  'quality_mean',
  'satisfaction_mean',
] as const

export type AlertMeasure = (typeof alertMeasures)[number]

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

const plain = { minTasks: 0, pattern: null, renotifyMs: 60 * MINUTE, runbook: null } as const

/** Rules of every fleet. Their runbooks are part of the project's documentation. */
const standardRules: Readonly<Record<string, AlertRule>> = {
  high_error_rate: {
    ...plain,
    measure: 'error_rate',
    threshold: 0.05,
    windowMs: 300_000,
    minTasks: 20,
    severity: 'critical',
    channels: ['pagerduty', 'slack'],
    runbook: 'docs/runbooks/high_error_rate.md',
  },
  high_latency: {
    ...plain,
    measure: 'latency_p95_ms',
    threshold: 30_000,
    windowMs: 60_000,
    severity: 'warning',
    channels: ['slack'],
    runbook: 'docs/runbooks/high_latency.md',
  },
  high_token_usage: {
    ...plain,
    measure: 'tokens',
    threshold: 1_000_000,
    windowMs: DAY,
    severity: 'warning',
    channels: ['slack'],
    runbook: 'docs/runbooks/high_token_usage.md',
  },
  budget_near_limit: {
    ...plain,
    measure: 'budgets_near_limit',
    threshold: 0,
    windowMs: DAY,
    severity: 'warning',
    channels: ['slack'],
    runbook: 'docs/runbooks/budget_near_limit.md',
  },
  mcp_tools_changed: {
    ...plain,
    measure: 'mcp_tools_changed',
    // Fires at once; resolves when no call was refused for this long.
    threshold: 0,
    windowMs: 15 * MINUTE,
    severity: 'critical',
    channels: ['pagerduty', 'slack'],
    runbook: 'docs/runbooks/mcp_tools_changed.md',
  },
  quota_exceeded: {
    ...plain,
    measure: 'errors_matching',
    pattern: 'quota',
    // Fires at once; resolves when no error has come for this long.
    threshold: 0,
    windowMs: 5 * MINUTE,
    severity: 'critical',
    channels: ['pagerduty', 'email'],
    runbook: 'docs/runbooks/quota_exceeded.md',
  },
}

export const defaultAlerts = {
  groupWaitMs: 2_000,
  groupIntervalMs: 30_000,
  tries: 10,
  retryMs: 2_000,
} as const

/** Defaults of a channel that sets only its type and its addresses. */
const channelDefaults = {
  pagerduty: { routingKeyEnv: 'PAGERDUTY_ROUTING_KEY', url: 'https://events.pagerduty.com/v2/enqueue' },
  slack: { urlEnv: 'SLACK_WEBHOOK_URL' },
  email: { urlEnv: 'SMTP_URL' },
  webhook: { secretEnv: 'ALERT_WEBHOOK_SECRET' },
} as const

/** Gets every alert, regardless of its rule's channels. */
export const LOG_CHANNEL = 'log'

const isPattern = (text: string): boolean => {
  try {
    return new RegExp(text, 'i') instanceof RegExp
  } catch {
    return false
  }
}

const name = z.string().min(1)
const ruleFields = {
  measure: z.enum(alertMeasures),
  threshold: z.number().min(0),
  windowMs: z
    .int()
    .min(1_000)
    .max(31 * DAY),
  minTasks: z.int().min(0).optional(),
  pattern: z.string().refine(isPattern, 'is not a regular expression').nullable().optional(),
  severity: z.enum(['critical', 'warning']),
  channels: z.array(name),
  renotifyMs: z.int().min(1_000).optional(),
  runbook: z.string().nullable().optional(),
}
const ownRule = z.strictObject(ruleFields)
const changedRule = ownRule.partial()

/** No union with `false`: a union's error says that nothing fits, not what is wrong. */
const rules = z.record(name, z.unknown()).superRefine((given, context) => {
  for (const [id, rule] of Object.entries(given)) {
    if (rule === false) continue
    const parsed = (Object.hasOwn(standardRules, id) ? changedRule : ownRule).safeParse(rule)
    for (const issue of parsed.error?.issues ?? [])
      context.issues.push({
        ...issue,
        path: [id, ...issue.path],
        input: rule,
      } as (typeof context.issues)[number])
  }
})

const variable = z.string().regex(/^[A-Za-z_]\w*$/, 'must be the name of an environment variable')
const url = z.url({ protocol: /^https?$/ })
const channel = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('pagerduty'), routingKeyEnv: variable.optional(), url: url.optional() }),
  z.strictObject({ type: z.literal('slack'), urlEnv: variable.optional() }),
  z.strictObject({
    type: z.literal('email'),
    urlEnv: variable.optional(),
    from: z.string().min(1),
    to: z.array(z.string().min(1)).min(1),
    caFile: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('webhook'), url, secretEnv: variable.optional() }),
])

const time = z
  .string()
  .refine((text) => !Number.isNaN(Date.parse(text)), 'must be a time (2026-11-24T20:00Z)')

export const alertsSchema = z.strictObject({
  rules: rules.optional(),
  channels: z.record(name, channel).optional(),
  silences: z
    .array(z.strictObject({ rule: name, from: time.optional(), until: time, reason: z.string().optional() }))
    .optional(),
  groupWaitMs: z.int().min(0).max(DAY).optional(),
  groupIntervalMs: z.int().min(0).max(DAY).optional(),
  tries: z.int().min(1).max(50).optional(),
  retryMs: z.int().min(1).max(DAY).optional(),
})

/** Completes a definition that has been checked. */
export function completeAlerts({
  rules = {},
  channels = {},
  silences = [],
  ...given
}: AlertsDefinition): Alerts {
  const names = new Set([...Object.keys(standardRules), ...Object.keys(rules)])
  const withDefaults = Object.entries(channels).map(([id, settings]) => [
    id,
    { ...channelDefaults[settings.type], ...settings } as ChannelDefinition,
  ])
  return {
    ...defaultAlerts,
    ...given,
    rules: [...names].flatMap((id) => ruleOf(id, rules[id])),
    channels: Object.fromEntries(withDefaults),
    silences: silences.filter(Boolean).map(({ rule, from, until }) => ({
      rule,
      fromMs: from === undefined ? 0 : Date.parse(from),
      untilMs: Date.parse(until),
    })),
  }
}

function ruleOf(id: string, given: Partial<AlertRule> | false | undefined): NamedRule[] {
  if (given === false) return []
  return [{ ...plain, ...standardRules[id], ...given, name: id } as NamedRule]
}

/** Message for an unknown rule name. */
export function unknownRule(name: string, rules: readonly NamedRule[]): string {
  return `no alert rule named ${name}; there are: ${rules.map((rule) => rule.name).join(', ')}`
}

/** Checks that silences and rules name existing rules and channels. */
export function alertMistakes({ rules, channels, silences }: Alerts): string[] {
  const taken = Object.hasOwn(channels, LOG_CHANNEL)
    ? [`alerts.channels.${LOG_CHANNEL}: every alert goes to the log already; choose another name`]
    : []
  const unknown = silences.flatMap(({ rule }, index) =>
    rules.some(({ name }) => name === rule)
      ? []
      : [`alerts.silences.${index}.rule: ${unknownRule(rule, rules)}`],
  )
  return [...taken, ...unknown]
}

/** Channels of the standard rules, configured or not. */
const standardChannels = Object.values(standardRules).flatMap((rule) => rule.channels)

/**
 * Channels that can't deliver, one warning each: not configured, or without their secret. `env` as the
 * alerting service has it. A fleet that configures no channel gets no warning.
 */
export function alertWarnings(
  { rules, channels }: Alerts,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const expected = Object.keys(channels).length === 0 ? standardChannels : []
  const known = new Set([...Object.keys(channels), ...expected, LOG_CHANNEL])
  const unknown = new Set(rules.flatMap((rule) => rule.channels).filter((id) => !known.has(id)))
  const secretless = Object.entries(channels)
    .filter(([, definition]) => !env[secretVariable(definition)]?.trim())
    .map(([id, definition]) => `channel ${id} can't be notified: ${secretVariable(definition)} is not set`)
  const unconfigured = [...unknown].map((id) => {
    const by = rules.filter((rule) => rule.channels.includes(id)).map((rule) => rule.name)
    return `channel ${id} (of ${by.join(', ')}) is not configured: add alerts.channels.${id}; until then its alerts go to the topic and the log only`
  })
  const weak = Object.entries(channels).flatMap(([id, definition]) =>
    definition.type === 'webhook'
      ? weaknessOf(id, definition.secretEnv, env[definition.secretEnv]?.trim())
      : [],
  )
  return [...unconfigured, ...secretless, ...weak]
}

const LEAST_SECRET_BYTES = 24

function weaknessOf(channel: string, variable: string, secret = ''): string[] {
  const problem = webhookSecretProblem(secret)
  if (problem !== null) return [`channel ${channel} can't be notified: ${variable} ${problem}`]
  if (secret === '' || secret.length >= LEAST_SECRET_BYTES) return []
  return [
    `channel ${channel}: ${variable} has fewer than 24 characters and may be guessed; use whsec_ and base64 of 24 random bytes`,
  ]
}

/** Why a secret that claims to be one of Standard Webhooks is not: `whsec_`, base64 of 24 bytes or more. */
export function webhookSecretProblem(given: string | undefined): string | null {
  const secret = given?.trim() ?? ''
  if (!secret.startsWith('whsec_')) return null
  const encoded = secret.slice('whsec_'.length)
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return 'is not base64 behind whsec_'
  const bytes = Math.floor((encoded.replace(/=+$/, '').length * 3) / 4)
  return bytes >= LEAST_SECRET_BYTES
    ? null
    : `has ${bytes} bytes behind whsec_, fewer than ${LEAST_SECRET_BYTES}`
}

export function secretVariable(definition: ChannelDefinition): string {
  switch (definition.type) {
    case 'pagerduty':
      return definition.routingKeyEnv
    case 'webhook':
      return definition.secretEnv
    default:
      return definition.urlEnv
  }
}
