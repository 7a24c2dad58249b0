// Alert rules (R11) as data, and how a configuration changes them.
import { z } from 'zod'
import { FlotillaError } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'

const measures = ['error_rate', 'latency_p95_ms', 'tokens', 'errors_matching'] as const
const MINUTE = 60_000
const DAY = 86_400_000

export interface Rule {
  readonly name: string
  /** What is compared: share of failed tasks (0 to 1), p95 of executionTime, tokens used, errors that match `pattern`. */
  readonly measure: (typeof measures)[number]
  /** Fires above it. */
  readonly threshold: number
  readonly windowMs: number
  /** Fewer tasks in the window never fire. */
  readonly minTasks: number
  /** Of errors, as `CODE: message`; case does not matter. Null: none. */
  readonly pattern: string | null
  readonly severity: 'critical' | 'warning'
  readonly channels: readonly string[]
  /** An alert that lasts is raised again after this time. */
  readonly renotifyMs: number
}

const defaults = { minTasks: 0, pattern: null, renotifyMs: 60 * MINUTE } as const

const standardRules: readonly Rule[] = [
  {
    ...defaults,
    name: 'high_error_rate',
    measure: 'error_rate',
    threshold: 0.05,
    windowMs: 300_000,
    minTasks: 20,
    severity: 'critical',
    channels: ['pagerduty', 'slack'],
  },
  {
    ...defaults,
    name: 'high_latency',
    measure: 'latency_p95_ms',
    threshold: 30_000,
    windowMs: 60_000,
    severity: 'warning',
    channels: ['slack'],
  },
  {
    ...defaults,
    name: 'high_token_usage',
    measure: 'tokens',
    threshold: 1_000_000,
    windowMs: DAY,
    severity: 'warning',
    channels: ['slack'],
  },
  {
    ...defaults,
    name: 'quota_exceeded',
    measure: 'errors_matching',
    pattern: 'quota',
    // Fires at once; resolves when none has come for this long.
    threshold: 0,
    windowMs: 5 * MINUTE,
    severity: 'critical',
    channels: ['pagerduty', 'email'],
  },
]

const isPattern = (text: string): boolean => {
  try {
    return new RegExp(text, 'i') instanceof RegExp
  } catch {
    return false
  }
}

const fields = z.strictObject({
  measure: z.enum(measures),
  threshold: z.number().min(0),
  windowMs: z
    .int()
    .min(1_000)
    .max(31 * DAY),
  minTasks: z.int().min(0),
  pattern: z.string().refine(isPattern, 'is not a regular expression').nullable(),
  severity: z.enum(['critical', 'warning']),
  channels: z.array(z.string()),
  renotifyMs: z.int().min(1_000),
})

/**
 * The rules of a fleet: the standard ones, each changed by the fields that `alerts.<name>` in flotilla.config.ts gives, or left
 * out by `false`; any other name is a rule of its own. Throws CONFIG_INVALID, naming every path.
 */
export function rulesOf(alerts: Readonly<Record<string, Json>>): readonly Rule[] {
  const mistakes: string[] = []
  const standard = new Map(standardRules.map((rule) => [rule.name, rule]))
  const names = new Set([...standard.keys(), ...Object.keys(alerts)])
  const rules = [...names].flatMap((name) => {
    const change = alerts[name] ?? {}
    return change === false ? [] : ruleOf(name, standard.get(name), change, mistakes)
  })
  if (mistakes.length > 0) throw new FlotillaError('CONFIG_INVALID', mistakes.join('; '))
  return rules
}

function ruleOf(name: string, standard: Rule | undefined, change: Json, mistakes: string[]): Rule[] {
  const { name: _, ...base } = standard ?? { name, ...defaults }
  const merged: unknown =
    typeof change === 'object' && !Array.isArray(change) ? { ...base, ...change } : change
  const parsed = fields.safeParse(merged)
  if (parsed.success) return [{ name, ...parsed.data }]
  for (const { path, message } of parsed.error.issues) {
    mistakes.push(`${['alerts', name, ...path.map(String)].join('.')}: ${message}`)
  }
  return []
}
