// Finds flotilla.config.ts, checks all of it, and completes it with defaults. Every mistake is reported at
// once, with its path and remedy, before anything starts.
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { identityMistakes } from '../../schemas/identity.ts'
import { FlotillaError } from '../errors.ts'
import { discoverModels, isServed, keysElsewhere } from '../models/discovery.ts'
import { fullName } from '../models/names.ts'
import { defaultTiers, strategies } from '../models/strategies.ts'
import { plural } from '../text/quantities.ts'
import { alertsSchema, completeAlerts } from './alerts.ts'
import {
  allOverrides,
  defaultLimits,
  defaultMetering,
  defaultPrices,
  defaultProfiles,
  defaultSizes,
} from './defaults.ts'
import { delegatesSchema, delegationSchema } from './delegates.ts'
import { longestTask } from './long-tasks.ts'
import { collectToolMistakes, toolMistake } from './define.ts'
import { fieldsOf } from './effective.ts'
import type { Environment } from './environment.ts'
import type { Fleet, FleetDefinition, ProviderSettings, Tool } from './fleet.ts'
import {
  completeSandbox,
  executorMistakes,
  executorNames,
  knownExecutors,
  sandboxSchema,
} from './executors.ts'
import { mcpExposureSchema } from './mcp/exposure.ts'
import { meteringSchema, telemetrySchema } from './recording.ts'
import { gatewaySchema } from './gateway.ts'
import { defaultSessions, whenBusyChoices } from './sessions.ts'
import { sessionsSchema } from './sessions-schema.ts'
import { findDefinition, importDefinition } from './project/definition-file.ts'
import { importMistake } from './project/import-mistake.ts'
import { mistakesOf } from './issues.ts'
import { mistakeList } from './mistake-list.ts'
import { completeMcpServers, mcpServersSchema, type McpServerDefinition } from './mcp/servers.ts'
import { toolsOfServers } from './mcp/load.ts'
import { isObject, references } from './references.ts'
import { fleetSecrets } from './environment/secrets.ts'
import { placesOf, shownPath, thrownPlace } from './project/source-place.ts'
import { keepSecrets } from '../text/redaction.ts'

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
    maxSteps: whole(1).max(longestTask.maxSteps).optional(),
    timeoutMs: whole(1).max(longestTask.timeoutMs).optional(),
    maxCost: z.number().gt(0).optional(),
    temperature: z.boolean().optional(),
    maxOutputTokens: whole(1).optional(),
    instructions: z.boolean().optional(),
  })
  .optional()

const compaction = z
  .strictObject({
    strategy: z.enum(['summarise', 'trim', 'off']).optional(),
    at: z.number().min(0.1).max(0.95).optional(),
    atTokens: whole(1_000).optional(),
    keepRecent: whole(1).max(1_000).optional(),
  })
  .optional()

