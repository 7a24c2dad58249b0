// What users write in flotilla.config.ts, as types. Loading and checking: load.ts.
import type { ZodType } from 'zod'
import type { Json } from '../../schemas/json.ts'
import type { Strategy, Tiers } from '../models/strategies.ts'

export type JsonSchema = { [key: string]: Json }

/** What the model, the planner and the sandbox know of a tool: data only. */
export interface ToolSpec {
  readonly name: string
  /** One line. */
  readonly description: string
  /** JSON Schema of the arguments: an object. Property order is the order of positional arguments in Python. */
  readonly input: JsonSchema
  /** JSON Schema of the result, where known. */
  readonly output: JsonSchema | null
  readonly timeoutMs: number
  /** 0: never cached. */
  readonly cacheTtlMs: number
  /** False: never run twice. */
  readonly idempotent: boolean
  readonly requiresApproval: boolean
  /** Tries after the first, for retryable failures. */
  readonly retries: number
  /** Whose calls share a cached result: everybody's. Absent: those of one user. */
  readonly cacheScope?: 'shared'
  /** What its results hold: data that is not for everybody, text that somebody else wrote. Absent: neither. */
  readonly reads?: readonly ('private' | 'untrusted')[]
  /** Its arguments may reach somebody outside. */
  readonly sends?: true
  readonly maxOutputBytes: number
}

export interface ToolContext {
  readonly signal: AbortSignal
  readonly taskId: string
  /** On whose behalf, as the task's sender says; null where it names nobody. */
  readonly userId: string | null
  /** The agent whose task it is; null for calls that an older version asked for. */
  readonly agent: string | null
  /** The same on every retry after a crash. */
  readonly idempotencyKey: string
  readonly traceparent: string | null
}

/** What a user passes to defineTool. `input` and `output`: a zod object or a JSON Schema. */
export interface ToolDefinition<I = never, O = unknown> {
  name: string
  description: string
  input: ZodType<I> | JsonSchema
  output?: ZodType<O> | JsonSchema
  /** Default 30,000. */
  timeoutMs?: number
  /** Default 0 (not cached). */
  cacheTtlMs?: number
  /** `shared`: a cached result answers every user. Default `user`: only the one for whom it was made. */
  cacheScope?: 'user' | 'shared'
  /**
   * `private`: results hold data that is not for everybody. `untrusted`: results hold text that somebody else wrote; the
   * model sees it marked as data. Default: neither.
   */
  reads?: 'private' | 'untrusted' | readonly ('private' | 'untrusted')[]
  /** True: what the model passes to it may reach somebody outside. Default false. */
  sends?: boolean
  /** Default false: safe, a crash never runs it twice. */
  idempotent?: boolean
  requiresApproval?: boolean
  /** Default 2 when idempotent, else 0. */
  retries?: number
  /** Default 1,000,000. */
  maxOutputBytes?: number
  run(input: I, context: ToolContext): Promise<O> | O
}

/** A checked tool: its spec and how to run it. */
export interface Tool {
  readonly spec: ToolSpec
  readonly run: (input: Json, context: ToolContext) => Promise<unknown>
}

/** What a task may choose in place of its agent's configuration. What is not allowed is rejected, never ignored. */
export interface Overrides {
  /** `code` instead of `tools`, or the reverse. Default false. */
  mode?: boolean
  /** True: any configured model. A list: these, or all that begin as an entry does before its `*`. Default false. */
  model?: boolean | string[]
  /**
   * Profiles, and so their model, limits and executor. Default: those with the default executor, where the agent names neither
   * profile nor strategy.
   */
  profile?: boolean | string[]
  /** Default false. */
  strategy?: boolean
  /** The most a task may ask for. What the agent has without being asked is always allowed. Default 50. */
  maxSteps?: number
  /** The same in milliseconds. Default an hour. */
  timeoutMs?: number
  /** US dollars. Set, it also limits tasks that ask for no maxCost. Default: no limit. */
  maxCost?: number
}

export interface AgentDefinition {
  mode?: 'code' | 'tools'
  description?: string
  /** Added to the system prompt. */
  instructions?: string
  /** Tool names; default: all tools. */
  tools?: string[]
  profile?: string
  /** How the model is chosen for tasks that name none, where the agent has no profile. */
  strategy?: Strategy
  outputSchema?: JsonSchema
  /** Overrides the built-in system prompt; see services/planner/prompts. */
  systemPrompt?: string
  /** What its tasks may choose, field by field before the fleet's. */
  overrides?: Overrides
}

