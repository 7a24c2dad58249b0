// Formats in the schemas of the configuration that are not known. The standard has them constrain nothing; their
// author may have meant another.
import type { Json } from '../../../schemas/json.ts'
import type { Fleet } from '../fleet.ts'
import { knownFormats } from './compile.ts'

/** Values under these names are data, not schemas. */
const DATA = new Set(['default', 'const', 'enum', 'examples', 'example'])

/** One warning for each such format. */
export function formatWarnings({ tools, agents }: Pick<Fleet, 'tools' | 'agents'>): string[] {
  const known = knownFormats()
  const found = new Map<string, string>()
  const schemas = [
    ...tools.map(({ spec }) => [`tool ${spec.name}`, [spec.input, spec.output]] as const),
    ...Object.entries(agents).map(
      ([name, { outputSchema }]) => [`agent ${name}`, [outputSchema ?? null]] as const,
    ),
  ]
  for (const [owner, all] of schemas)
    for (const format of all.flatMap((schema) => [...formatsIn(schema)]))
      if (!known.has(format) && !found.has(format)) found.set(format, owner)
  return [...found].map(
    ([format, owner]) =>
      `the format "${format}" in a schema of ${owner} is not known, so nothing is checked by it; use one of JSON Schema's (date, date-time, email, uri, uuid, …), or "pattern"`,
  )
}

function* formatsIn(schema: Json | undefined): Generator<string> {
  const left: Json[] = [schema ?? null]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next !== 'object' || next === null) continue
    for (const [name, value] of Object.entries(next)) {
      if (name === 'format' && typeof value === 'string') yield value
      else if (!DATA.has(name)) left.push(value)
    }
  }
}
