// Context sizes of models. The table itself is data: runtime/config/defaults.ts, extended by models.sizes of
// the fleet.
import type { ModelSize } from '../config/fleet.ts'
import { parseModel } from './names.ts'
import { longestPrefix } from './prices.ts'

export interface Sizes {
  /** Prompt and answer together; null where unknown. */
  readonly contextTokens: number | null
  /** Longest answer; null where unknown. */
  readonly maxOutputTokens: number | null
}

/** By the longest prefix of the whole name, else of the name without its provider. */
export function sizeOf(model: string, sizes: readonly ModelSize[]): Sizes {
  const row = longestPrefix(model, sizes) ?? longestPrefix(parseModel(model).model, sizes)
  return { contextTokens: row?.contextTokens ?? null, maxOutputTokens: row?.maxOutputTokens ?? null }
}
