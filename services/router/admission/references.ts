// Everything that a task names must be configured here. Otherwise it is rejected with the remedy, never run
// on something else.
import { DEFAULT_AGENT, defaultAgentOf } from '../../../runtime/config/defaults.ts'
import { toolSpecs } from '../../../runtime/config/delegates.ts'
import { executorKind } from '../../../runtime/config/executors.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { failure } from '../../../runtime/errors.ts'
import { NO_MODEL } from '../../../runtime/models/missing.ts'
import type { Failure } from '../../../runtime/stage.ts'

const known = (names: Iterable<string>): string => [...names].sort().join(', ') || 'none'

/** The agent that a task names, or the one for tasks that name none; or why there is no such agent. */
export function agentNameOf(asked: string | null, fleet: Fleet): { name: string } | { rejected: Failure } {
  const names = Object.keys(fleet.agents)
  const agents = () => known(names.length === 0 ? [DEFAULT_AGENT] : names)
  const name = asked ?? defaultAgentOf(fleet)
  if (name === null) {
    const message = `The task names no agent, and this fleet has several: ${agents()}. Name one, or set defaultAgent in flotilla.config.ts.`
    return { rejected: failure('AGENT_UNKNOWN', message) }
  }
  if (Object.hasOwn(fleet.agents, name) || (names.length === 0 && name === DEFAULT_AGENT)) return { name }
  return { rejected: failure('AGENT_UNKNOWN', `There is no agent "${name}". Known agents: ${agents()}.`) }
}

export function checkProfile(name: string | null, fleet: Fleet): Failure | null {
  if (name === null || Object.hasOwn(fleet.models.profiles, name)) return null
  const profiles = known(Object.keys(fleet.models.profiles))
  return failure('PROFILE_UNKNOWN', `There is no profile "${name}". Known profiles: ${profiles}.`)
}

export function checkExecutor(executor: string, profile: string | null, fleet: Fleet): Failure | null {
  if (executor === 'default' || fleet.executors.includes(executor)) return null
  const message =
    `${ofProfile(profile)} runs code in the executor "${executor}", which is not configured here. ` +
    `${executorKind(executor)?.remedy ?? 'Configure it'}, or choose a profile that uses one of: ${known(new Set(['default', ...fleet.executors]))}.`
  return failure('EXECUTOR_NOT_CONFIGURED', message)
}

export function checkTools(tools: readonly string[], agent: string, fleet: Fleet): Failure | null {
  if (tools.every((name) => fleet.tools.some(({ spec }) => spec.name === name))) return null
  const known = new Set(toolSpecs(fleet).map(({ name }) => name))
  const missing = tools.filter((name) => !known.has(name))
  if (missing.length === 0) return null
  const message = `Agent "${agent}" uses tools that are not defined: ${missing.join(', ')}. Add them under tools in flotilla.config.ts.`
  return failure('TOOL_UNKNOWN', message)
}

export function modelMissing(model: string, profile: string | null, remedy: string): Failure {
  const message = `${ofProfile(profile)} uses the model "${model}", which is not configured here. ${remedy}`
  return failure('MODEL_NOT_CONFIGURED', message)
}

export const noModelAtAll = (): Failure => failure('MODEL_NOT_CONFIGURED', `${NO_MODEL} Then submit again.`)

function ofProfile(profile: string | null): string {
  return profile === null ? 'The task' : `Profile "${profile}"`
}
