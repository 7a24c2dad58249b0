// What a fleet is configured with: agents, tools, models, settings. As the process that answers has it: on
// Kafka each process reads its own configuration.
import { defaultAgentOf } from '../../runtime/config/defaults.ts'
import { settingsOf, type Setting } from '../../runtime/config/effective.ts'
import { toolNamesOf, toolSpecs } from '../../runtime/config/delegates.ts'
import type { Environment } from '../../runtime/config/environment.ts'
import type { AgentDefinition, Fleet, ToolSpec } from '../../runtime/config/fleet.ts'
import { isPrivate } from '../../runtime/models/call-limits.ts'
import { missingSetting } from '../../runtime/models/discovery.ts'
import { parseModel, SCRIPTED_MODEL } from '../../runtime/models/names.ts'
import { priceOf } from '../../runtime/models/prices.ts'
import { sizeOf } from '../../runtime/models/sizes.ts'

export interface AgentView {
  name: string
  /** True: runs tasks that name no agent. */
  isDefault: boolean
  description: string | null
  mode: 'code' | 'tools'
  profile: string | null
  strategy: string | null
  /** The first choice for its tasks; null if a strategy chooses by the task. */
  model: string | null
  tools: string[]
}

export interface ToolView {
  name: string
  description: string
  /** MCP server that it is a tool of; null: the configuration's own. */
  server: string | null
  /** Agents that may call it. */
  agents: string[]
  idempotent: boolean
  requiresApproval: boolean
  timeoutMs: number
  retries: number
  /** 0: results are not cached. */
  cacheTtlMs: number
}

export interface ModelView {
  model: string
  provider: string
  baseUrl: string | null
  /** What uses it: `default`, `profile fast`, `tier strong`. */
  usedBy: string[]
  /** US dollars per million tokens. */
  price: { input: number; output: number; isGuess: boolean } | null
  contextTokens: number | null
  /** What to set before it can be called; null: nothing. */
  missing: string | null
  /** Name of the variable with its key; null: it needs none. Never the key. */
  keyEnv: string | null
  /** A server of one's own: the models that it says it has, or why it does not answer. */
  served: string[] | null
  problem: string | null
}

export interface ConfigurationOperator {
  agents(): Promise<AgentView[]>
  tools(): Promise<ToolView[]>
  /** Asks servers in private networks which models they have. */
  models(): Promise<ModelView[]>
  /** Effective settings, each with its source; secrets are masked. */
  config(): Promise<Setting[]>
}

export function directConfiguration(fleet: Fleet, environment: Environment): ConfigurationOperator {
  return {
    agents: async () => Object.entries(fleet.agents).map(([name, agent]) => agentView(name, agent, fleet)),
    tools: async () => toolSpecs(fleet).map((spec) => toolView(spec, fleet)),
    models: () => modelViews(fleet, environment),
    config: async () => settingsOf(environment, fleet),
  }
}

function agentView(name: string, agent: AgentDefinition, fleet: Fleet): AgentView {
  const profile = agent.profile === undefined ? undefined : fleet.models.profiles[agent.profile]
  const strategy = profile ? null : (agent.strategy ?? fleet.models.strategy)
  const model = profile?.models[0] ?? fleet.models.default
  return {
    name,
    isDefault: name === defaultAgentOf(fleet),
    description: agent.description ?? null,
    mode: agent.mode ?? 'code',
    profile: agent.profile ?? null,
    strategy,
    model: strategy === null ? model : null,
    tools: toolNamesOf(fleet, name),
  }
}

function toolView(spec: ToolSpec, fleet: Fleet): ToolView {
  const { name, description, idempotent, requiresApproval, timeoutMs, retries, cacheTtlMs } = spec
  const agents = Object.keys(fleet.agents).filter((agent) => toolNamesOf(fleet, agent).includes(name))
  return {
    name,
    description,
    server: spec.source?.server ?? null,
    agents,
    idempotent,
    requiresApproval,
    timeoutMs,
    retries,
    cacheTtlMs,
  }
}

/** Models that are configured, and those of servers that are there beside them. */
async function modelViews(fleet: Fleet, environment: Environment): Promise<ModelView[]> {
  const { providers } = fleet.models
  const uses = usesOf(fleet)
  const own = Object.entries(providers).filter(([name, { baseUrl }]) => isAsked(name, baseUrl))
  const answers = new Map(
    await Promise.all(
      own.map(async ([name, { baseUrl, keyEnv }]) => {
        const key = keyEnv === undefined ? undefined : environment.raw[keyEnv]?.trim()
        return [name, await servedBy(baseUrl, key)] as const
      }),
    ),
  )
  for (const [name] of own)
    if (![...uses.keys()].some((model) => parseModel(model).provider === name))
      uses.set(`${name}/default`, [])
  return [...uses].map(([model, usedBy]) => {
    const { provider } = parseModel(model)
    return modelView(model, usedBy, fleet, environment, answers.get(provider))
  })
}

const isAsked = (name: string, baseUrl: string): boolean => name !== 'scripted' && isPrivate(baseUrl)

function usesOf({ models }: Fleet): Map<string, string[]> {
  const uses = new Map<string, string[]>()
  const add = (model: string, use: string) => uses.set(model, [...(uses.get(model) ?? []), use])
  if (models.default !== null) add(models.default, 'default')
  for (const [name, profile] of Object.entries(models.profiles))
    for (const model of profile.models) add(model, `profile ${name}`)
  for (const [tier, model] of Object.entries(models.tiers)) add(model, `tier ${tier}`)
  return uses
}

function modelView(
  model: string,
  usedBy: string[],
  { models }: Fleet,
  { raw }: Environment,
  answer: Served | undefined,
): ModelView {
  const { provider } = parseModel(model)
  const found = Object.hasOwn(models.providers, provider) ? models.providers[provider] : undefined
  const price = priceOf(model, models.prices)
  const { inputPerMillion: input, outputPerMillion: output, isGuess } = price
  return {
    model,
    provider,
    baseUrl: found?.baseUrl ?? null,
    usedBy,
    price: model === SCRIPTED_MODEL ? null : { input, output, isGuess },
    contextTokens: sizeOf(model, models.sizes).contextTokens,
    missing: missingSetting(model, models.providers, raw),
    keyEnv: found?.keyEnv ?? null,
    served: answer?.models ?? null,
    problem: answer?.problem ?? null,
  }
}

interface Served {
  readonly models: string[] | null
  readonly problem: string | null
}

const ASK_MS = 2_000
const MAX_SERVED = 100

/** By the one route that every server with OpenAI's API has. */
async function servedBy(baseUrl: string, key: string | undefined): Promise<Served> {
  const url = `${baseUrl.replace(/\/+$/, '')}/models`
  try {
    const response = await fetch(url, {
      headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(ASK_MS),
      redirect: 'error',
    })
    if (!response.ok) return { models: null, problem: `${url} answered ${response.status}` }
    const { data } = (await response.json()) as { data?: unknown }
    const listed: unknown[] = Array.isArray(data) ? data.slice(0, MAX_SERVED) : []
    return { models: listed.flatMap(idOf), problem: null }
  } catch (error) {
    const why =
      error instanceof Error && error.name === 'TimeoutError' ? `no answer in ${ASK_MS} ms` : 'no answer'
    return { models: null, problem: `${url}: ${why}` }
  }
}

function idOf(model: unknown): string[] {
  const id: unknown = typeof model === 'object' && model !== null ? Reflect.get(model, 'id') : undefined
  return typeof id === 'string' ? [id] : []
}
