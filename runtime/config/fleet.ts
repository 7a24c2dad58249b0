// The types of flotilla.config.ts. Loading and checking: load.ts.
import type { Alerts, AlertsDefinition } from './alert-rules.ts'
import type { ApprovalDefinition, PeopleSpec, Reconciled } from './approvals.ts'
import type { ZodType } from 'zod'
import type { Json } from '../../schemas/json.ts'
import type { Strategy, Tiers } from '../models/strategies.ts'
import type { Compaction } from './long-tasks.ts'
import type { SandboxDefinition } from './executors.ts'
import type { GatewayDefinition } from './gateway.ts'
import type { McpExposure } from './mcp/exposure.ts'
import type { McpServerDefinition } from './mcp/servers.ts'
import type { PinnedMcpServer } from './mcp/tools.ts'
import type { QueueLimits } from './queue-limits.ts'
import type { DelegateDefinition, DelegationLimits } from './delegates.ts'
import type { MeteringDefinition, TelemetryDefinition } from './recording.ts'
import type { Sessions, SessionsDefinition, WhenBusy } from './sessions.ts'

export type JsonSchema = { [key: string]: Json }

/** A tool as the model, the planner and the sandbox know it: data only. */
export interface ToolSpec extends PeopleSpec {
  readonly name: string
  /** One line. */
  readonly description: string
  /** JSON Schema of the arguments: an object. Property order is that of positional arguments in Python. */
  readonly input: JsonSchema
  /** JSON Schema of the result, if known. */
  readonly output: JsonSchema | null
  readonly timeoutMs: number
  /** 0: never cached. */
  readonly cacheTtlMs: number
  /** False: never run twice. */
  readonly idempotent: boolean
  /** Some or all of its calls wait for a person: `approval` has the terms. */
  readonly requiresApproval: boolean
  /** Tries after the first, for retryable failures. */
  readonly retries: number
  /** Who shares a cached result: all users. Absent: the calls of one user. */
  readonly cacheScope?: 'shared'
  /** Data in its results that is not for everybody, or text that somebody else wrote. Absent: neither. */
  readonly reads?: readonly ('private' | 'untrusted')[]
  /** Its arguments may reach somebody outside. */
  readonly sends?: true
  readonly maxOutputBytes: number
  /** The agent that it is: a call becomes a task of that agent. Absent: a tool that runs. */
  readonly delegate?: { readonly agent: string; readonly handoff: boolean }
  /** MCP server that it is a tool of, and its name there; null: it reads the server's resources. Absent: a function. */
  readonly source?: { readonly server: string; readonly tool: string | null }
}

export interface ToolContext {
  readonly signal: AbortSignal
  readonly taskId: string
  /** On whose behalf, as the task's sender says; null if it names nobody. */
  readonly userId: string | null
  /** The agent whose task it is; null for calls that an older version asked for. */
  readonly agent: string | null
  /** The same on every retry after a crash. */
  readonly idempotencyKey: string
  readonly traceparent: string | null
}

/** The argument of defineTool. `input` and `output`: a zod object or a JSON Schema. */
export interface ToolDefinition<I = never, O = unknown> {
  name: string
  description: string
  input: ZodType<I> | JsonSchema
  output?: ZodType<O> | JsonSchema
  /** Default 30,000. */
  timeoutMs?: number
  /** Default 0 (not cached). */
  cacheTtlMs?: number
  /** `shared`: a cached result answers every user. Default `user`: only the one whose call produced it. */
  cacheScope?: 'user' | 'shared'
  /**
   * `private`: results hold data that is not for everybody. `untrusted`: results hold text that somebody else
   * wrote; the model sees it marked as data. Default: neither.
   */
  reads?: 'private' | 'untrusted' | readonly ('private' | 'untrusted')[]
  /** True: its arguments may reach somebody outside. Default false. */
  sends?: boolean
  /** Default false: safe, a crash never runs it twice. */
  idempotent?: boolean
  /** True: each call waits for a person's approval. An object: its rule and terms. Default false. */
  requiresApproval?: boolean | ApprovalDefinition<I>
  /**
   * Looks up by `idempotencyKey` whether a call of which nobody knows the outcome took effect. May be called
   * several times. Only for tools that are not idempotent.
   */
  reconcile?(input: I, context: ToolContext): Promise<Reconciled<O>> | Reconciled<O>
  /**
   * What becomes of a call in doubt if `reconcile` can't say, or is absent. `tell`: the model is told that it
   * is not known. `hold`: the call waits for a person to say. Default `tell`.
   */
  inDoubt?: 'tell' | 'hold'
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
  /** The rule of `spec.approval`. */
  readonly needsApproval?: (input: Json) => Promise<boolean>
  readonly reconcile?: (input: Json, context: ToolContext) => Promise<Reconciled>
}

