// Agents as tools of other agents: `ask_<agent>`, whose answer comes back, and `hand_off_to_<agent>`, whose answer
// is the task's own. They derive from `delegates` alone, so every stage has the same ones.
import { z } from 'zod'
import type { Fleet, JsonSchema, Tool, ToolSpec } from './fleet.ts'

/** An agent that another one may ask. */
export interface DelegateDefinition {
  agent: string
  /** True: it takes the task over, and its answer is the task's. Default false: it answers the agent that asks. */
  handoff?: boolean
  /** Most US dollars of one call, with everything that it delegates in turn. Default: what the task has left, shared. */
  maxCost?: number
  /** What to ask it for. Default: the description of the agent. */
  description?: string
}

/** Bounds of the tasks that agents give to each other. */
export interface DelegationLimits {
  /** Levels of tasks below the one that a user submitted. */
  depth: number
  /** Tasks that one task may delegate. */
  tasks: number
}

export const defaultDelegation = { depth: 3, tasks: 100 } as const satisfies DelegationLimits

/** US dollars are shared out in billionths. */
const PARTS = 1_000_000_000

/** The share of each of `count` calls in what is left, rounded down: together they are never more. US dollars. */
export const shareOf = (left: number, count: number): number =>
  Math.floor((Math.max(0, left) / Math.max(1, count)) * PARTS) / PARTS

const name = z.string().min(1)
/** Each is a tool that the model is told of. */
const MAX_DELEGATES = 50

export const delegatesSchema = z
  .array(
    z.union(
      [
        name,
        z.strictObject({
          agent: name,
          handoff: z.boolean().optional(),
          maxCost: z.number().gt(0).optional(),
          description: name.optional(),
        }),
      ],
      { error: 'must be the name of an agent, or { agent, handoff, maxCost, description }' },
    ),
  )
  .max(MAX_DELEGATES)
  .optional()

export const delegationSchema = z
  .strictObject({
    depth: z.number().int().min(0).max(10).optional(),
    tasks: z.number().int().min(0).max(10_000).optional(),
  })
  .optional()

/** What the stages read of a fleet here. */
export interface DelegatingFleet {
  readonly tools: readonly Pick<Tool, 'spec'>[]
  readonly agents?: Fleet['agents']
  readonly limits?: { readonly input?: { readonly maxChars: number } }
}

export interface Delegate extends DelegateDefinition {
  readonly tool: string
}

/** The delegates of an agent, in their order. */
export function delegatesOf(
  { agents }: Pick<DelegatingFleet, 'agents'>,
  agent: string | null,
): readonly Delegate[] {
  if (agent === null || !agents || !Object.hasOwn(agents, agent)) return []
  const given = agents[agent]?.delegates
  // While a configuration is checked, what is no delegate in it is undefined.
  return (Array.isArray(given) ? given : []).filter(Boolean).map((each) => {
    const delegate = typeof each === 'string' ? { agent: each } : each
    return { ...delegate, tool: delegateToolName(delegate) }
  })
}

const delegateToolName = ({ agent, handoff }: DelegateDefinition): string =>
  `${handoff === true ? 'hand_off_to' : 'ask'}_${agent.replaceAll(/[^A-Za-z0-9_]/g, '_')}`

/** Names of the tools that an agent may call, those that are agents last. */
export const toolNamesOf = (fleet: DelegatingFleet, agent: string): string[] => [
  ...(fleet.agents?.[agent]?.tools ?? fleet.tools.map(({ spec }) => spec.name)),
  ...delegatesOf(fleet, agent).map(({ tool }) => tool),
]

/** Every tool of the fleet that a call can name: users' own, and agents that others may ask. */
export function toolSpecs(fleet: DelegatingFleet): ToolSpec[] {
  const specs = new Map(fleet.tools.map(({ spec }): [string, ToolSpec] => [spec.name, spec]))
  for (const asking of Object.keys(fleet.agents ?? {}))
    for (const delegate of delegatesOf(fleet, asking))
      if (!specs.has(delegate.tool)) specs.set(delegate.tool, specOf(fleet, delegate))
  return [...specs.values()]
}

