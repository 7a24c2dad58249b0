// Values of requests. A value of the wrong type is an error: converted to something else, it would be
// recorded.
import type { FastifyRequest } from 'fastify'
import { FlotillaError } from '../../runtime/errors.ts'

/**
 * A JSON number, or NaN, which the client refuses: null, texts and lists are none, although JavaScript
 * converts them.
 */
export const numberOf = (value: unknown): number => (typeof value === 'number' ? value : NaN)

export function textOf(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw invalid(`${name} must be a text, not ${shown(value)}`)
}

/** A number in a query, clamped to these bounds. */
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

/** The fields of a JSON object; none if there is no body. Throws TASK_INVALID for anything else. */
export function bodyOf(request: FastifyRequest): Record<string, unknown> {
  const body = request.body as Record<string, unknown> | null
  if (body === null || body === undefined) return {}
  if (typeof body !== 'object' || Array.isArray(body))
    throw new FlotillaError('TASK_INVALID', 'the body must be a JSON object')
  return body
}

/** Leaves out undefined fields. */
export function present<T extends Record<string, string | undefined>>(
  fields: T,
): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string
  }
}
