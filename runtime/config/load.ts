// Finds flotilla.config.ts, checks all of it, and completes it with defaults. Every mistake is reported at
// once, with its path and remedy, before anything starts.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { FlotillaError } from '../errors.ts'
import { discoverModels, isServed } from '../models/discovery.ts'
import { parseModel, SCRIPTED_MODEL } from '../models/names.ts'
import { defaultTiers, strategies } from '../models/strategies.ts'
import { alertMistakes, alertsSchema, completeAlerts } from './alerts.ts'
import {
  allOverrides,
  defaultLimits,
  defaultMetering,
  defaultPrices,
  defaultProfiles,
  defaultSizes,
} from './defaults.ts'
import { fieldsOf } from './effective.ts'
import type { Environment } from './environment.ts'
import type { Fleet, FleetDefinition, JsonSchema, Overrides, ProviderSettings, Tool } from './fleet.ts'
import { compileJsonSchema } from './json-schema.ts'
import {
  completeSandbox,
  executorMistakes,
  executorNames,
  knownExecutors,
  sandboxSchema,
} from './executors.ts'
import { resolveOwnName } from './package-name.ts'
import { fleetSecrets } from './secrets.ts'
import { keepSecrets } from '../redaction.ts'

/** Used if a project has no file. */
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const packagedConfig = new URL(`../../flotilla.config.${extension}`, import.meta.url)
const fileNames = ['flotilla.config.ts', 'flotilla.config.mts', 'flotilla.config.js', 'flotilla.config.mjs']

/** Longest delay of a Node timer. */
const MAX_TIMER_MS = 2_147_483_647

const name = z.string().min(1)
const whole = (least: number) => z.number().int().min(least)
/** Null: no limit. */
const most = whole(1).nullable()
const minuteRates = z.strictObject({
  requestsPerMinute: whole(1).optional(),
  tokensPerMinute: whole(1).optional(),
})
const jsonSchema = z.record(z.string(), z.json())
const tool = z.custom<Tool>(
  (value) => typeof value === 'object' && value !== null && 'spec' in value && 'run' in value,
  'must be made by defineTool({ name, description, input, run })',
)
const pattern = z.string().refine(isRegExp, 'must be a regular expression')

const choice = z
  .union([z.boolean(), z.array(name)], { error: 'must be true, false or a list of names' })
  .optional()
const overrides = z
  .strictObject({
    mode: z.boolean().optional(),
    model: choice,
    profile: choice,
    strategy: z.boolean().optional(),
    maxSteps: whole(1).max(100).optional(),
    timeoutMs: whole(1).max(86_400_000).optional(),
    maxCost: z.number().gt(0).optional(),
  })
  .optional()

