// The agent and the profile that a task gets its settings from.
import type { AgentDefinition, Fleet, Profile } from '../../../runtime/config/fleet.ts'
import type { Failure } from '../../../runtime/stage.ts'
import type { TaskSubmitted } from '../../../schemas/generated/events.ts'
import { agentNameOf, checkProfile } from './references.ts'

export interface Sources {
  readonly agentName: string
  readonly agent: AgentDefinition
  /** The task's profile, else its agent's. */
  readonly profileName: string | null
  readonly profile: Profile | undefined
  /** The profile of the agent's definition, whatever the task names. */
  readonly ownProfile: Profile | undefined
  readonly fleet: Fleet
}

export function sourcesOf(task: TaskSubmitted, fleet: Fleet): Sources | { rejected: Failure } {
  const named = agentNameOf(task.agent, fleet)
  if ('rejected' in named) return named
  const agentName = named.name
  const agent: AgentDefinition = fleet.agents[agentName] ?? {}
  const profileName = task.profile ?? agent.profile ?? null
  const unknown = checkProfile(profileName, fleet)
  if (unknown) return { rejected: unknown }
  const { profiles } = fleet.models
  const profile = profileName === null ? undefined : profiles[profileName]
  const ownProfile = agent.profile === undefined ? undefined : profiles[agent.profile]
  return { agentName, agent, profileName, profile, ownProfile, fleet }
}
