// JSON that is the same text for values that differ only in the order of their properties.
import type { Json } from '../../schemas/json.ts'

export const sortedJson = (value: Json): string => JSON.stringify(sortKeys(value))

function sortKeys(value: Json): Json {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  // Assigning would lose a property named __proto__; entries keep it.
  const entries = Object.keys(value).sort()
  return Object.fromEntries(entries.map((name) => [name, sortKeys(value[name] ?? null)]))
}
