// Chooses a task's models: its own, its profile's, its strategy's; then the agent's profile, the agent's
// strategy; then the fleet's strategy, the fleet's default model.
import type { Fleet, Profile } from '../../../runtime/config/fleet.ts'
import { missingFor } from '../../../runtime/models/missing.ts'
import { modelsFor, tierFor, type Strategy } from '../../../runtime/models/strategies.ts'
import { plural } from '../../../runtime/text/quantities.ts'
import type { Failure } from '../../../runtime/stage.ts'
import type { TaskAdmitted, TaskSubmitted } from '../../../schemas/generated/events.ts'
import { complexityOf, historyChars, tokensOf } from './estimate.ts'
import { modelMissing, noModelAtAll } from './references.ts'
import type { Sources } from './sources.ts'

interface ChosenModels {
  models: string[]
  reason: string
}

export function chooseModels(
  task: TaskSubmitted,
  complete: TaskAdmitted,
  { agent, profileName, profile, fleet }: Sources,
): ChosenModels | { rejected: Failure } {
  const strategy = task.strategy ?? (profile ? null : (agent.strategy ?? fleet.models.strategy ?? null))
  const isNamed = task.profile !== null || task.model !== null
  return isNamed || strategy === null
    ? chooseByName(task.model, profileName, profile, fleet)
    : chooseByStrategy(strategy, task, complete, fleet)
}

/**
 * An explicit model has no fallbacks. A profile's first model must be usable; unusable fallbacks are left
 * out.
 */
function chooseByName(
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
  { text, maxSteps, outputSchema, history }: TaskAdmitted,
  fleet: Fleet,
): ChosenModels | { rejected: Failure } {
  const complexity = task.complexity ?? complexityOf(text, outputSchema !== null)
  const quality = task.quality ?? 'normal'
  const tokens = task.estimatedTokens ?? tokensOf(text.length + historyChars(history), complexity, maxSteps)
  const wanted = modelsFor(tierFor(strategy, { complexity, quality, tokens }), fleet.models.tiers)
  const passed = wanted.filter((model) => missingFor(model, fleet) !== null)
  const models = wanted.filter((model) => !passed.includes(model))
  const guessed = (given: unknown) => (given === null ? ' (estimated)' : '')
  const why =
    `strategy ${strategy}: ${complexity}${guessed(task.complexity)} task, ${quality} quality, ` +
    `${plural(tokens, 'token')}${guessed(task.estimatedTokens)}`
  const note = passed.length === 0 ? '' : `; passed over, because not configured here: ${passed.join(', ')}`
  if (models.length > 0) return { models, reason: why + note }
  const standard = chooseByName(null, null, undefined, fleet)
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
