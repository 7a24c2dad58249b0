// Fills every default: the task's settings win over its agent's, the agent's over its profile's, the
// profile's over the fleet's.
//
// Models: the task's own model, its profile, its strategy; then the agent's profile, the agent's strategy;
// then the fleet's strategy, the fleet's default model.
import { defaultTask } from '../../runtime/config/defaults.ts'
import type { AgentDefinition, Fleet, Profile } from '../../runtime/config/fleet.ts'
import { missingFor } from '../../runtime/models/missing.ts'
import { fullName } from '../../runtime/models/names.ts'
import type { Failure, Json } from '../../runtime/stage.ts'
import type { TaskAdmitted, TaskSubmitted } from '../../schemas/generated/events.ts'
import { modelsFor, tierFor, type Strategy } from '../../runtime/models/strategies.ts'
import { complexityOf, tokensOf } from './estimate.ts'
import {
  agentNameOf,
  checkExecutor,
  checkProfile,
  checkTools,
  modelMissing,
  noModelAtAll,
} from './references.ts'
import { checkOverrides, maxCostOf } from './overrides.ts'

export type Admission = { admitted: TaskAdmitted } | { rejected: Failure }

interface ChosenModels {
  models: string[]
  reason: string
}

export function admit(given: TaskSubmitted, taskId: string, submittedAtMs: number, fleet: Fleet): Admission {
  const task = { ...given, model: given.model === null ? null : fullName(given.model) }
  const named = agentNameOf(task.agent, fleet)
  if ('rejected' in named) return named
  const agentName = named.name
  const agent: AgentDefinition = fleet.agents[agentName] ?? {}
  const profileName = task.profile ?? agent.profile ?? null
  const unknownProfile = checkProfile(profileName, fleet)
  if (unknownProfile) return { rejected: unknownProfile }
  const profile = profileName === null ? undefined : fleet.models.profiles[profileName]
  const ownProfile = agent.profile === undefined ? undefined : fleet.models.profiles[agent.profile]
  const refused = checkOverrides(task, { agentName, agent, ownProfile, profile, fleet })
  if (refused) return { rejected: refused }
  const admitted = withDefaults(task, taskId, submittedAtMs, {
    agentName,
    agent,
    profileName,
    profile,
    fleet,
  })
  const unusable =
    checkExecutor(admitted.executor, profileName, fleet) ?? checkTools(admitted.tools, agentName, fleet)
  if (unusable) return { rejected: unusable }
  const strategy = task.strategy ?? (profile ? null : (agent.strategy ?? fleet.models.strategy ?? null))
  const isProfileAsked = task.profile !== null || strategy === null
  const chosen =
    isProfileAsked || task.model !== null
      ? chooseModels(task.model, profileName, profile, fleet)
      : chooseByStrategy(strategy, task, admitted, fleet)
  if ('rejected' in chosen) return chosen
  return { admitted: { ...admitted, models: chosen.models, modelReason: chosen.reason } }
}

interface Sources {
  agentName: string
  agent: AgentDefinition
  profileName: string | null
  profile: Profile | undefined
  fleet: Fleet
}

function withDefaults(
  task: TaskSubmitted,
  taskId: string,
  submittedAtMs: number,
  from: Sources,
): TaskAdmitted {
  const limits = from.profile ?? defaultTask
  const timeoutMs = task.timeoutMs ?? limits.timeoutMs
  return {
    taskId,
    text: task.text.trim(),
    userId: task.userId,
    agent: from.agentName,
    mode: task.mode ?? from.agent.mode ?? defaultTask.mode,
    profile: from.profileName,
    models: [],
    modelReason: '',
    temperature: limits.temperature,
    maxSteps: task.maxSteps ?? limits.maxSteps,
    timeoutMs,
    deadlineMs: submittedAtMs + timeoutMs,
    maxCost: maxCostOf(task, from.fleet, from.agent),
    estimatedTokens: task.estimatedTokens,
    maxOutputTokens: limits.maxOutputTokens ?? defaultTask.maxOutputTokens,
    executor: limits.executor,
    tools: from.agent.tools ?? from.fleet.tools.map((tool) => tool.spec.name),
    toolCacheTtlMs: from.profile?.toolCacheTtlMs ?? null,
    priority: task.priority ?? defaultTask.priority,
    sessionId: task.sessionId,
    outputSchema: task.outputSchema ?? (from.agent.outputSchema as Json | undefined) ?? null,
    parent: task.parent,
    submittedAtMs,
  }
}

/**
 * An explicit model has no fallbacks. A profile's first model must be usable; unusable fallbacks are left
 * out.
 */
function chooseModels(
  asked: string | null,
  profileName: string | null,
  profile: Profile | undefined,
  fleet: Fleet,
): ChosenModels | { rejected: Failure } {
  if (asked !== null) return usable([asked], 'asked for by the task', null, fleet)
  if (profile) return usable(profile.models, `first model of profile "${profileName}"`, profileName, fleet)
  const standard = fleet.models.default
  return standard === null
    ? { rejected: noModelAtAll() }
    : usable([standard], 'default model of the fleet', null, fleet)
}

/**
 * The strategy's model and its fallbacks, as far as they are configured here; if none is, the fleet's
 * default.
 */
function chooseByStrategy(
  strategy: Strategy,
  task: TaskSubmitted,
  { text, maxSteps, outputSchema }: TaskAdmitted,
  fleet: Fleet,
): ChosenModels | { rejected: Failure } {
  const complexity = task.complexity ?? complexityOf(text, outputSchema !== null)
  const quality = task.quality ?? 'normal'
  const tokens = task.estimatedTokens ?? tokensOf(text, complexity, maxSteps)
  const wanted = modelsFor(tierFor(strategy, { complexity, quality, tokens }), fleet.models.tiers)
  const passed = wanted.filter((model) => missingFor(model, fleet) !== null)
  const models = wanted.filter((model) => !passed.includes(model))
  const guessed = (given: unknown) => (given === null ? ' (estimated)' : '')
  const why =
    `strategy ${strategy}: ${complexity}${guessed(task.complexity)} task, ${quality} quality, ` +
    `${tokens} tokens${guessed(task.estimatedTokens)}`
  const note = passed.length === 0 ? '' : `; passed over, because not configured here: ${passed.join(', ')}`
  if (models.length > 0) return { models, reason: why + note }
  const standard = chooseModels(null, null, undefined, fleet)
  return 'rejected' in standard ? standard : { ...standard, reason: `${standard.reason}; ${why}${note}` }
}

function usable(
  wanted: readonly string[],
  reason: string,
  profileName: string | null,
  fleet: Fleet,
): ChosenModels | { rejected: Failure } {
  const [first, ...fallbacks] = wanted
  if (first === undefined) return { rejected: noModelAtAll() }
  const remedy = missingFor(first, fleet)
  if (remedy !== null) return { rejected: modelMissing(first, profileName, remedy) }
  const dropped = fallbacks.filter((model) => missingFor(model, fleet) !== null)
  const note = dropped.length === 0 ? '' : `; fallbacks not configured here: ${dropped.join(', ')}`
  return { models: [first, ...fallbacks.filter((model) => !dropped.includes(model))], reason: reason + note }
}
