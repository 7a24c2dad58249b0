// Reads a provider's error, from the body of a failed request or within an answer of status 200.
//
// Read by shape: {"error": {…}} and {"error": "…"} (nearly all), a list of these (Gemini), the error at the
// top ({"object":"error"} of vLLM, {"type":"error"}), {"detail": …} (FastAPI), {"message": …} (gateways), and
// within the choice (OpenRouter). Routers put their provider's words into `metadata`.
import { firstText, listOf, shapeOf, type Shape } from './shapes.ts'

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

/** The error that a body of status 200 is or holds; null if none. */
export function errorIn(value: unknown): unknown {
  if (Array.isArray(value)) return errorIn((value as unknown[])[0])
  const shape = shapeOf(value)
  const choice = shapeOf(listOf(shape['choices'])[0])
  const found = [shape['error'], choice['error']].find(saysSomething)
  if (found !== undefined) return found
  const isAnswer = Array.isArray(shape['choices'])
  const isError = shape['object'] === 'error' || shape['type'] === 'error'
  const hasWords = ['message', 'detail', 'error_message', 'msg'].some((name) => saysSomething(shape[name]))
  return !isAnswer && (isError || hasWords) ? value : null
}

function saysSomething(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0
  return value !== undefined && value !== null && value !== '' && value !== false
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
    retryDelay: retryDelayOf(shape),
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
  const own = firstText(found, outer['error'], shape['message'], outer['message'], detail, shape['msg'])
  const quoted = firstText(metadata['raw'], metadata['provider_message'])
  const said = [own || listOf(detail).map(shownDetail).join('; '), quoted].filter((part) => part !== '')
  return said.join(': ') || (saysSomething(found) ? JSON.stringify(found) : '')
}

const shownDetail = (detail: unknown): string =>
  firstText(detail, shapeOf(detail)['msg']) || JSON.stringify(detail)

function headersOf(metadata: Shape): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(shapeOf(metadata['headers'])))
    if (typeof value === 'string' || typeof value === 'number') headers[name.toLowerCase()] = String(value)
  return headers
}

function retryDelayOf(shape: Shape): string | null {
  return firstText(...listOf(shape['details']).map((detail) => shapeOf(detail)['retryDelay'])) || null
}
