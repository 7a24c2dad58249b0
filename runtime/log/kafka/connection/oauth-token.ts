// Tokens for SASL/OAUTHBEARER: from a file that somebody renews, or from an OAuth 2 token endpoint by the grant
// `client_credentials` (RFC 6749, section 4.4).
import type { SaslToken } from '../../../config/environment/server-security.ts'
import { messageOf } from '../../../errors.ts'
import { keepPassingSecrets } from '../../../text/redaction.ts'

const REQUEST_MS = 10_000
/** A token is used for this part of its life, so that it does not end on its way to the broker. */
const USED_PART = 0.8
/** The life of a token whose endpoint names none. */
const DEFAULT_LIFE_S = 300
const MAX_ANSWER_CHARS = 100_000

interface Granted {
  readonly token: string
  readonly untilMs: number
}

/** Connections that authenticate at the same time share one request. Rejects with the endpoint's reason. */
export function tokenProvider(source: SaslToken): () => Promise<string> {
  if ('token' in source) return () => Promise.resolve(source.token())
  let asked: Promise<Granted> | null = null
  return async () => {
    const current = await asked?.catch(() => null)
    if (current && performance.now() < current.untilMs) return current.token
    if (current) asked = null
    asked ??= grant(source)
    asked.catch(() => (asked = null))
    return (await asked).token
  }
}

async function grant(source: Exclude<SaslToken, { token: unknown }>): Promise<Granted> {
  const { endpoint, clientId, clientSecret, scope } = source
  const place = new URL(endpoint).origin
  const identity = [clientId, clientSecret()].map(formEncoded).join(':')
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...(scope ? { scope } : {}) })
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(identity).toString('base64')}`,
      accept: 'application/json',
    },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(REQUEST_MS),
  }).catch((cause: unknown) => {
    throw new Error(`the token endpoint at ${place} can't be reached: ${messageOf(cause)}`, { cause })
  })
  const text = (await response.text()).slice(0, MAX_ANSWER_CHARS)
  const { access_token: token, expires_in: lifeS, error } = fieldsOf(text)
  if (!response.ok || typeof token !== 'string' || token === '')
    throw new Error(
      `the token endpoint at ${place} answered ${response.status}${typeof error === 'string' ? ` (${error})` : ''} without a token`,
    )
  keepPassingSecrets([token])
  const usedMs = 1_000 * USED_PART * (typeof lifeS === 'number' && lifeS > 0 ? lifeS : DEFAULT_LIFE_S)
  return { token, untilMs: performance.now() + usedMs }
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

const formEncoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1)
