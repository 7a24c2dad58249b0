// Values of requests. One that is not what it should be is an error: read as something else, it would be recorded.
import { FlotillaError } from '../../runtime/errors.ts'

/** A number as JSON has it, or NaN, which the client refuses: null, texts and lists are none, though JavaScript converts them. */
export const numberOf = (value: unknown): number => (typeof value === 'number' ? value : NaN)

export function textOf(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw invalid(`${name} must be a text, not ${shown(value)}`)
}

/** A number in a query, within these bounds: what is beyond them is taken as the nearest. */
export function queryNumber(
  name: string,
  value: unknown,
  { least, most, absent }: { least: number; most: number; absent: number },
): number {
  if (value === undefined) return absent
  if (typeof value !== 'string' || !/^-?\d+(\.\d+)?$/.test(value))
    throw invalid(`${name} must be a number, not ${shown(value)}`)
  return Math.min(most, Math.max(least, Number(value)))
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'missing').slice(0, 100)
const invalid = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)
