// A definition, completed with defaults and with the providers that the environment names.
import { discoverModels, isServed, keysElsewhere } from '../models/discovery.ts'
import { fullName } from '../models/names.ts'
import { defaultTiers } from '../models/strategies.ts'
import { completeAlerts } from './alerts.ts'
import {
  allOverrides,
  defaultLimits,
  defaultMetering,
  defaultPrices,
  defaultProfiles,
  defaultSizes,
} from './defaults.ts'
import type { Environment } from './environment.ts'
import { completeSandbox, executorNames } from './executors.ts'
import type { Fleet, FleetDefinition, ProviderSettings } from './fleet.ts'
import { isObject } from './references.ts'
import { defaultSessions } from './sessions.ts'

/** The fleet of a sound definition, but for the tools of MCP servers. */
export function withDefaults(given: FleetDefinition, environment: Environment): Fleet {
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
