// Names of a fleet that may become labels of metrics and names of spans.
import type { Fleet } from '../config/fleet.ts'
import { SCRIPTED_MODEL } from '../models/names.ts'
import type { KnownNames } from './records.ts'

/** For programs without a fleet: they count no tasks of others. */
const isKnown = (): boolean => true
export const allNames: KnownNames = {
  agent: isKnown,
  profile: isKnown,
  model: isKnown,
  provider: isKnown,
  tool: isKnown,
  rule: isKnown,
  channel: isKnown,
}

const among = (names: Iterable<string>): ((name: string) => boolean) => {
  const known = new Set(names)
  return (name) => known.has(name)
}

export function knownNames(fleet: Fleet): KnownNames {
  const { agents, tools, models, alerts, overrides } = fleet
  const allowed = [overrides, ...Object.values(agents).map((agent) => agent.overrides)]
  return {
    agent: among(Object.keys(agents)),
    profile: among(Object.keys(models.profiles)),
    model: among([...modelsOf(fleet), ...listed(allowed)]),
    provider: among(Object.keys(models.providers)),
    tool: among(tools.map(({ spec }) => spec.name)),
    rule: among(alerts.rules.map(({ name }) => name)),
    channel: among(['log', ...Object.keys(alerts.channels)]),
  }
}

/** Every model that the configuration names, including rows of prices and sizes. */
const modelsOf = ({ models }: Fleet): string[] => [
  models.default ?? '',
  SCRIPTED_MODEL,
  ...Object.values(models.tiers),
  ...Object.values(models.profiles).flatMap((profile) => profile.models),
  ...[...models.prices, ...models.sizes].map(({ model }) => model),
]

const listed = (all: readonly ({ model?: boolean | string[] } | undefined)[]): string[] =>
  all.flatMap((overrides) => (Array.isArray(overrides?.model) ? overrides.model : []))
