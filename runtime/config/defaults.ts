// Defaults of the fleet, as data: profiles, prices and limits. flotilla.config.ts adds to them and overrides
// them by name. Providers and their keys are found in the environment: runtime/models/discovery.ts.
import type { Fleet, ModelSize, Price, Profile } from './fleet.ts'
import { defaultDelegation } from './delegates.ts'
import { longestTask } from './long-tasks.ts'

/** A name for a model and its limits. */
export const defaultProfiles: Readonly<Record<string, Profile>> = {
  fast: {
    models: ['groq/llama-3.3-70b-versatile'],
    temperature: 0.1,
    maxSteps: 5,
    timeoutMs: 10_000,
    executor: 'default',
  },
  accurate: {
    models: ['gpt-4o'],
    temperature: 0.3,
    maxSteps: 15,
    timeoutMs: 60_000,
    executor: 'default',
  },
  economy: {
    models: ['gpt-3.5-turbo'],
    temperature: 0.2,
    maxSteps: 8,
    timeoutMs: 30_000,
    executor: 'default',
  },
  local: {
    models: ['local/Mistral-7B-Instruct'],
    temperature: 0.2,
    maxSteps: 10,
    timeoutMs: 60_000,
    executor: 'docker',
  },
  secure: {
    models: ['gpt-4o'],
    temperature: 0.3,
    maxSteps: 5,
    timeoutMs: 30_000,
    executor: 'e2b',
  },
  throughput: {
    models: ['groq/llama-3.3-70b-versatile'],
    temperature: 0.1,
    maxSteps: 3,
    timeoutMs: 10_000,
    executor: 'default',
    toolCacheTtlMs: 3_600_000,
  },
}

/** Settings of a task if neither it nor its agent names a profile. */
export const defaultTask = {
  mode: 'code',
  temperature: 0.2,
  maxSteps: 10,
  timeoutMs: 60_000,
  executor: 'default',
  maxOutputTokens: 4_096,
  priority: 0,
} as const

/** Overrides that a configured agent allows. */
export const defaultOverrides = { maxSteps: 50, timeoutMs: 3_600_000 } as const

/** Overrides of the built-in agent, used if none is configured: its tasks choose for themselves. */
export const allOverrides = {
  mode: true,
  model: true,
  profile: true,
  strategy: true,
  ...longestTask,
  temperature: true,
  maxOutputTokens: 2_147_483_647,
  instructions: true,
} as const

/** US dollars per million tokens. Names match by prefix; without a matching row the price is guessed. */
export const defaultPrices: readonly Price[] = [
  { model: 'gpt-4o', input: 5, output: 15 },
  { model: 'gpt-3.5-turbo', input: 0.5, output: 1.5 },
  { model: 'claude-3-5-sonnet', input: 3, output: 15 },
  { model: 'groq/llama-3.3-70b', input: 0.099, output: 0.3 },
  { model: 'local/', input: 0, output: 0 },
  { model: 'ollama/', input: 0, output: 0 },
  { model: 'scripted/', input: 0, output: 0 },
]

/** Tokens, as providers publish them. Names match by prefix; a model that no row covers has no known size. */
export const defaultSizes: readonly ModelSize[] = [
  { model: 'gpt-4o', contextTokens: 128_000, maxOutputTokens: 16_384 },
  { model: 'gpt-4.1', contextTokens: 1_047_576, maxOutputTokens: 32_768 },
  { model: 'gpt-3.5-turbo', contextTokens: 16_385, maxOutputTokens: 4_096 },
  { model: 'claude-3-5-sonnet', contextTokens: 200_000, maxOutputTokens: 8_192 },
  { model: 'claude-sonnet-4', contextTokens: 200_000, maxOutputTokens: 64_000 },
  { model: 'groq/llama-3.3-70b', contextTokens: 131_072, maxOutputTokens: 32_768 },
]

/** A dunder name, `import `, `exec(` and `eval(`; regular expressions. */
export const defaultForbiddenPatterns: readonly string[] = [
  String.raw`__\w+__`,
  String.raw`\bimport\s`,
  String.raw`\bexec\s*\(`,
  String.raw`\beval\s*\(`,
]

/** More than a year, so that a month can be compared with the same one a year before. */
export const defaultMetering = { retentionDays: 400 } as const

export const defaultLimits = {
  input: {
    maxChars: 10_000,
    historyMessages: 200,
    historyChars: 200_000,
    recordingBytes: 8_000_000,
    schemaBytes: 32_768,
    forbiddenPatterns: defaultForbiddenPatterns,
  },
  concurrency: 256,
  queue: { inFlight: 32, waiting: 50_000, waitingPerUser: 20_000 },
  delegation: defaultDelegation,
  codeStepTimeoutMs: 30_000,
  codeMemoryMb: 512,
  budgets: {
    fleetTokens: 10_000_000,
    userTokens: 10_000_000,
    modelTokens: 10_000_000,
    users: {},
    models: {},
    estimateTokens: 5_000,
    warnAt: 0.8,
    resetHourUtc: 0,
  },
  rates: { userRequests: 100, userTokens: 1_000_000, windowMs: 60_000, providers: {}, models: {} },
} as const satisfies Fleet['limits']

/** The built-in agent, if none is configured; if one of this name is, the agent of tasks that name none. */
export const DEFAULT_AGENT = 'default'

/** The agent of tasks that name none; null if the fleet has several, and none of them is the default. */
export function defaultAgentOf({
  agents,
  defaultAgent,
}: Pick<Fleet, 'agents' | 'defaultAgent'>): string | null {
  const [only, ...others] = Object.keys(agents)
  if (defaultAgent !== undefined) return defaultAgent
  if (only === undefined || Object.hasOwn(agents, DEFAULT_AGENT)) return DEFAULT_AGENT
  return others.length === 0 ? only : null
}
