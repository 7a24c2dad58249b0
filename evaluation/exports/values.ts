// What exporters to other tools share.
import type { Json } from '../../schemas/json.ts'

/** The weighted mean of a case's scores, beside the scorers themselves. */
export const OVERALL = 'flotilla'

export const asText = (output: Json): string =>
  typeof output === 'string' ? output : JSON.stringify(output ?? null)

export const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
