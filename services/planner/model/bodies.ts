// Reads a provider's error, from the body of a failed request or within an answer of status 200.
//
// Read by shape: {"error": {…}} and {"error": "…"} (nearly all), a list of these (Gemini), the error at the
// top ({"object":"error"} of vLLM, {"type":"error"}), {"detail": …} (FastAPI), {"message": …} (gateways), and
// within the choice (OpenRouter). Routers put their provider's words into `metadata`.
import { isDeeperThan } from '../../../runtime/json/depth.ts'
import { entriesOf, firstText, hasFields, listOf, shapeOf, textOf, type Shape } from './shapes.ts'

/** Levels of an error that is shown whole. */
export const MAX_SHOWN_DEPTH = 50

export interface SaidError {
  /** HTTP status that the error names; null if it names none. */
  readonly status: number | null
  /** Codes and types, lower case; Azure and vLLM put numbers here. */
  readonly codes: readonly string[]
  readonly param: string | null
  /** Empty if it has no words. */
  readonly message: string
  /** Headers that a router passes on in the body, names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Google's form: `34s`. */
  readonly retryDelay: string | null
}

/** Fields with an error's words. */
const WORDS = [
  'message',
  'detail',
  'error_message',
  'error_msg',
  'errorMessage',
  'msg',
  'status_msg',
] as const

/** The error that a body of status 200 is or holds; null if none. */
export function errorIn(value: unknown): unknown {
  const shape = shapeOf(Array.isArray(value) ? (value as unknown[])[0] : value)
  const choice = entriesOf(shape['choices'])[0] ?? {}
  // MiniMax and Cloudflare.
  const base = shapeOf(shape['base_resp'])
  const inBase = saysSomething(base['status_code']) ? base : null
  const found =
    said(shape['error']) ?? said(choice['error']) ?? inBase ?? said(listOf(shape['errors'])[0]) ?? null
  if (found !== null) return found === true ? shape : found
  if (Array.isArray(shape['choices'])) return null
  const isError = shape['object'] === 'error' || shape['type'] === 'error' || shape['success'] === false
  return isError || WORDS.some((name) => saysSomething(shape[name])) ? shape : null
}

const said = (value: unknown): unknown => (saysSomething(value) ? value : null)

function saysSomething(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return hasFields(value)
  return value !== undefined && value !== null && value !== '' && value !== false && value !== 0
}

export function readError(error: unknown): SaidError {
  const found: unknown = Array.isArray(error) ? (error as unknown[])[0] : error
  const outer = shapeOf(found)
  const shape = saysSomething(outer['error']) ? shapeOf(outer['error']) : outer
  const metadata = shapeOf(shape['metadata'])
  return {
    status: statusOf(shape),
    codes: codesOf(shape, metadata),
    param: firstText(shape['param']) || null,
    message: messageOf(found, outer, shape, metadata),
    headers: headersOf(metadata),
    retryDelay: retryDelayOf(shape, outer),
  }
}

function statusOf(shape: Shape): number | null {
  const named = [shape['code'], shape['status'], shape['status_code'], shape['http_code'], shape['type']]
  const status = named
    .map((value) => (typeof value === 'string' && /^\d{3}$/.test(value.trim()) ? Number(value) : value))
    .find((value) => typeof value === 'number' && value >= 400 && value < 600)
  return typeof status === 'number' ? status : null
}

function codesOf(shape: Shape, metadata: Shape): string[] {
  const inner = shapeOf(shape['innererror'] ?? shape['inner_error'])
  const named = [shape['code'], shape['type'], shape['status'], inner['code'], metadata['error_type']]
  return named
    .filter((code) => typeof code === 'string' || typeof code === 'number')
    .map((code) => String(code).toLowerCase())
}

/** Routers say "Provider returned error" and quote the provider's own words. */
function messageOf(found: unknown, outer: Shape, shape: Shape, metadata: Shape): string {
  const { detail } = outer
  const named = WORDS.flatMap((name) => [shape[name], outer[name]])
  const own = firstText(found, outer['error'], ...named)
  const quoted = firstText(metadata['raw'], metadata['provider_message'])
  const said = [own || listOf(detail).map(shownDetail).join('; '), quoted].filter((part) => part !== '')
  return said.join(': ') || (saysSomething(found) ? shown(found) : '')
}

/** An error of any shape; what is nested deep would overflow the stack. */
const shown = (value: unknown): string =>
  isDeeperThan(value, MAX_SHOWN_DEPTH) ? '(deeply nested)' : JSON.stringify(value)

/** A string, or FastAPI's object with the words and the place of what they are about. */
function shownDetail(detail: unknown): string {
  const { msg, loc } = shapeOf(detail)
  const place = listOf(loc).filter((part) => typeof part === 'string' || typeof part === 'number')
  if (textOf(msg) !== '') return place.length > 0 ? `${place.join('.')}: ${textOf(msg)}` : textOf(msg)
  return firstText(detail) || shown(detail)
}

function headersOf(metadata: Shape): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(shapeOf(metadata['headers'])))
    if (typeof value === 'string' || typeof value === 'number') headers[name.toLowerCase()] = String(value)
  return headers
}

function retryDelayOf(shape: Shape, outer: Shape): string | null {
  const delay = firstText(...listOf(shape['details']).map((detail) => shapeOf(detail)['retryDelay']))
  const named = [shape, outer].flatMap((one) => [
    unitsOf(one['retry_after_ms'], 'ms'),
    unitsOf(one['retry_after'], 's'),
  ])
  return firstText(delay, ...named) || null
}

/** A number has the unit that its name says; text may have one of its own. */
const unitsOf = (value: unknown, unit: string): string =>
  typeof value === 'number' ? `${value}${unit}` : firstText(value)