const definition = z.strictObject({
  defaultAgent: name.optional(),
  overrides,
  agents: z
    .record(
      name,
      z.strictObject({
        mode: z.enum(['code', 'tools']).optional(),
        description: z.string().optional(),
        instructions: z.string().optional(),
        tools: z.array(name).optional(),
        profile: name.optional(),
        strategy: z.enum(strategies).optional(),
        outputSchema: jsonSchema.optional(),
        systemPrompt: z.string().min(1).optional(),
        overrides,
      }),
    )
    .optional(),
  tools: z.array(tool).optional(),
  models: z
    .strictObject({
      default: name.optional(),
      strategy: z.enum(strategies).optional(),
      tiers: z
        .strictObject({ economical: name.optional(), standard: name.optional(), strong: name.optional() })
        .optional(),
      profiles: z
        .record(
          name,
          z.strictObject({
            models: z.array(name).min(1),
            temperature: z.number().min(0).max(2),
            maxSteps: whole(1),
            timeoutMs: whole(1),
            executor: z.enum(knownExecutors),
            toolCacheTtlMs: whole(0).optional(),
            maxOutputTokens: whole(1).optional(),
          }),
        )
        .optional(),
      providers: z
        .record(
          name,
          z.strictObject({
            baseUrl: z.url().optional(),
            keyEnv: name.optional(),
            concurrency: whole(1).optional(),
            idleTimeoutMs: whole(1).max(MAX_TIMER_MS).optional(),
            timeoutMs: whole(1).max(MAX_TIMER_MS).optional(),
          }),
        )
        .optional(),
      prices: z
        .array(z.strictObject({ model: name, input: z.number().min(0), output: z.number().min(0) }))
        .optional(),
      sizes: z
        .array(
          z.strictObject({
            model: name,
            contextTokens: whole(1).optional(),
            maxOutputTokens: whole(1).optional(),
          }),
        )
        .optional(),
    })
    .optional(),
  limits: z
    .strictObject({
      input: z
        .strictObject({
          maxChars: whole(1).optional(),
          schemaBytes: whole(2).optional(),
          forbiddenPatterns: z.array(pattern).optional(),
        })
        .optional(),
      concurrency: whole(1).optional(),
      queue: z
        .strictObject({
          inFlight: whole(1).optional(),
          waiting: whole(1).optional(),
          waitingPerUser: whole(1).optional(),
        })
        .optional(),
      codeStepTimeoutMs: whole(1).optional(),
      codeMemoryMb: whole(64).optional(),
      budgets: z
        .strictObject({
          fleetTokens: most.optional(),
          userTokens: most.optional(),
          modelTokens: most.optional(),
          users: z.record(name, most).optional(),
          models: z.record(name, most).optional(),
          estimateTokens: whole(1).optional(),
          warnAt: z.number().gt(0).max(1).optional(),
          resetHourUtc: whole(0).max(23).optional(),
        })
        .optional(),
      rates: z
        .strictObject({
          userRequests: most.optional(),
          userTokens: most.optional(),
          windowMs: whole(1).optional(),
          providers: z.record(name, minuteRates).optional(),
          models: z.record(name, minuteRates).optional(),
        })
        .optional(),
    })
    .optional(),
  metering: z.strictObject({ retentionDays: z.number().int().min(1).max(3_650).optional() }).optional(),
  alerts: alertsSchema.optional(),
  sandbox: sandboxSchema.optional(),
})

function isRegExp(source: string): boolean {
  try {
    new RegExp(source)
    return true
  } catch {
    return false
  }
}

/** Reads and completes the working directory's configuration. Throws CONFIG_INVALID with every mistake. */
export async function loadFleet(environment: Environment, directory: string = process.cwd()): Promise<Fleet> {
  const file = findFile(environment, directory)
  return completeFleet(await importDefinition(file), environment, file)
}

function findFile(environment: Environment, directory: string): string {
  const named = environment.raw['FLOTILLA_CONFIG']?.trim()
  if (named) {
    const path = resolve(directory, named)
    if (!existsSync(path))
      throw new FlotillaError('CONFIG_INVALID', `FLOTILLA_CONFIG names ${path}, which does not exist`)
    return pathToFileURL(path).href
  }
  const found = fileNames.map((file) => join(directory, file)).find((path) => existsSync(path))
  return found ? pathToFileURL(found).href : packagedConfig.href
}

async function importDefinition(file: string): Promise<unknown> {
  resolveOwnName()
  try {
    const module = (await import(file)) as { default?: unknown }
    if (module.default === undefined)
      throw new Error('it has no default export; write: export default defineFleet({ … })')
    return module.default
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new FlotillaError('CONFIG_INVALID', `${file}: ${reason}`, { cause: error })
  }
}

/** Checks a definition and fills in what it leaves out. `source` names it in messages. */
export function completeFleet(value: unknown, environment: Environment, source: string): Fleet {
  const parsed = definition.safeParse(value)
  const issues = parsed.error?.issues ?? []
  const mistakes = issues.flatMap(mistakesOf)
  // Invalid parts are left out, so that the rest can be cross-checked.
  const sound = issues.reduce((rest, { path }) => without(rest, path), value)
  const fleet = withDefaults((isObject(sound) ? sound : {}) as FleetDefinition, environment)
  mistakes.push(...references(fleet), ...executorMistakes(fleet.sandbox ?? {}, environment.raw))
  if (mistakes.length === 0) {
    keepSecrets(fleetSecrets(fleet, environment.raw))
    return { ...fleet, from: { file: source, given: fieldsOf(value).map(([path]) => path) } }
  }
  const listed = mistakes.map((mistake) => `  ${mistake}`).join('\n')
  throw new FlotillaError(
    'CONFIG_INVALID',
    `${source} has ${mistakes.length} ${mistakes.length === 1 ? 'mistake' : 'mistakes'}:\n${listed}`,
  )
}

