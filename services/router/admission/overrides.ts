// Checks which of its agent's settings a task may override, and rejects the others with the remedy.
//
// 1. An agent's own settings bind its tasks: mode, model, profile (and so executor and cache) and strategy
//    are the agent's, unless its `overrides`, or the fleet's, allow a choice. Naming the value that the agent
//    has anyway is allowed. An agent with neither profile nor strategy binds none: a task may name a profile,
//    as long as the executor stays the same.
// 2. Any task may lower its limits, or raise them up to a configured maximum.
// 3. The built-in agent, which exists if none is configured, allows everything.
import { allOverrides, defaultOverrides, defaultTask } from '../../../runtime/config/defaults.ts'
import type { AgentDefinition, Fleet, Overrides } from '../../../runtime/config/fleet.ts'
import { failure } from '../../../runtime/errors.ts'
import type { Failure, Json } from '../../../runtime/stage.ts'
import type { HistoryMessage } from '../../../schemas/history.ts'
import type { TaskSubmitted } from '../../../schemas/generated/events.ts'
import type { Submitted } from './delegated.ts'
import type { Sources } from './sources.ts'

/** The agent's settings before the fleet's, field by field. */
function overridesOf({ agents, overrides }: Fleet, agent: AgentDefinition): Overrides {
  const isBuiltIn = Object.keys(agents).length === 0
  return { ...(isBuiltIn ? allOverrides : defaultOverrides), ...overrides, ...agent.overrides }
}

/** Null if the task may have everything it asks for; else every refused choice, in one message. */
export function checkOverrides(task: Submitted, sources: Sources): Failure | null {
  const allowed = overridesOf(sources.fleet, sources.agent)
  const refused = [
    ...choicesRefused(task, sources, allowed),
    ...samplingRefused(task, sources, allowed),
    ...limitsRefused(task, sources, allowed),
    ...instructionsRefused(task, sources, allowed),
  ]
  if (refused.length === 0) return null
  const { agentName } = sources
  const fields = refused.map(({ field }) => field)
  const places = fields.map((field) => `agents.${agentName}.overrides.${field}`).join(', ')
  const message =
    `Agent "${agentName}" does not let its tasks choose this: ${refused.map(({ why }) => why).join('; ')}. ` +
    `It is set by ${places} in flotilla.config.ts.`
  return failure('OVERRIDE_NOT_ALLOWED', message)
}

interface Refused {
  readonly field: keyof Overrides
  readonly why: string
}

/**
 * If nothing is configured: a profile is a model and limits that were configured by name; an executor is more
 * than that.
 */
function isFreeProfile({ agent, profile }: Sources): boolean {
  if (agent.profile !== undefined || agent.strategy !== undefined) return false
  return profile !== undefined && profile.executor === defaultTask.executor
}

function choicesRefused(task: TaskSubmitted, sources: Sources, allowed: Overrides): Refused[] {
  const { agent, profile } = sources
  const wishes: [
    keyof Overrides & keyof TaskSubmitted,
    string | null,
    readonly string[],
    boolean | string[] | undefined,
  ][] = [
    ['mode', task.mode, [agent.mode ?? defaultTask.mode], allowed.mode],
    ['profile', task.profile, [agent.profile ?? []].flat(), allowed.profile ?? isFreeProfile(sources)],
    ['model', task.model, profile?.models ?? [], allowed.model],
    ['strategy', task.strategy, [agent.strategy ?? []].flat(), allowed.strategy],
  ]
  return wishes
    .filter(([, wish, own, choice]) => wish !== null && !own.includes(wish) && !isAllowed(wish, choice))
    .map(([field, wish]) => ({ field, why: `${field} ${wish}` }))
}

function isAllowed(wish: string, choice: boolean | readonly string[] | undefined): boolean {
  if (choice === undefined || typeof choice === 'boolean') return choice ?? false
  return choice.some((entry) => (entry.endsWith('*') ? wish.startsWith(entry.slice(0, -1)) : wish === entry))
}

function limitsRefused(task: Submitted, { profile, ownProfile }: Sources, allowed: Overrides): Refused[] {
  return (['maxSteps', 'timeoutMs', 'maxCost'] as const).flatMap((field) => {
    const wish = task[field]
    const own =
      field === 'maxCost' ? 0 : Math.max((profile ?? defaultTask)[field], (ownProfile ?? defaultTask)[field])
    const most = Math.max(own, allowed[field] ?? (field === 'maxCost' ? Infinity : 0))
    if (wish === null || wish <= most || task.asked) return []
    return [{ field, why: `${field} ${wish}, but ${most} is the most` }]
  })
}

function samplingRefused(task: TaskSubmitted, { profile }: Sources, allowed: Overrides): Refused[] {
  const { temperature, maxOutputTokens } = task
  const own = profile ?? defaultTask
  const refused: Refused[] = []
  if (temperature !== null && temperature !== own.temperature && allowed.temperature !== true)
    refused.push({ field: 'temperature', why: `temperature ${temperature}` })
  const ownTokens = profile?.maxOutputTokens ?? defaultTask.maxOutputTokens
  const most = Math.max(ownTokens, allowed.maxOutputTokens ?? 0)
  if (maxOutputTokens !== null && maxOutputTokens > most)
    refused.push({
      field: 'maxOutputTokens',
      why: `maxOutputTokens ${maxOutputTokens}, but ${most} is the most`,
    })
  return refused
}

function instructionsRefused(
  { instructions }: TaskSubmitted,
  { agent }: Sources,
  allowed: Overrides,
): Refused[] {
  const isOwn = instructions === null || instructions.trim() === (agent.instructions ?? '').trim()
  return isOwn || allowed.instructions === true
    ? []
    : [{ field: 'instructions', why: 'instructions of its own' }]
}

/**
 * The task's history as the planner takes it: system messages are instructions. Unless the agent allows them, they
 * are text of the user.
 */
export function historyFor(task: TaskSubmitted, fleet: Fleet, agent: AgentDefinition): Json {
  if (task.history === null) return null
  const allowed = overridesOf(fleet, agent).instructions === true
  return (task.history as unknown as HistoryMessage[]).map(({ role, content }) => {
    if (role === 'user' || role === 'assistant') return { role, content }
    return allowed
      ? { role: 'system', content }
      : { role: 'user', content: `From the application:\n${content}` }
  })
}

/** The agent's own limit applies if the task names none. */
export function maxCostOf(task: Submitted, fleet: Fleet, agent: AgentDefinition): number | null {
  const own = overridesOf(fleet, agent).maxCost ?? null
  // The share of a delegated task is no wish of its own.
  if (task.asked && task.maxCost !== null && own !== null) return Math.min(task.maxCost, own)
  return task.maxCost ?? own
}
