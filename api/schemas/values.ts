// Values of requests. Those of a query come as text; what the API's description says of them is their value.
import { z } from 'zod'
import { sinceOf } from '../../runtime/ledger/times.ts'
import type { Json } from '../../schemas/json.ts'
import { isName, MAX_NAME_CHARS, MAX_REMARK_CHARS } from '../../schemas/identity.ts'

/** Any JSON value. */
export const json: z.ZodType<Json> = z.any()

/** Epoch milliseconds. */
export const timeMs = z.number().meta({ description: 'Epoch milliseconds.' })

/** No C0, DEL, C1, and line ends of Unicode; the second also allows tabs and line ends. */
const inName = String.raw`[^\x00-\x1f\x7f-\x9f\u2028\u2029]`
export const namePattern = new RegExp(`^${inName}*[^\\s\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]${inName}*$`)
const remarkPattern = /^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$/

/** Documented limits; schemas/identity.ts enforces them, as for every other way in. */
const documented = (limits: z.core.GlobalMeta): z.ZodString => z.string().meta(limits)
const nameLimits = { minLength: 1, maxLength: MAX_NAME_CHARS, pattern: namePattern.source }
export const name = (description: string): z.ZodString => documented({ description, ...nameLimits })
/** A name that is checked here, in a query that only reads. */
export const readName = (description: string) =>
  z
    .string()
    .refine(isName, {
      error: `must be a name: 1 to ${MAX_NAME_CHARS} characters, none of control, none invisible`,
    })
    .meta({ description, ...nameLimits })
export const remark = (description: string): z.ZodString =>
  documented({ description, maxLength: MAX_REMARK_CHARS, pattern: remarkPattern.source })

/** A share from 0 to 1. */
export function share(description: string): z.ZodNumber {
  const error = 'must be a number from 0 to 1'
  return z.number({ error }).min(0, { error }).max(1, { error }).meta({ description })
}

/** A whole number above 0. */
export function count(description: string): z.ZodNumber {
  const error = 'must be a whole number above 0'
  return z
    .number({ error })
    .int({ error })
    .min(1, { error })
    .max(Number.MAX_SAFE_INTEGER, { error })
    .meta({ description })
}

const given = (error: string) => z.string({ error })

/** A text in a query. */
export const text = (description: string) =>
  z
    .string({ error: ({ input }) => (Array.isArray(input) ? 'is given more than once' : 'must be a text') })
    .meta({ description })

interface Bounds {
  readonly least: number
  readonly most: number
}

const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i

/** A whole number in a query, rounded down and clamped to the bounds. */
export const clamped = (bounds: Bounds, description: string) => within(bounds, description, Math.floor)

/** Seconds in a query, or a part of one, clamped to the bounds. */
export const seconds = (bounds: Bounds, description: string) => within(bounds, description, Number)

function within({ least, most }: Bounds, description: string, rounded: (value: number) => number) {
  const error = 'must be a number'
  return given(error)
    .regex(NUMBER, { error })
    .transform((value) => Math.min(most, Math.max(least, rounded(Number(value)))))
    .meta({
      description: `${description} From ${least} to ${most}; beyond, the nearest.`,
      type: 'number',
      pattern: undefined,
    })
}

/** A number of at least 0 in a query. */
export function amount(description: string) {
  const error = 'must be a number of at least 0'
  return given(error)
    .refine((value) => NUMBER.test(value) && Number(value) >= 0, { error })
    .transform(Number)
    .meta({ description, type: 'number', minimum: 0 })
}

/** A whole number in a query. */
export function whole({ least, most }: Bounds, description: string) {
  const error = `must be a whole number from ${least} to ${most}`
  const isWithin = (value: string) => Number(value) >= least && Number(value) <= most
  return given(error)
    .refine((value) => /^\d{1,15}$/.test(value) && isWithin(value), { error })
    .transform(Number)
    .meta({ description, type: 'integer', minimum: least, maximum: most })
}

/** `true` or `false` in a query. */
export const flag = (description: string) =>
  z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .transform((value) => value === 'true')
    .meta({ description, type: 'boolean', enum: undefined })

const TIME_EXAMPLE = '2026-11-01T08:00Z'
const TIME_ERROR = `must be a day (2026-11-01), a time (${TIME_EXAMPLE}) or how long ago (30m, 2h, 1d)`

/** A day, a time, or how long ago, in a query; as epoch milliseconds. */
export const time = (description: string) =>
  given(TIME_ERROR)
    .transform((value, context) => {
      try {
        return sinceOf(value)
      } catch {
        context.addIssue({ code: 'custom', message: TIME_ERROR, input: value })
        return z.NEVER
      }
    })
    .meta({
      description: `${description} A day (2026-11-01), a time (${TIME_EXAMPLE}), epoch milliseconds, or how long ago (30m, 2h, 1d).`,
      pattern: String.raw`^(\d{1,6}[smhd]|\d{13}|\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])(T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,3})?)?Z)?)$`,
      examples: ['2h', TIME_EXAMPLE],
    })
