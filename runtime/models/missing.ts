// Which models can't be called here, and what to set. Pure; no value of a key is read.
import type { AgentDefinition, Fleet } from '../config/fleet.ts'
import { missingSetting } from './discovery.ts'

/** How to connect a model, if there is none. */
export const NO_MODEL =
  'No model is connected. Set OPENAI_API_KEY, GROQ_API_KEY or ANTHROPIC_API_KEY, or start a server of your own and ' +
  'set OLLAMA_HOST or LOCAL_BASE_URL; FLOTILLA_MODEL=scripted plays recorded conversations without a model.'

/** An agent whose tasks are rejected, and what to set so that they are not. */
export interface AgentWithoutModel {
  readonly agent: string
  readonly reason: string
}

/** The setting that the model still needs; null if it can be called. */
export function missingFor(model: string, fleet: Fleet): string | null {
  const { providers, keysPresent } = fleet.models
  const set = keysPresent ?? Object.values(providers).flatMap((provider) => provider.keyEnv ?? [])
  return missingSetting(model, providers, Object.fromEntries(set.map((name) => [name, 'set'])))
}

/** Every agent that has no model for a task that names none. */
export function agentsWithoutModel(fleet: Fleet): AgentWithoutModel[] {
  return Object.entries(fleet.agents).flatMap(([agent, definition]) => {
    const models = modelsOf(definition, fleet)
    if (models.some((model) => missingFor(model, fleet) === null)) return []
    const reasons = models.map((model) => `"${model}" is not configured here: ${missingFor(model, fleet)}`)
    return [{ agent, reason: reasons.at(-1) ?? NO_MODEL }]
  })
}

/** Null if some agent has a model, else why none has one. */
export function fleetWithoutModel(fleet: Fleet): string | null {
  const missing = agentsWithoutModel(fleet)
  if (missing.length < Object.keys(fleet.agents).length) return null
  return [...new Set(missing.map(({ reason }) => reason))].join('; ')
}

/** Models that may answer, as the router chooses them: a profile's first one, a strategy's, the default. */
function modelsOf({ profile, strategy }: AgentDefinition, { models }: Fleet): string[] {
  if (profile !== undefined) return (models.profiles[profile]?.models ?? []).slice(0, 1)
  const byStrategy = (strategy ?? models.strategy ?? null) === null ? [] : Object.values(models.tiers)
  return [...byStrategy, ...(models.default === null ? [] : [models.default])]
}
