// Values of requests. One that is not what it should be is an error: read as something else, it would be recorded.
import type { FastifyRequest } from 'fastify'
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

/** The fields of a JSON object; none without a body. Throws TASK_INVALID for anything else. */
export function bodyOf(request: FastifyRequest): Record<string, unknown> {
  const body = request.body as Record<string, unknown> | null
  if (body === null || body === undefined) return {}
  if (typeof body !== 'object' || Array.isArray(body))
    throw new FlotillaError('TASK_INVALID', 'the body must be a JSON object')
  return body
}

/** Without what is undefined. */
export function present<T extends Record<string, string | undefined>>(
  fields: T,
): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string
  }
}
