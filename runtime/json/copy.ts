import type { Json } from '../../schemas/json.ts'
import { setOwn } from './own-property.ts'

/**
 * A copy that shares nothing with the value, at a tenth of the cost of structuredClone, which writes the value as bytes and
 * reads them. The value must be as shallow as MAX_JSON_DEPTH allows (depth.ts).
 */
export function copyJson(value: Json): Json {
  if (Array.isArray(value)) return value.map(copyJson)
  if (typeof value !== 'object' || value === null) return value
  const copy: { [name: string]: Json } = {}
  for (const name in value) {
    const part = copyJson(value[name] as Json)
    if (name === '__proto__') setOwn(copy, name, part)
    else copy[name] = part
  }
  return copy
}
