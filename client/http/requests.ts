// Single requests to a gateway, and the errors that it answers with.
import { OMITTED_HEADER, omissionsIn } from '../../api/omitted.ts'
import { FlotillaError, type ErrorCode, errorTable } from '../../runtime/errors.ts'
import { omissionsNow } from '../../runtime/omitted.ts'
import { isSendable } from '../../runtime/text/sendable.ts'

type ErrorBody = { code?: string; message?: string; retryAfterMs?: number }

/** A gateway's error, or the one for an answer that is not a gateway's. */
export function refusal(status: number, text: string, url: string): FlotillaError {
  const { code = '', message = '', ...wait } = errorIn(text) ?? {}
  if (Object.hasOwn(errorTable, code)) return new FlotillaError(code as ErrorCode, message, wait)
  return new FlotillaError('GATEWAY_UNAVAILABLE', `${url} answered ${status}: this is not a fleet's gateway`)
}

function errorIn(text: string): ErrorBody | undefined {
  try {
    return (JSON.parse(text) as { error?: ErrorBody } | null)?.error
  } catch {
    return undefined
  }
}

/** A gateway accepts requests with an effect only as JSON, so that no web page can send them by accident. */
function withType(init: RequestInit): RequestInit {
  const headers = new Headers(init.headers)
  if (!headers.has('content-type')) headers.set('content-type', 'application/json')
  return { ...init, headers }
}

/** The header that carries a key; none without one. Throws CONFIG_INVALID if none can. */
export function authorization(apiKey: string | undefined): Record<string, string> {
  if (apiKey === undefined || apiKey === '') return {}
  if (isSendable(apiKey)) return { authorization: `Bearer ${apiKey}` }
  const message = 'the API key holds a line end, or a character that no header can carry'
  throw new FlotillaError('CONFIG_INVALID', message)
}

export const noGateway = (url: string, cause: unknown): FlotillaError =>
  new FlotillaError('GATEWAY_UNAVAILABLE', `no gateway answers at ${url}`, { cause })

/** The connection broke off in the middle of an answer. */
export const brokenOff = (url: string, cause: unknown): FlotillaError =>
  new FlotillaError('GATEWAY_UNAVAILABLE', `the connection to the gateway at ${url} broke`, { cause })

export const withoutSlash = (url: string): string => url.replace(/\/+$/, '')

/** One request to a gateway. Rejects with its error, or GATEWAY_UNAVAILABLE. */
export async function askGateway(gateway: string, path: string, init: RequestInit = {}): Promise<Response> {
  const url = withoutSlash(gateway)
  const response = await fetch(url + path, withType(init)).catch((cause: unknown) => {
    throw noGateway(url, cause)
  })
  omissionsNow()?.reported(omissionsIn(response.headers.get(OMITTED_HEADER)))
  if (response.ok) return response
  const text = await response.text().catch(() => '')
  throw refusal(response.status, text, url + path)
}

/** One request whose answer is JSON, or nothing (204): null. */
export async function askJson<T>(gateway: string, path: string, init: RequestInit = {}): Promise<T | null> {
  const response = await askGateway(gateway, path, init)
  if (response.status === 204) return null
  const text = await response.text().catch((cause: unknown) => {
    throw brokenOff(withoutSlash(gateway), cause)
  })
  return JSON.parse(text) as T
}
