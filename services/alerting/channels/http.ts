// POSTs to a channel, and interprets its answer.
import { FlotillaError } from '../../../runtime/errors.ts'
import { redacted } from '../../../runtime/text/redaction.ts'

const SHOWN_CHARS = 300
const READ_BYTES = 10_000
/** Statuses to retry although they are not 5xx: timeout, too early, too many requests. */
const LATER = [408, 425, 429]

export async function post(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const request = { method: 'POST', body, headers, signal, redirect: 'manual' } as const
  const response = await fetch(url, request).catch((cause: unknown) => {
    if (signal.aborted) throw signal.reason
    throw new FlotillaError('CHANNEL_UNAVAILABLE', `${hostOf(url)} can't be reached: ${reasonOf(cause)}`, {
      cause,
    })
  })
  const text = redacted(await beginningOf(response).catch(() => ''))
    .trim()
    .slice(0, SHOWN_CHARS)
  const answer = `${response.status} ${text}`.trim()
  if (response.ok) return answer
  const mayPass = response.status >= 500 || LATER.includes(response.status)
  const retryAfterMs = mayPass ? retryAfterOf(response.headers) : undefined
  throw new FlotillaError(
    mayPass ? 'CHANNEL_UNAVAILABLE' : 'CHANNEL_REFUSED',
    `${hostOf(url)} answered ${answer}`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  )
}

/** The beginning of an answer: the rest is not needed, and may not end. */
async function beginningOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let left = READ_BYTES
  for await (const chunk of body ?? []) {
    chunks.push(chunk.subarray(0, left))
    left -= chunk.length
    if (left <= 0) break
  }
  return Buffer.concat(chunks).toString()
}

/** The path of a webhook is its secret: only the host is shown. */
const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'an invalid URL')

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}

function retryAfterOf(headers: Headers): number | undefined {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
