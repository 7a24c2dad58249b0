// The effective configuration, setting by setting, with the source of each value: for people.
import { discoverModels } from '../models/discovery.ts'
import { plural } from '../text/quantities.ts'
import { redactedJson } from '../text/redaction.ts'
import { environmentDefaults, type Environment } from './environment.ts'
import type { Fleet } from './fleet.ts'
import { holdsSecret } from './environment/secrets.ts'

export interface Setting {
  /** A variable, or the path of a field of flotilla.config.ts. */
  readonly name: string
  /** JSON; secrets are masked. */
  readonly value: unknown
  readonly source: 'default' | 'file' | 'environment'
}

const MASK = '***'

export function settingsOf(environment: Environment, fleet: Fleet): Setting[] {
  return [...variableSettings(environment, fleet), ...fieldSettings(environment, fleet)].map((setting) => ({
    ...setting,
    value: redactedJson(setting.value),
  }))
}

/** Those that Flotilla knows, set or not, and those of the environment that name a provider or are for us. */
function variableSettings({ raw }: Environment, { models }: Fleet): Setting[] {
  const keys = Object.values(models.providers).flatMap(({ keyEnv }) => keyEnv ?? [])
  const prefixes = Object.keys(models.providers).map((provider) => `${provider.toUpperCase()}_`)
  const isOurs = (name: string): boolean =>
    name.startsWith('FLOTILLA_') || keys.includes(name) || prefixes.some((prefix) => name.startsWith(prefix))
  const set = Object.keys(raw).filter(
    (name) => raw[name]?.trim() && (name in environmentDefaults || isOurs(name)),
  )
  const names = [...new Set([...Object.keys(environmentDefaults), ...set])].sort()
  return names.map((name) => {
    const given = raw[name]?.trim()
    if (!given) return { name, value: environmentDefaults[name] ?? null, source: 'default' }
    return { name, value: holdsSecret(name) ? MASK : given, source: 'environment' }
  })
}

/** Fields of lists are shown as a whole. Tools and prices have commands and tables of their own. */
function fieldSettings({ raw }: Environment, fleet: Fleet): Setting[] {
  const { tools, from, executors: _, models, mcpServers = [], ...rest } = fleet
  const { prices, sizes, keysPresent: __, ...shownModels } = models
  const shown = {
    ...rest,
    ...(mcpServers.length > 0 && { mcpServers: shownServers(mcpServers) }),
    models: shownModels,
    'models.prices': plural(prices.length, 'row'),
    'models.sizes': plural(sizes.length, 'row'),
    tools: tools.map(({ spec }) => spec.name),
  }
  const given = from?.given ?? []
  const found = foundIn(raw)
  return fieldsOf(shown).map(([name, value]) => {
    // The file's, if it gives the field, a part of it, or what it is a part of.
    const isGiven = given.some((path) => path === name || isBelow(path, name) || isBelow(name, path))
    const isFound = found.has(name) && found.get(name) === value
    return { name, value, source: isGiven ? 'file' : isFound ? 'environment' : 'default' }
  })
}

/** What is pinned has a file of its own. */
const shownServers = (servers: NonNullable<Fleet['mcpServers']>) =>
  Object.fromEntries(
    servers.map(({ name, pinned: _, perUser, ...server }) => [
      name,
      { ...server, ...(perUser && { perUser: 'a function' }) },
    ]),
  )

const isBelow = (path: string, above: string): boolean => path.startsWith(`${above}.`)

/** Fields of models that the environment gives, and would be other ones without it. */
function foundIn(raw: Environment['raw']): Map<string, unknown> {
  const usual = new Map(fieldsOf({ models: discoverModels({}) }))
  return new Map(
    fieldsOf({ models: discoverModels(raw) }).filter(([name, value]) => usual.get(name) !== value),
  )
}

/** Paths and values of a nested object; an empty one is a value. */
export function fieldsOf(value: unknown, path = ''): [string, unknown][] {
  if (!isPlain(value) || Object.keys(value).length === 0) return path === '' ? [] : [[path, value]]
  return Object.entries(value).flatMap(([name, inner]) =>
    fieldsOf(inner, path === '' ? name : `${path}.${name}`),
  )
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
