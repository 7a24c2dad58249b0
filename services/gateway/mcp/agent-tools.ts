// Agents as tools: their names, and the schemas of what they take and give.
import { z } from 'zod'
import type { AgentTool } from '../../../api/agents.ts'
import type { TaskInput } from '../../../client/types.ts'
import { defaultOverrides } from '../../../runtime/config/defaults.ts'
import type { AgentDefinition, Fleet, JsonSchema, Overrides } from '../../../runtime/config/fleet.ts'
import { compileJsonSchema, type SchemaCheck } from '../../../runtime/config/json-schema/compile.ts'
import { ownPatterns } from '../../../runtime/foreign-schema/patterns.ts'
import type { Json } from '../../../schemas/json.ts'

export type ToolSource = Pick<Fleet, 'agents' | 'overrides' | 'models' | 'limits'>

/** Agents change only with a restart, and each call asks. */
const made = new WeakMap<ToolSource, readonly AgentTool[]>()

/** `allowed`: the agents of the client's key; null: all. */
export function agentTools(fleet: ToolSource, allowed: readonly string[] | null): readonly AgentTool[] {
  const all = made.get(fleet) ?? toolsOf(fleet)
  made.set(fleet, all)
  return allowed === null ? all : all.filter(({ agent }) => allowed.includes(agent))
}

function toolsOf(fleet: ToolSource): AgentTool[] {
  // Named before any is left out: what a key may use does not change the names of the others.
  const names = toolNames(Object.keys(fleet.agents))
  return Object.entries(fleet.agents).flatMap(([agent, definition]) =>
    definition.mcp === false
      ? []
      : [{ name: names.get(agent) ?? agent, agent, ...toolOf(agent, definition, fleet) }],
  )
}

const MAX_NAME_CHARS = 128

/** MCP allows letters, digits and `_ - .` */
const plainName = (agent: string): string =>
  agent.replaceAll(/[^A-Za-z0-9_.-]/gu, '_').slice(0, MAX_NAME_CHARS - 4)

/** By agent. One whose name the protocol allows has it, whatever the others are called. */
function toolNames(agents: readonly string[]): ReadonlyMap<string, string> {
  const own = agents.filter((agent) => plainName(agent) === agent)
  const names = new Map(own.map((agent) => [agent, agent]))
  const taken = new Set(own)
  for (const agent of agents.filter((each) => !names.has(each))) {
    const plain = plainName(agent)
    let name = plain
    for (let count = 2; taken.has(name); count++) name = `${plain}_${count}`
    taken.add(name)
    names.set(agent, name)
  }
  return names
}

function toolOf(
  name: string,
  definition: AgentDefinition,
  fleet: ToolSource,
): Omit<AgentTool, 'name' | 'agent'> {
  const { description, outputSchema = null, mcp } = definition
  const { input, tasks = 'offered' } = mcp || {}
  return {
    description: description ?? `The agent ${name}.`,
    inputSchema: input ?? textInput(definition, fleet),
    outputSchema,
    takes: input === undefined ? 'text' : 'fields',
    tasks,
  }
}

/** Limits that a task may lower or raise, and choices, as far as the agent's tasks have them. */
function textInput(agent: AgentDefinition, fleet: ToolSource): JsonSchema {
  const allowed: Overrides = { ...defaultOverrides, ...fleet.overrides, ...agent.overrides }
  const { maxChars } = fleet.limits.input
  const most = (limit: number | undefined) => (limit === undefined ? z.number() : z.number().max(limit))
  const fields = {
    text: z
      .string()
      .min(1)
      .max(maxChars)
      .describe('What the agent is to do, with all that it needs to know.'),
    ...choice('profile', allowed.profile, Object.keys(fleet.models.profiles)),
    ...choice('model', allowed.model, null),
    maxSteps: z
      .int()
      .min(1)
      .max(allowed.maxSteps ?? defaultOverrides.maxSteps)
      .optional()
      .describe('Most steps.'),
    timeoutMs: z
      .int()
      .min(1)
      .max(allowed.timeoutMs ?? defaultOverrides.timeoutMs)
      .optional()
      .describe('Time limit in milliseconds.'),
    maxCost: most(allowed.maxCost).gt(0).optional().describe('Most that it may cost, in US dollars.'),
  }
  const { $schema: _, ...schema } = z.toJSONSchema(z.strictObject(fields))
  return schema as JsonSchema
}

/** `known`: null if any may be named. */
function choice(
  field: 'profile' | 'model',
  allowed: boolean | string[] | undefined,
  known: readonly string[] | null,
): Record<string, z.ZodType> {
  const names = Array.isArray(allowed) ? allowed : allowed === true ? known : []
  const [first, ...others] = names ?? []
  const describe = <T extends z.ZodType>(schema: T) => schema.optional().describe(descriptions[field])
  if (names === null || names.some((name) => name.endsWith('*'))) return { [field]: describe(z.string()) }
  return first === undefined ? {} : { [field]: describe(z.enum([first, ...others])) }
}

const descriptions = {
  profile: 'A named model with its limits, instead of the agent’s.',
  model: 'A model, instead of the agent’s.',
} as const

const checks = new Map<string, SchemaCheck>()
const MAX_CHECKS = 1_000

/** Problems of the arguments; none if they fit. */
export function argumentProblems(
  { inputSchema }: AgentTool,
  given: Record<string, unknown>,
): readonly string[] {
  const key = JSON.stringify(inputSchema)
  const check = checks.get(key) ?? compileJsonSchema(inputSchema, { patterns: ownPatterns })
  if (checks.size < MAX_CHECKS) checks.set(key, check)
  return check(given as Json).problems
}

/** The task that a call of the tool means. Its arguments fit. */
export function taskOf(
  { agent, takes }: AgentTool,
  given: Record<string, unknown>,
): TaskInput & { readonly agent: string } {
  if (takes === 'fields') return { text: JSON.stringify(given), agent }
  return { ...(given as unknown as TaskInput), agent }
}