/** Settings that a task may override. A task that overrides any other is rejected; nothing is ignored. */
export interface Overrides {
  /** `code` instead of `tools`, or the reverse. Default false. */
  mode?: boolean
  /** True: every configured model. A list: these, or all with the prefix before a `*`. Default false. */
  model?: boolean | string[]
  /**
   * Profiles, and so their model, limits and executor. Default: those with the default executor, if the agent
   * names neither profile nor strategy.
   */
  profile?: boolean | string[]
  /** Default false. */
  strategy?: boolean
  /** Most that a task may ask for. The agent's own value is always allowed. Default 50. */
  maxSteps?: number
  /** The same for its time limit, in milliseconds. Default an hour. */
  timeoutMs?: number
  /** US dollars. Set, it also limits tasks that ask for no maxCost. Default: no limit. */
  maxCost?: number
  /** True: another sampling temperature than the agent's. Default false. */
  temperature?: boolean
  /** Most tokens of one model answer that a task may ask for. Default: the agent's own value. */
  maxOutputTokens?: number
  /**
   * True: system and developer messages of a task's history are added to the system prompt. Default false: they
   * are the user's text.
   */
  instructions?: boolean
}

export interface AgentDefinition {
  /** Shown on the spans of its tasks (`gen_ai.agent.version`), to tell one rollout from the next. */
  version?: string
  mode?: 'code' | 'tools'
  description?: string
  /** Added to the system prompt. */
  instructions?: string
  /** Tool names; default: all tools. */
  tools?: string[]
  /** Agents that it may ask, each a tool to it (docs/delegation.md). */
  delegates?: (string | DelegateDefinition)[]
  profile?: string
  /** How the model is chosen for tasks that name none, if the agent has no profile. */
  strategy?: Strategy
  outputSchema?: JsonSchema
  compaction?: Compaction
  /** What happens to a task that comes while another one of its session runs. Default: that of `sessions`. */
  whenBusy?: WhenBusy
  /** What its Python defines is kept between the tasks of a session. Default: that of `sessions`. */
  keepVariables?: boolean
  /** Overrides the built-in system prompt; see services/planner/prompts. */
  systemPrompt?: string
  /** Overrides that its tasks may use; each field given here replaces the fleet's. */
  overrides?: Overrides
  /** True: clients of the OpenAI-compatible endpoint get its tool calls and code as reasoning text. Default false. */
  showActivity?: boolean
  /** How clients of the MCP server see it; false: not at all. Default: as a tool that takes a text. */
  mcp?: false | McpExposure
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
   * Calls of one process at once; the rest wait, users in turns. Default: 4 for a server on this machine or
   * in a private network, else no limit.
   */
  concurrency?: number
  /**
   * Longest silence of a call: before its answer begins, and between two parts of it. Default 120,000 ms;
   * 300,000 for a server on this machine or in a private network.
   */
  idleTimeoutMs?: number
  /** Longest call, however steady its answer. Default 1,800,000 ms; the task's own limit may be nearer. */
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

/** Tokens that may be used in a day, input and output together. Null: no limit. */
export interface BudgetLimits {
  fleetTokens: number | null
  /** Budget of each user. */
  userTokens: number | null
  /** Budget of each model. */
  modelTokens: number | null
  /** Instead of `userTokens`, by user. */
  users: Record<string, number | null>
  /** Instead of `modelTokens`, by model name or prefix. */
  models: Record<string, number | null>
  /** Estimate that a task reserves until its first model call. */
  estimateTokens: number
  /** Share of a budget at which it is reported, 0 to 1. */
  warnAt: number
  /** The day ends at this hour, UTC. */
  resetHourUtc: number
}

/** Limits in a sliding window. Null: no limit. */
export interface RateLimits {
  /** Tasks that one user may submit. */
  userRequests: number | null
  /** Tokens that one user's tasks may use. */
  userTokens: number | null
  /** Window of both. */
  windowMs: number
  /** Limits of providers for a key, by provider. Calls of the whole fleet wait to stay below them. */
  providers: Record<string, ProviderRates>
  /** The same for models, by model name or prefix. */
  models: Record<string, ProviderRates>
}

export interface ProviderRates {
  requestsPerMinute?: number
  tokensPerMinute?: number
}

/** flotilla.config.ts. Everything is optional; absent fields have the documented defaults. */
export interface FleetDefinition {
  agents?: Record<string, AgentDefinition>
  /** Agent of tasks that name none. Default: `default` if there is such an agent, else the only one. */
  defaultAgent?: string
  /** Overrides that tasks of every agent may use. */
  overrides?: Overrides
  tools?: Tool[]
  /** Their tools become tools of the fleet, as `flotilla mcp sync` has pinned them. */
  mcpServers?: Record<string, McpServerDefinition>
  compaction?: Compaction
  models?: {
    /** Used if neither task, agent nor profile names one. */
    default?: string
    /** Chooses by the task instead, if neither task nor agent names a model or a profile. */
    strategy?: Strategy
    /** The models that strategies choose from. */
    tiers?: Partial<Tiers>
    profiles?: Record<string, Profile>
    /** A known provider (openai, groq, local, ollama …) keeps its base URL and key if none is given here. */
    providers?: Record<string, ProviderSettings>
    prices?: Price[]
    sizes?: ModelSize[]
  }
  limits?: {
    input?: {
      maxChars?: number
      historyMessages?: number
      historyChars?: number
      recordingBytes?: number
      schemaBytes?: number
      forbiddenPatterns?: string[]
    }
    /** Outside calls at once in one process. Default 256. */
    concurrency?: number
    queue?: Partial<QueueLimits>
    delegation?: Partial<DelegationLimits>
    codeStepTimeoutMs?: number
    codeMemoryMb?: number
    budgets?: Partial<BudgetLimits>
    rates?: Partial<RateLimits>
  }
  sessions?: SessionsDefinition
  metering?: MeteringDefinition
  telemetry?: TelemetryDefinition
  alerts?: AlertsDefinition
  sandbox?: SandboxDefinition
  gateway?: GatewayDefinition
}

/** A FleetDefinition, checked and completed with defaults; services are built from it. */
export interface Fleet {
  /** If none is configured: `default`, with all tools, which allows every override. */
  readonly agents: Readonly<Record<string, AgentDefinition>>
  /** Absent: by the rule of FleetDefinition. */
  readonly defaultAgent?: string
  readonly overrides?: Overrides
  /** Absent: the defaults. */
  readonly compaction?: Compaction
  /** Those of MCP servers included. */
  readonly tools: readonly Tool[]
  /** Absent: none. */
  readonly mcpServers?: readonly PinnedMcpServer[]
  readonly models: {
    /** Null if neither configuration nor environment names one: tasks that need it are rejected. */
    readonly default: string | null
    /** Null: tasks that name nothing run on the default model. */
    readonly strategy: Strategy | null
    readonly tiers: Tiers
    readonly profiles: Readonly<Record<string, Profile>>
    readonly providers: Readonly<Record<string, ProviderDefinition>>
    readonly prices: readonly Price[]
    readonly sizes: readonly ModelSize[]
    /** Names, never values, of the providers' key variables that are set. Absent: all count as set. */
    readonly keysPresent?: readonly string[]
  }
  readonly limits: {
    readonly input: {
      readonly maxChars: number
      /** Messages of a task's history, and their characters in all. */
      readonly historyMessages: number
      readonly historyChars: number
      readonly recordingBytes: number
      readonly schemaBytes: number
      readonly forbiddenPatterns: readonly string[]
    }
    readonly concurrency: number
    readonly queue: Readonly<QueueLimits>
    readonly delegation: Readonly<DelegationLimits>
    readonly codeStepTimeoutMs: number
    readonly codeMemoryMb: number
    readonly budgets: Readonly<BudgetLimits>
    readonly rates: Readonly<RateLimits>
  }
  /** Absent: the defaults. */
  readonly sessions?: Sessions
  readonly telemetry?: Readonly<TelemetryDefinition>
  readonly metering: { readonly retentionDays: number }
  readonly alerts: Alerts
  /** Executors that are configured here. */
  readonly executors: readonly string[]
  /** Settings of those that need some. Absent: none. */
  readonly sandbox?: SandboxDefinition
  /** Absent: the HTTP API accepts no tokens. */
  readonly gateway?: GatewayDefinition
  /** Where it was read, and the paths of what the file gives. Absent: unknown. */
  readonly from?: { readonly file: string; readonly given: readonly string[] }
}
