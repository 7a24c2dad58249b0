// What the registry itself has answered, and what only stood in its place.
//
// 1. A proxy or an ingress in front of a registry says 404 too while the registry is away. Records must not be given up for
//    that, nor an owner's level of compatibility be written over.
// 2. Every request ends: the client waits forever for the rest of an answer that breaks off.
import { messageOf } from '../errors.ts'
import { shortened } from '../text/bounded-text.ts'

/** With the client's own retries. */
const ANSWER_TIMEOUT_MS = 20_000

/** As far as it is used here of an answer of the client. */
interface Answer {
  status(): number
  headers(): Readonly<Record<string, unknown>>
  data(): unknown
}

/** What must be in an answer, by the client's names for its requests. */
const needed: Readonly<Record<string, { field: string; type: 'string' | 'number' }>> = {
  find: { field: 'schema', type: 'string' },
  register: { field: 'id', type: 'number' },
  registered: { field: 'id', type: 'number' },
  latestVersion: { field: 'id', type: 'number' },
  config: { field: 'compatibilityLevel', type: 'string' },
}

/** The registry's own answer to a request. Rejects with its own verdict, which has a status, or with an error without one. */
export async function answerOf<A extends Answer>(request: string, pending: Promise<A>): Promise<A> {
  const answer = await inTime(pending).catch((error: unknown) => {
    throw asSaid(error)
  })
  const status = answer.status()
  const { location } = answer.headers()
  if (status >= 300 && typeof location === 'string')
    throw new Error(`it redirects to ${location} (status ${status})`)
  const data = answer.data()
  const { field, type } = needed[request] ?? {}
  const isObject = typeof data === 'object' && data !== null
  if (isObject && (!field || typeof (data as Record<string, unknown>)[field] === type)) return answer
  const missing = isObject ? `has no ${field}` : 'is no JSON object'
  throw new Error(`what it answered with status ${status} ${missing}`)
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Error(`no complete answer within ${ANSWER_TIMEOUT_MS / 1_000} s`)),
    ANSWER_TIMEOUT_MS,
  )
  return Promise.race([answer, late.promise]).finally(() => clearTimeout(timer))
}

/** The client's message of an answer that has none of its own: a page, or nothing. */
const page = /^Error, status \d+(: )?/
/** It names a status too if no server answered. */
const invented = /^Error, status 400: (?=connect |getaddrinfo |socket |read |write |Timeout )/

/** A registry names what it has not found; a gateway says that it knows no such route. */
const ofSchemas = /(?<!\/)(schema|subject|version|artifact|content|rule|compatib)/i
const MESSAGE_CHARS = 500

/** The error of the client, without its status if that says nothing of a schema. */
function asSaid(error: unknown): unknown {
  const status = statusOf(error)
  if (status === undefined) return error
  const said = shortened(messageOf(error).replace(/^flotilla - /, ''), MESSAGE_CHARS)
  const text = said.replace(page, '') || 'nothing'
  if (status === 401 || status === 403)
    return new Error(
      `it refused the credentials of SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD, or of the URL (status ${status}): ${text}`,
    )
  const isVerdict = status === 404 || status === 409 || status === 422
  if (!isVerdict) return Object.assign(new Error(said.replace(invented, '')), { status })
  const isOwn = !page.test(said) && (status !== 404 || ofSchemas.test(said))
  return isOwn
    ? Object.assign(new Error(said), { status })
    : new Error(`a page or a gateway in its place answered with status ${status}: ${text}`)
}

export const statusOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined
