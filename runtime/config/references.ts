// Mistakes of a configuration that its schema can't find: names that must exist, schemas that must compile.
import { parseModel } from '../models/names.ts'
import { alertMistakes } from './alerts.ts'
import { delegateMistakes } from './delegates.ts'
import type { Fleet, JsonSchema, Overrides, ToolSpec } from './fleet.ts'
import { compileJsonSchema } from './json-schema.ts'

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function references(fleet: Fleet): string[] {
  const mistakes: string[] = []
  const names = fleet.tools.map((item) => item?.spec?.name)
  for (const [index, toolName] of names.entries())
    if (toolName !== undefined && names.indexOf(toolName) !== index)
      mistakes.push(secondTool(toolName, index, fleet.tools[index]?.spec.source))
  mistakes.push(...unknownChannels(fleet))
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
  for (const [agent, { tools, profile, outputSchema, mode, keepVariables, overrides: own }] of agents) {
    if (keepVariables === true && mode === 'tools' && !(own?.mode ?? fleet.overrides?.mode))
      mistakes.push(
        `agents.${agent}.keepVariables: an agent of mode tools runs no Python; leave it out, or set mode: 'code'`,
      )
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
  mistakes.push(...delegateMistakes(fleet))
  const { summaryModel = 'off' } = fleet.sessions ?? {}
  const { provider } = parseModel(summaryModel)
  if (summaryModel !== 'off' && !Object.hasOwn(fleet.models.providers, provider))
    mistakes.push(
      `sessions.summaryModel: no provider named ${provider}; there are: ${Object.keys(fleet.models.providers).join(', ')}`,
    )
  return [...mistakes, ...alertMistakes(fleet.alerts)]
}

function unknownChannels({ tools, alerts }: Fleet): string[] {
  const channels = isObject(alerts?.channels) ? Object.keys(alerts.channels) : []
  return tools.flatMap((tool, index) => {
    const { approval, question } = tool?.spec ?? {}
    const unknown = [...(approval?.notify ?? []), ...(question?.notify ?? [])].filter(
      (name) => !channels.includes(name),
    )
    return unknown.map(
      (name) =>
        `tools.${index}: ${tool.spec.name} notifies ${name}, which is no channel; there are: ${channels.join(', ') || 'none (alerts.channels)'}`,
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
