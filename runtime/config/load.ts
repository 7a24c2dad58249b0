// Finds flotilla.config.ts, checks all of it (definition-schema.ts, references.ts), and completes it (with-defaults.ts). Every
// mistake is reported at once, with its path and remedy, before anything starts.
import { fileURLToPath } from 'node:url'
import { FlotillaError } from '../errors.ts'
import { keepSecrets } from '../text/redaction.ts'
import { plural } from '../text/quantities.ts'
import { collectToolMistakes, toolMistake } from './define.ts'
import { definitionSchema } from './definition-schema.ts'
import { fieldsOf } from './effective.ts'
import type { Environment } from './environment.ts'
import { fleetSecrets } from './environment/secrets.ts'
import { executorMistakes } from './executors.ts'
import type { Fleet, FleetDefinition } from './fleet.ts'
import { mistakesOf } from './issues.ts'
import { toolsOfServers } from './mcp/load.ts'
import { completeMcpServers, type McpServerDefinition } from './mcp/servers.ts'
import { mistakeList } from './mistake-list.ts'
import { findDefinition, importDefinition } from './project/definition-file.ts'
import { importMistake } from './project/import-mistake.ts'
import { placesOf, shownPath, thrownPlace } from './project/source-place.ts'
import { isObject, references } from './references.ts'
import { withDefaults } from './with-defaults.ts'

/** Reads and completes the working directory's configuration. Throws CONFIG_INVALID with every mistake. */
export async function loadFleet(environment: Environment, directory: string = process.cwd()): Promise<Fleet> {
  const file = findDefinition(environment, directory)
  const [value, toolMistakes] = await collectToolMistakes(() => importDefinition(file))
  try {
    return completeFleet(value, environment, file, toolMistakes)
  } catch (error) {
    // Code of the file runs here too: a getter, a proxy, the conversion of a schema.
    if (error instanceof FlotillaError || thrownPlace(error) === null) throw error
    throw new FlotillaError('CONFIG_INVALID', importMistake(file, error), { cause: error })
  }
}

/** Checks a definition and fills in what it leaves out. `source` names it in messages. */
export function completeFleet(
  value: unknown,
  environment: Environment,
  source: string,
  toolMistakes: readonly string[] = [],
): Fleet {
  const issues = definitionSchema.safeParse(value).error?.issues ?? []
  // Invalid parts are left out, so that the rest can be cross-checked.
  const rest = issues.reduce((sound, { path }) => without(sound, path), value)
  const sound = (isObject(rest) ? rest : {}) as FleetDefinition
  const servers = isObject(sound.mcpServers) ? sound.mcpServers : {}
  const named = completeMcpServers(servers as Record<string, McpServerDefinition>)
  const fromServers = toolsOfServers(named, environment, source)
  const ours = withDefaults(sound, environment)
  const fleet = {
    ...ours,
    tools: [...ours.tools, ...fromServers.tools],
    ...(named.length > 0 && { mcpServers: fromServers.servers }),
  }
  const mistakes = [
    ...issues.flatMap(mistakesOf),
    ...fromServers.mistakes,
    ...references(fleet, sound),
    ...executorMistakes(fleet.sandbox ?? {}, environment.raw),
  ]
  // A module is imported once: tools that are known to be mistaken are listed at every later load too.
  const ofTools = [...new Set([...toolMistakes, ...fleet.tools.flatMap((each) => toolMistake(each) ?? [])])]
  if (mistakes.length + ofTools.length > 0) throw invalid(source, ofTools, mistakes)
  keepSecrets(fleetSecrets(fleet, environment.raw))
  return { ...fleet, from: { file: source, given: fieldsOf(value).map(([path]) => path) } }
}

/** `ofTools` come with their places in the source; those of the others are looked up. */
function invalid(source: string, ofTools: readonly string[], mistakes: readonly string[]): FlotillaError {
  const placeOf = placesOf(source)
  const placed = (mistake: string): string => {
    const place = ofTools.includes(mistake) ? null : placeOf(/^(.*?): /.exec(mistake)?.[1] ?? '')
    return place === null ? mistake : `${place}  ${mistake}`
  }
  const shown = source.startsWith('file:') ? shownPath(fileURLToPath(source)) : source
  const all = [...ofTools, ...mistakes]
  const list = mistakeList(all, placed)
  return new FlotillaError('CONFIG_INVALID', `${shown} has ${plural(all.length, 'mistake')}:\n${list}`)
}

/** A copy without the value at this path; list items keep their indices, as their author sees them. */
function without(value: unknown, [key, ...rest]: readonly PropertyKey[]): unknown {
  if (key === undefined) return isObject(value) ? value : undefined
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (index === key ? without(item, rest) : item))
  if (!isObject(value)) return value
  const { [String(key)]: inner, ...others } = value
  const kept = rest.length === 0 ? undefined : without(inner, rest)
  return kept === undefined ? others : { ...others, [String(key)]: kept }
}
