// Prices of tokens. The table itself is data: runtime/config/defaults.ts, extended by models.prices of the
// fleet.
import type { Price } from '../config/fleet.ts'
import { parseModel } from './names.ts'

export interface ModelPrice {
  /** US dollars per million tokens. */
  readonly inputPerMillion: number
  readonly outputPerMillion: number
  /** True if no price of this model is known, or only another provider's. */
  readonly isGuess: boolean
}

/** For models that no row covers. */
const GUESS = { inputPerMillion: 1, outputPerMillion: 1, isGuess: true } as const

/** Providers whose rows use the bare model name, because they make the model. */
const FIRST_PARTY: readonly string[] = ['openai', 'anthropic']

/**
 * The row with the longest prefix of the whole name; for a provider's own models also of the name without its
 * provider (`openai/gpt-4o` = `gpt-4o`). The same model at another provider gets that price as a guess. Of
 * equal rows the first wins.
 */
export function priceOf(model: string, prices: readonly Price[]): ModelPrice {
  const whole = longestPrefix(model, prices)
  if (whole !== undefined) return toPrice(whole, false)
  const { provider, model: rest } = parseModel(model)
  const bare = longestPrefix(rest, prices)
  return bare === undefined ? GUESS : toPrice(bare, !FIRST_PARTY.includes(provider))
}

/** US dollars. */
export function costOf(
  model: string,
  inputTokens: number,
  outputTokens: number,
  prices: readonly Price[],
): number {
  const price = priceOf(model, prices)
  return (inputTokens * price.inputPerMillion + outputTokens * price.outputPerMillion) / 1_000_000
}

function toPrice(row: Price, isGuess: boolean): ModelPrice {
  return { inputPerMillion: row.input, outputPerMillion: row.output, isGuess }
}

/** The row with the longest matching prefix; of equal ones the first. */
export function longestPrefix<R extends { readonly model: string }>(
  name: string,
  rows: readonly R[],
): R | undefined {
  let best: R | undefined
  for (const row of rows) {
    if (!name.startsWith(row.model)) continue
    if (best === undefined || row.model.length > best.model.length) best = row
  }
  return best
}