function specOf(fleet: DelegatingFleet, { agent, tool, handoff = false, description }: Delegate): ToolSpec {
  const asked = fleet.agents?.[agent]
  const what = (description ?? asked?.description ?? '').replaceAll(/\s+/g, ' ').trim()
  const does = handoff
    ? `Hands the whole task over to the agent ${agent}, whose answer is then the answer of the task.`
    : `Asks the agent ${agent} and returns its answer.`
  const reads = readsOf(fleet, agent, new Set())
  return {
    name: tool,
    description: what === '' ? does : `${does} ${agent}: ${what}`,
    input: inputOf(fleet.limits?.input?.maxChars),
    output: asked?.outputSchema ?? null,
    // The task that a call becomes has its own time limit.
    timeoutMs: SHOWN_TIMEOUT_MS,
    cacheTtlMs: 0,
    idempotent: false,
    requiresApproval: false,
    retries: 0,
    ...(reads.size > 0 && { reads: [...reads] }),
    maxOutputBytes: SHOWN_OUTPUT_BYTES,
    delegate: { agent, handoff },
  }
}

const SHOWN_TIMEOUT_MS = 60_000
const SHOWN_OUTPUT_BYTES = 1_000_000

const inputOf = (maxLength = 10_000): JsonSchema => ({
  type: 'object',
  properties: {
    task: {
      type: 'string',
      minLength: 1,
      maxLength,
      description: 'Everything that the agent needs to know: it sees nothing else of this conversation.',
    },
    max_cost: {
      type: 'number',
      exclusiveMinimum: 0,
      description: 'Most US dollars that it may spend. Default: its share of what is left.',
    },
  },
  required: ['task'],
  additionalProperties: false,
})

/** What an agent's answer may hold: all that its tools read, and those of the agents that it asks. */
function readsOf(fleet: DelegatingFleet, agent: string, seen: Set<string>): Set<'private' | 'untrusted'> {
  if (seen.has(agent)) return new Set()
  seen.add(agent)
  const names = new Set(fleet.agents?.[agent]?.tools ?? fleet.tools.map(({ spec }) => spec.name))
  const own = fleet.tools.filter(({ spec }) => names.has(spec.name)).flatMap(({ spec }) => spec.reads ?? [])
  const others = delegatesOf(fleet, agent).flatMap((delegate) => [...readsOf(fleet, delegate.agent, seen)])
  return new Set([...own, ...others])
}

/** Mistakes in the delegates of a configuration. */
export function delegateMistakes(fleet: DelegatingFleet): string[] {
  const agents = Object.keys(fleet.agents ?? {})
  const tools = new Set(fleet.tools.map((tool) => tool?.spec?.name))
  const owners = new Map<string, string>()
  return agents.flatMap((asking) => {
    const own = new Set<string>()
    return delegatesOf(fleet, asking).flatMap(({ agent, tool }, index) => {
      const path = `agents.${asking}.delegates.${index}`
      if (!agents.includes(agent))
        return [`${path}: no agent named ${agent}; there are: ${agents.join(', ')}`]
      const mistakes: string[] = []
      const owner = owners.get(tool) ?? agent
      if (own.has(tool) && owner === agent) mistakes.push(`${path}: ${agent} is listed twice; remove one`)
      own.add(tool)
      if (tools.has(tool))
        mistakes.push(
          `${path}: the tool ${tool} has the name that the agent ${agent} would have as a tool; rename one of them`,
        )
      if (tool.length > MAX_TOOL_NAME_CHARS)
        mistakes.push(
          `${path}: as a tool the agent would be ${tool}, which is longer than ${MAX_TOOL_NAME_CHARS} characters; shorten its name`,
        )
      owners.set(tool, owner)
      if (owner !== agent)
        mistakes.push(
          `${path}: the agents ${owner} and ${agent} would both be the tool ${tool}; rename one of them`,
        )
      return mistakes
    })
  })
}

/** Longest name that model providers take. */
const MAX_TOOL_NAME_CHARS = 64
