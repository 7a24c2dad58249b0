// Mistakes of a configuration that its schema can't find: names that must exist, schemas that must compile.
import { isPossible } from '../models/discovery.ts'
import { fullName, parseModel } from '../models/names.ts'
import { alertMistakes } from './alerts.ts'
import { delegateMistakes } from './delegates.ts'
import type { Fleet, FleetDefinition, JsonSchema, Overrides, ToolSpec } from './fleet.ts'
import { compileJsonSchema } from './json-schema/compile.ts'
import { nameList } from './mistake-list.ts'
import { allScopes, isScope, roleNames, scopesNamed } from '../../api/scopes.ts'

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `given`: the definition, of which the fleet is the complete form. */
export function references(fleet: Fleet, given: FleetDefinition = {}): string[] {
  const mistakes: string[] = []
  const names = fleet.tools.map((item) => item?.spec?.name)
  for (const [index, toolName] of names.entries())
    if (toolName !== undefined && names.indexOf(toolName) !== index)
      mistakes.push(secondTool(toolName, index, fleet.tools[index]?.spec.source))
  mistakes.push(...unknownChannels(fleet), ...unknownScopes(fleet), ...unknownProviders(fleet, given))
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
    if (!isPossible(provider, fleet.models.providers))
      mistakes.push(
        `limits.rates.${setting}: no provider named ${provider}; there are: ${nameList(Object.keys(fleet.models.providers))}`,
      )
  const named = Object.keys(fleet.agents)
  if (fleet.defaultAgent !== undefined && !named.includes(fleet.defaultAgent))
    mistakes.push(`defaultAgent: no agent named ${fleet.defaultAgent}; there are: ${nameList(named)}`)
  mistakes.push(...unknownProfiles('overrides', fleet.overrides, fleet))
  // The checker skips a key named __proto__, so its value may be anything.
  const agents = Object.entries(fleet.agents).filter(([, agent]) => isObject(agent))
  for (const [agent, { tools, profile, outputSchema, mode, keepVariables, overrides: own }] of agents) {
    if (keepVariables === true && mode === 'tools' && !(own?.mode ?? fleet.overrides?.mode))
      mistakes.push(
        `agents.${agent}.keepVariables: an agent of mode tools runs no Python; leave it out, or set mode: 'code'`,
      )
    mistakes.push(...unknownProfiles(`agents.${agent}.overrides`, own, fleet))
    for (const wanted of Array.isArray(tools) ? tools : [])
      if (!names.includes(wanted))
        mistakes.push(`agents.${agent}.tools: no tool named ${wanted}; there are: ${nameList(names)}`)
    if (profile !== undefined && !Object.hasOwn(fleet.models.profiles, profile))
      mistakes.push(
        `agents.${agent}.profile: no profile named ${profile}; there are: ${nameList(Object.keys(fleet.models.profiles))}`,
      )
    const problem = outputSchema === undefined ? null : schemaProblem(outputSchema)
    if (problem) mistakes.push(`agents.${agent}.outputSchema: ${problem}`)
  }
  mistakes.push(...delegateMistakes(fleet))
  return [...mistakes, ...alertMistakes(fleet.alerts)]
}

/** Models of a provider that no process of the fleet can have. Which models it has, only the provider knows. */
function unknownProviders({ models: { providers } }: Fleet, given: FleetDefinition): string[] {
  const { models, sessions, overrides, agents } = given
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
  const named: [string, unknown][] = [
    ['models.default', models?.default],
    ['sessions.summaryModel', sessions?.summaryModel === 'off' ? undefined : sessions?.summaryModel],
    ...entriesOf(models?.tiers).map(([tier, model]): [string, unknown] => [`models.tiers.${tier}`, model]),
    ...entriesOf(models?.profiles).flatMap(([name, profile]) =>
      list(profile?.models).map((model, at): [string, unknown] => [
        `models.profiles.${name}.models.${at}`,
        model,
      ]),
    ),
    ...list(overrides?.model).map((model, at): [string, unknown] => [`overrides.model.${at}`, model]),
    ...entriesOf(agents).flatMap(([name, agent]) =>
      list(agent?.overrides?.model).map((model, at): [string, unknown] => [
        `agents.${name}.overrides.model.${at}`,
        model,
      ]),
    ),
  ]
  return named.flatMap(([path, model]) => {
    if (typeof model !== 'string') return []
    const { provider } = parseModel(fullName(model))
    if (isPossible(provider, providers)) return []
    const known = nameList(Object.keys(providers))
    return [
      `${path}: no provider named ${provider}; there are: ${known}; others are models.providers (baseUrl, keyEnv)`,
    ]
  })
}

const entriesOf = <V>(value: Readonly<Record<string, V>> | undefined): [string, V | undefined][] =>
  isObject(value) ? Object.entries(value) : []

/** Who may decide, and what tokens stand for: a name that is none would let nobody decide, or in. */
function unknownScopes({ tools, gateway }: Fleet): string[] {
  const ofTools = tools.flatMap((tool, index) => {
    const { approval, question } = tool?.spec ?? {}
    const scope = (approval ?? question)?.approvers.scope ?? null
    if (scope === null || isScope(scope)) return []
    return [
      `tools.${index}: ${tool.spec.name} has approvers.scope ${scope}, which is no scope; there are: ${allScopes.join(', ')}`,
    ]
  })
  const { everyToken = [], scopes = {} } = gateway?.jwt ?? {}
  const ofTokens = Object.entries({ everyToken, ...prefixed(scopes) }).flatMap(([path, names]) =>
    scopesNamed(names).unknown.map(
      (name) =>
        `gateway.jwt.${path}: no scope or role named ${name}; there are: ${[...roleNames, ...allScopes].join(', ')}`,
    ),
  )
  return [...ofTools, ...ofTokens]
}

const prefixed = (scopes: Readonly<Record<string, string[]>>): Record<string, string[]> =>
  Object.fromEntries(Object.entries(scopes).map(([claim, names]) => [`scopes.${claim}`, names]))

function unknownChannels({ tools, alerts }: Fleet): string[] {
  const channels = isObject(alerts?.channels) ? Object.keys(alerts.channels) : []
  return tools.flatMap((tool, index) => {
    const { approval, question } = tool?.spec ?? {}
    const unknown = [...(approval?.notify ?? []), ...(question?.notify ?? [])].filter(
      (name) => !channels.includes(name),
    )
    return unknown.map(
      (name) =>
        `tools.${index}: ${tool.spec.name} notifies ${name}, which is no channel; there are: ${nameList(channels, 'none (alerts.channels)')}`,
    )
  })
}

const secondTool = (name: string, index: number, source: ToolSpec['source']): string =>
  source === undefined
    ? `tools.${index}: a second tool named ${name}; rename one of them`
    : `mcpServers.${source.server}.tools: a second tool named ${name}; give the server another prefix (tools.prefix)`

function unknownProfiles(path: string, given: Overrides | undefined, { models }: Fleet): string[] {
  const listed = isObject(given) && Array.isArray(given.profile) ? given.profile : []
  return listed
    .filter((profile) => !Object.hasOwn(models.profiles, profile))
    .map(
      (profile) =>
        `${path}.profile: no profile named ${profile}; there are: ${nameList(Object.keys(models.profiles))}`,
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