export interface Profile {
  /** `provider/model`, or a bare OpenAI model name. The first is used, the rest are fallbacks. */
  models: string[]
  temperature: number
  maxSteps: number
  timeoutMs: number
  executor: string
  /** Overrides the cache lifetime of idempotent tools and of those that declare one. Milliseconds. */
  toolCacheTtlMs?: number
  maxOutputTokens?: number
}

export interface ProviderDefinition {
  baseUrl: string
  /** Environment variable that holds the key; absent: no key needed. */
  keyEnv?: string
  /**
   * Calls of one process at once; the rest wait, users in turns. Default: 4 for a server on this machine or in a private
   * network, else no limit.
   */
  concurrency?: number
  /**
   * Longest silence of a call: before its answer begins, and between two parts of it. Default 120,000 ms; 300,000 for a server
   * on this machine or in a private network.
   */
  idleTimeoutMs?: number
  /** Longest call, however steadily its answer comes. Default 1,800,000 ms; the task's own limit may be nearer. */
  timeoutMs?: number
}

/** A provider that the environment names needs no base URL. */
export type ProviderSettings = Partial<ProviderDefinition>

export interface Price {
  /** Model name or prefix. */
  model: string
  /** US dollars per million tokens. */
  input: number
  output: number
}

export interface ModelSize {
  /** Model name or prefix. */
  model: string
  /** Prompt and answer together. */
  contextTokens?: number
  /** Longest answer. */
  maxOutputTokens?: number
}

export interface MeteringDefinition {
  /** The ledgers keep this many days. */
  retentionDays?: number
}

/** Tokens that may be used in a day, input and output together. Null: no limit. */
export interface BudgetLimits {
  fleetTokens: number | null
  /** Of each user that a task names. */
  userTokens: number | null
  /** Of each model. */
  modelTokens: number | null
  /** Instead of `userTokens`, by user. */
  users: Record<string, number | null>
  /** Instead of `modelTokens`, by model name or prefix. */
  models: Record<string, number | null>
  /** What a task is taken to need until its first model call is made. */
  estimateTokens: number
  /** Share of a budget at which it is reported, 0 to 1. */
  warnAt: number
  /** The day ends at this hour, UTC. */
  resetHourUtc: number
}

/** What may happen in a sliding window. Null: no limit. */
export interface RateLimits {
  /** Tasks that one user may submit. */
  userRequests: number | null
  /** Tokens that one user's tasks may use. */
  userTokens: number | null
  /** Window of both. */
  windowMs: number
  /** What providers allow a key, by provider. Calls of the whole fleet wait so as to stay below it. */
  providers: Record<string, ProviderRates>
  /** The same of each model, by model name or prefix. */
  models: Record<string, ProviderRates>
}

export interface ProviderRates {
  requestsPerMinute?: number
  tokensPerMinute?: number
}

/** Tasks that the router lets work and wait. Each figure is for one lane, of as many as the log has partitions. */
export interface QueueLimits {
  /** At work at once; the rest wait, by priority and then by user in turn. */
  inFlight: number
  /** Waiting; a task beyond it is rejected with QUEUE_FULL. */
  waiting: number
  /** Waiting, of one user and priority. */
  waitingPerUser: number
}

export interface AlertRule {
  /**
   * What is compared: share of failed tasks (0 to 1), p95 of executionTime, tokens used, errors that match `pattern`, daily
   * token budgets that have reached `limits.budgets.warnAt`.
   */
  measure: 'error_rate' | 'latency_p95_ms' | 'tokens' | 'errors_matching' | 'budgets_near_limit'
  /** Fires above it. */
  threshold: number
  /** Of budgets: their day. */
  windowMs: number
  /** Fewer tasks in the window never fire. */
  minTasks: number
  /** Of errors, as `CODE: message`; null: none. Of budgets, as `the fleet`, `user "ann"`, `model gpt-4o`; null: all. Case does not matter. */
  pattern: string | null
  severity: 'critical' | 'warning'
  /** Names of channels. */
  channels: string[]
  /** An alert that lasts is raised again after this time. */
  renotifyMs: number
  /** Where people read what to do; shown in every notification. */
  runbook: string | null
}

/** Secrets are named by the environment variable that holds them. */
export type ChannelDefinition =
  | { type: 'pagerduty'; routingKeyEnv: string; url: string }
  | { type: 'slack'; urlEnv: string }
  | { type: 'email'; urlEnv: string; from: string; to: string[]; caFile?: string }
  | { type: 'webhook'; url: string; secretEnv: string }

/** Channels are not told of the rule meanwhile. */
export interface SilenceDefinition {
  rule: string
  /** ISO 8601. Absent: from ever. */
  from?: string
  until: string
  reason?: string
}