const definition = z.strictObject({
  defaultAgent: name.optional(),
  overrides,
  compaction,
  agents: z
    .record(
      name,
      z.strictObject({
        version: z.string().min(1).max(100).optional(),
        mode: z.enum(['code', 'tools']).optional(),
        description: z.string().optional(),
        instructions: z.string().optional(),
        tools: z.array(name).optional(),
        delegates: delegatesSchema,
        profile: name.optional(),
        strategy: z.enum(strategies).optional(),
        outputSchema: jsonSchema.optional(),
        compaction,
        whenBusy: z.enum(whenBusyChoices).optional(),
        keepVariables: z.boolean().optional(),
        systemPrompt: z.string().min(1).optional(),
        overrides,
        showActivity: z.boolean().optional(),
        mcp: mcpExposureSchema,
      }),
    )
    .superRefine((agents, context) => {
      for (const agent of Object.keys(agents))
        for (const message of identityMistakes('TaskSubmitted', { agent }))
          context.addIssue({ code: 'custom', message, path: [agent] })
    })
    .optional(),
  tools: z.array(tool).optional(),
  mcpServers: mcpServersSchema.optional(),
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
            maxSteps: whole(1).max(longestTask.maxSteps),
            timeoutMs: whole(1).max(longestTask.timeoutMs),
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
          historyMessages: whole(0).optional(),
          historyChars: whole(0).optional(),
          recordingBytes: whole(0).optional(),
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
      delegation: delegationSchema,
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
  sessions: sessionsSchema.optional(),
  metering: meteringSchema.optional(),
  telemetry: telemetrySchema.optional(),
  alerts: alertsSchema.optional(),
  sandbox: sandboxSchema.optional(),
  gateway: gatewaySchema.optional(),
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
  const file = findDefinition(environment, directory)
  const [value, toolMistakes] = await collectToolMistakes(() => importDefinition(file))
  try {
    return completeFleet(value, environment, file, toolMistakes)
  } catch (error) {
    // Code of the file runs here too: a getter, a proxy, the conversion of a schema.
    if (error instanceof FlotillaError || thrownPlace(error) === null) throw error
    throw new FlotillaError('CONFIG_INVALID', importMistake(file, error), { cause: error })
  }
}

/** Checks a definition and fills in what it leaves out. `source` names it in messages. */
export function completeFleet(
  value: unknown,
  environment: Environment,
  source: string,
  toolMistakes: readonly string[] = [],
): Fleet {
  const parsed = definition.safeParse(value)
  const issues = parsed.error?.issues ?? []
  const mistakes = issues.flatMap(mistakesOf)
  // Invalid parts are left out, so that the rest can be cross-checked.
  const sound = issues.reduce((rest, { path }) => without(rest, path), value)
  const ours = withDefaults((isObject(sound) ? sound : {}) as FleetDefinition, environment)
  const given = isObject(sound) && isObject(sound['mcpServers']) ? sound['mcpServers'] : {}
  const named = completeMcpServers(given as Record<string, McpServerDefinition>)
  const fromServers = toolsOfServers(named, environment, source)
  const fleet = {
    ...ours,
    tools: [...ours.tools, ...fromServers.tools],
    ...(named.length > 0 && { mcpServers: fromServers.servers }),
  }
  mistakes.push(...fromServers.mistakes)
  mistakes.push(
    ...references(fleet, (isObject(sound) ? sound : {}) as FleetDefinition),
    ...executorMistakes(fleet.sandbox ?? {}, environment.raw),
  )
  // A module is imported once: tools that are known to be mistaken are listed at every later load too.
  const ofTools = [...new Set([...toolMistakes, ...fleet.tools.flatMap((each) => toolMistake(each) ?? [])])]
  if (mistakes.length + ofTools.length === 0) {
    keepSecrets(fleetSecrets(fleet, environment.raw))
    return { ...fleet, from: { file: source, given: fieldsOf(value).map(([path]) => path) } }
  }
  const placeOf = placesOf(source)
  const placed = (mistake: string): string => {
    // Those of tools come with their place.
    const place = ofTools.includes(mistake) ? null : placeOf(/^(.*?): /.exec(mistake)?.[1] ?? '')
    return place === null ? mistake : `${place}  ${mistake}`
  }
  const shown = source.startsWith('file:') ? shownPath(fileURLToPath(source)) : source
  const all = [...ofTools, ...mistakes]
  throw new FlotillaError(
    'CONFIG_INVALID',
    `${shown} has ${plural(all.length, 'mistake')}:\n${mistakeList(all, placed)}`,
  )
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
    ...(isObject(given.compaction) && { compaction: given.compaction }),
    tools: Array.isArray(given.tools) ? given.tools : [],
    models: {
      default: typeof models.default === 'string' ? fullName(models.default) : discovered.default,
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
      delegation: { ...defaultLimits.delegation, ...limits.delegation },
      codeStepTimeoutMs: limits.codeStepTimeoutMs ?? defaultLimits.codeStepTimeoutMs,
      codeMemoryMb: limits.codeMemoryMb ?? defaultLimits.codeMemoryMb,
      budgets: { ...defaultLimits.budgets, ...limits.budgets },
      rates: { ...defaultLimits.rates, ...limits.rates },
    },
    sessions: { ...defaultSessions, ...(isObject(given.sessions) && given.sessions) },
    metering: { ...defaultMetering, ...given.metering },
    ...(isObject(given.telemetry) && { telemetry: given.telemetry }),
    alerts: completeAlerts(isObject(given.alerts) ? given.alerts : {}),
    executors: executorNames(sandbox),
    sandbox,
    ...(isObject(given.gateway) && { gateway: given.gateway }),
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

/** Names of the key variables that are set, here or for the process that calls models; never their values. */
function keysPresent(providers: Fleet['models']['providers'], { raw }: Environment): string[] {
  const names = Object.values(providers ?? {}).flatMap((provider) => provider?.keyEnv ?? [])
  return names.filter((variable) => raw[variable]?.trim() || keysElsewhere(raw).includes(variable))
}