function mistakesOf(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map(String)
  if (issue.code !== 'unrecognized_keys') return [`${path.join('.') || '(top level)'}: ${issue.message}`]
  return issue.keys.map(
    (key) => `${[...path, key].join('.')}: there is no such setting; remove it, or see docs/configuration.md`,
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A copy without the value at this path; list items keep their indices, as their author sees them. */
function without(value: unknown, [key, ...rest]: readonly PropertyKey[]): unknown {
  if (key === undefined) return isObject(value) ? value : undefined
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (index === key ? without(item, rest) : item))
  if (!isObject(value)) return value
  const { [String(key)]: inner, ...others } = value
  const kept = rest.length === 0 ? undefined : without(inner, rest)
  return kept === undefined ? others : { ...others, [String(key)]: kept }
}

function withDefaults(given: FleetDefinition, environment: Environment): Fleet {
  const discovered = discoverModels(environment.raw)
  const sandbox = completeSandbox(isObject(given.sandbox) ? given.sandbox : {}, environment.raw)
  const { models = {}, limits = {} } = given
  const providers = withAddresses(models.providers ?? {}, discovered.providers)
  return {
    agents:
      isObject(given.agents) && Object.keys(given.agents).length > 0 ? given.agents : builtInAgent(given),
    ...(typeof given.defaultAgent === 'string' && { defaultAgent: given.defaultAgent }),
    ...(isObject(given.overrides) && { overrides: given.overrides }),
    tools: Array.isArray(given.tools) ? given.tools : [],
    models: {
      default: models.default ?? discovered.default ?? SCRIPTED_MODEL,
      strategy: models.strategy ?? null,
      tiers: { ...defaultTiers, ...models.tiers },
      profiles: { ...defaultProfiles, ...models.profiles },
      providers,
      keysPresent: keysPresent(providers, environment),
      prices: [...(Array.isArray(models.prices) ? models.prices : []), ...defaultPrices],
      sizes: [...(Array.isArray(models.sizes) ? models.sizes : []), ...defaultSizes],
    },
    limits: {
      input: { ...defaultLimits.input, ...limits.input },
      concurrency: limits.concurrency ?? defaultLimits.concurrency,
      queue: { ...defaultLimits.queue, ...limits.queue },
      codeStepTimeoutMs: limits.codeStepTimeoutMs ?? defaultLimits.codeStepTimeoutMs,
      codeMemoryMb: limits.codeMemoryMb ?? defaultLimits.codeMemoryMb,
      budgets: { ...defaultLimits.budgets, ...limits.budgets },
      rates: { ...defaultLimits.rates, ...limits.rates },
    },
    metering: { ...defaultMetering, ...given.metering },
    alerts: completeAlerts(isObject(given.alerts) ? given.alerts : {}),
    executors: executorNames(sandbox),
    sandbox,
  }
}

/** Agent used if none is configured: all tools, and every override that the fleet does not forbid. */
function builtInAgent({ overrides: given }: FleetDefinition): Fleet['agents'] {
  return { default: { overrides: { ...allOverrides, ...(isObject(given) ? given : {}) } } }
}

/**
 * A provider with a base URL takes nothing from the environment's provider of the same name: a key must not
 * go to another server. One without a base URL takes URL and key from there; if the environment names no such
 * server, it stays unused.
 */
function withAddresses(
  given: Readonly<Record<string, ProviderSettings>>,
  known: Fleet['models']['providers'],
): Fleet['models']['providers'] {
  const own = Object.entries(isObject(given) ? given : {}).flatMap(([provider, settings]) => {
    const found = Object.hasOwn(known, provider) ? known[provider] : undefined
    if (found === undefined && settings?.baseUrl === undefined && isServed(provider)) return []
    const whole = settings?.baseUrl === undefined ? { ...found, ...settings } : settings
    return [[provider, { baseUrl: '', ...whole }] as const]
  })
  return { ...known, ...Object.fromEntries(own) }
}

/** Names of the key variables that are set; never their values. */
function keysPresent(providers: Fleet['models']['providers'], { raw }: Environment): string[] {
  const names = Object.values(providers ?? {}).flatMap((provider) => provider?.keyEnv ?? [])
  return names.filter((variable) => raw[variable]?.trim())
}

/** Mistakes that a schema can't find: names that must exist, schemas that must compile. */
function references(fleet: Fleet): string[] {
  const mistakes: string[] = []
  const names = fleet.tools.map((item) => item?.spec?.name)
  for (const [index, toolName] of names.entries())
    if (toolName !== undefined && names.indexOf(toolName) !== index)
      mistakes.push(`tools.${index}: a second tool named ${toolName}; rename one of them`)
  for (const [provider, { baseUrl }] of Object.entries(fleet.models.providers))
    if (baseUrl === '')
      mistakes.push(
        `models.providers.${provider}.baseUrl: missing, and the environment names no such provider; give the URL of its API`,
      )
  const { rates } = fleet.limits
  const limited: [string, string][] = Object.keys(rates.providers).map((name) => [`providers.${name}`, name])
  for (const name of Object.keys(rates.models))
    if (name.includes('/')) limited.push([`models.${name}`, parseModel(name).provider])
  for (const [setting, provider] of limited)
    if (!Object.hasOwn(fleet.models.providers, provider))
      mistakes.push(
        `limits.rates.${setting}: no provider named ${provider}; there are: ${Object.keys(fleet.models.providers).join(', ')}`,
      )
  const named = Object.keys(fleet.agents)
  if (fleet.defaultAgent !== undefined && !named.includes(fleet.defaultAgent))
    mistakes.push(
      `defaultAgent: no agent named ${fleet.defaultAgent}; there are: ${named.join(', ') || 'none'}`,
    )
  mistakes.push(...unknownProfiles('overrides', fleet.overrides, fleet))
  // The checker skips a key named __proto__, so its value may be anything.
  const agents = Object.entries(fleet.agents).filter(([, agent]) => isObject(agent))
  for (const [agent, { tools, profile, outputSchema, overrides: own }] of agents) {
    mistakes.push(...unknownProfiles(`agents.${agent}.overrides`, own, fleet))
    for (const wanted of Array.isArray(tools) ? tools : [])
      if (!names.includes(wanted))
        mistakes.push(
          `agents.${agent}.tools: no tool named ${wanted}; there are: ${names.join(', ') || 'none'}`,
        )
    if (profile !== undefined && !Object.hasOwn(fleet.models.profiles, profile))
      mistakes.push(
        `agents.${agent}.profile: no profile named ${profile}; there are: ${Object.keys(fleet.models.profiles).join(', ')}`,
      )
    const problem = outputSchema === undefined ? null : schemaProblem(outputSchema)
    if (problem) mistakes.push(`agents.${agent}.outputSchema: ${problem}`)
  }
  return [...mistakes, ...alertMistakes(fleet.alerts)]
}

function unknownProfiles(path: string, given: Overrides | undefined, { models }: Fleet): string[] {
  const listed = isObject(given) && Array.isArray(given.profile) ? given.profile : []
  return listed
    .filter((profile) => !Object.hasOwn(models.profiles, profile))
    .map(
      (profile) =>
        `${path}.profile: no profile named ${profile}; there are: ${Object.keys(models.profiles).join(', ')}`,
    )
}

function schemaProblem(schema: JsonSchema): string | null {
  try {
    compileJsonSchema(schema)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
