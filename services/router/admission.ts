// Fills every default: what the task says wins over its agent, its agent over the profile's name, the profile over the fleet.
import { defaultTask } from '../../runtime/config/defaults.ts'
import type { AgentDefinition, Fleet, Profile } from '../../runtime/config/fleet.ts'
import { SCRIPTED_MODEL } from '../../runtime/models/names.ts'
import type { Failure, Json } from '../../runtime/stage.ts'
import type { TaskAdmitted, TaskSubmitted } from '../../schemas/generated/events.ts'
import { DEFAULT_AGENT } from './config.ts'
import {
  checkAgent,
  checkExecutor,
  checkProfile,
  checkTools,
  missingFor,
  modelMissing,
  noModelAtAll,
} from './configured.ts'

export type Admission = { admitted: TaskAdmitted } | { rejected: Failure }

interface ChosenModels {
  models: string[]
  reason: string
}

export function admit(task: TaskSubmitted, taskId: string, submittedAtMs: number, fleet: Fleet): Admission {
  const agentName = task.agent ?? DEFAULT_AGENT
  const unknownAgent = checkAgent(agentName, fleet)
  if (unknownAgent) return { rejected: unknownAgent }
  const agent: AgentDefinition = fleet.agents[agentName] ?? {}
  const profileName = task.profile ?? agent.profile ?? null
  const unknownProfile = checkProfile(profileName, fleet)
  if (unknownProfile) return { rejected: unknownProfile }
  const profile = profileName === null ? undefined : fleet.models.profiles[profileName]
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
  const chosen = chooseModels(task.model, profileName, profile, fleet)
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
    maxCost: task.maxCost,
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

/** An explicit model stands alone. A profile's first model must be usable; of its fallbacks, those that are count. */
function chooseModels(
  asked: string | null,
  profileName: string | null,
  profile: Profile | undefined,
  fleet: Fleet,
): ChosenModels | { rejected: Failure } {
  if (asked !== null) return usable([asked], 'asked for by the task', null, fleet)
  if (profile) return usable(profile.models, `first model of profile "${profileName}"`, profileName, fleet)
  const { default: standard, providers } = fleet.models
  if (standard !== null && standard !== SCRIPTED_MODEL)
    return usable([standard], 'default model of the fleet', null, fleet)
  if (!Object.hasOwn(providers, 'scripted')) return { rejected: noModelAtAll() }
  return { models: [SCRIPTED_MODEL], reason: 'no model is connected: the scripted model answers' }
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