type ChannelSettings = {
  [T in ChannelDefinition['type']]: { type: T } & Partial<Extract<ChannelDefinition, { type: T }>>
}[ChannelDefinition['type']]

export interface AlertsDefinition {
  /** A standard rule by name is changed by the fields that are given, left out by false; any other name is a rule of its own. */
  rules?: Record<string, Partial<AlertRule> | false>
  channels?: Record<string, ChannelSettings>
  silences?: SilenceDefinition[]
  /** How long the first alert waits for company, before its channel is told of all at once. */
  groupWaitMs?: number
  /** A channel is not told more often than this. */
  groupIntervalMs?: number
  /** Tries of one notification, the waits between them doubling from `retryMs` to five minutes. */
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

/** Code executors besides wasm: configured by being named, if only by `{}`. `packages` may be imported by steps. */
export interface SandboxDefinition {
  /** CPython of this machine. Default: python3. */
  native?: { python?: string; packages?: string[] }
  /** Of deploy/sandbox.Dockerfile. Default: flotilla-sandbox. */
  docker?: { image?: string; packages?: string[] }
  /** Default: E2B's base template. */
  e2b?: { template?: string; packages?: string[] }
  /** A server that speaks the protocol of docs/sandbox-http.md. Its token: FLOTILLA_SANDBOX_TOKEN. */
  http?: { url?: string }
}

/** flotilla.config.ts. Everything is optional: what is absent has the documented default. */
export interface FleetDefinition {
  agents?: Record<string, AgentDefinition>
  /** Of tasks that name none. Default: `default` if there is such an agent, else the only one. */
  defaultAgent?: string
  /** What tasks may choose, of any agent. */
  overrides?: Overrides
  tools?: Tool[]
  models?: {
    /** Used where neither task, agent nor profile names one. */
    default?: string
    /** Chooses by the task instead, where neither task nor agent names a model or a profile. */
    strategy?: Strategy
    /** The models that strategies choose from. */
    tiers?: Partial<Tiers>
    profiles?: Record<string, Profile>
    /** A known provider (openai, groq, local, ollama …) keeps its base URL and key where none is given here. */
    providers?: Record<string, ProviderSettings>
    prices?: Price[]
    sizes?: ModelSize[]
  }
  limits?: {
    input?: { maxChars?: number; schemaBytes?: number; forbiddenPatterns?: string[] }
    /** Outside calls at once in one process. Default 256. */
    concurrency?: number
    queue?: Partial<QueueLimits>
    codeStepTimeoutMs?: number
    codeMemoryMb?: number
    budgets?: Partial<BudgetLimits>
    rates?: Partial<RateLimits>
  }
  metering?: MeteringDefinition
  alerts?: AlertsDefinition
  sandbox?: SandboxDefinition
}

/** A FleetDefinition checked and completed with defaults: what services are built from. */
export interface Fleet {
  /** Where none is configured: `default`, with all tools, which allows every override. */
  readonly agents: Readonly<Record<string, AgentDefinition>>
  /** Absent: by the rule of FleetDefinition. */
  readonly defaultAgent?: string
  readonly overrides?: Overrides
  readonly tools: readonly Tool[]
  readonly models: {
    /** Null when no key and no server was found: the scripted model answers how to connect one. */
    readonly default: string | null
    /** Null: tasks that name nothing run on the default model. */
    readonly strategy: Strategy | null
    readonly tiers: Tiers
    readonly profiles: Readonly<Record<string, Profile>>
    readonly providers: Readonly<Record<string, ProviderDefinition>>
    readonly prices: readonly Price[]
    readonly sizes: readonly ModelSize[]
    /** Names, never values, of the providers' key variables that are set. Absent: taken as set. */
    readonly keysPresent?: readonly string[]
  }
  readonly limits: {
    readonly input: {
      readonly maxChars: number
      /** Largest output schema that a task may bring, as JSON. */
      readonly schemaBytes: number
      readonly forbiddenPatterns: readonly string[]
    }
    readonly concurrency: number
    readonly queue: Readonly<QueueLimits>
    readonly codeStepTimeoutMs: number
    readonly codeMemoryMb: number
    readonly budgets: Readonly<BudgetLimits>
    readonly rates: Readonly<RateLimits>
  }
  readonly metering: { readonly retentionDays: number }
  readonly alerts: Alerts
  /** Executors that can run here. */
  readonly executors: readonly string[]
  /** Settings of those that need some. Absent: none. */
  readonly sandbox?: SandboxDefinition
}
