// Maps a provider's failure to a row of the error table.
//
// 1. Status and the provider's own code or type decide. Words of a message decide only if some provider gives
//    nothing else, and then only within a status.
// 2. The first rule that fits wins, so special rules stand before general ones.
// 3. An error without a status came within an answer of status 200: the server had accepted the request, so
//    an error that no rule recognises is the server's own failure.
// 4. Pure: shapes come in as data, and the table-driven test shows what OpenAI, Groq, Anthropic, Azure,
//    Ollama, vLLM and llama.cpp really send.
import { FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import { shownUrl } from '../../../runtime/text/redaction.ts'
import { saysTooLong } from './context-errors.ts'
import { retryAfterOf } from './waits.ts'
import type { ModelSpend } from '../call.ts'

/** The known facts of a failed request. */
export interface ProviderFailure {
  /** HTTP status, or the one that an error within an answer names; undefined when there is neither. */
  readonly status: number | undefined
  /** The provider's code and type, lower case; Azure and vLLM put numbers here. */
  readonly codes: readonly string[]
  /** The parameter that it names. */
  readonly param: string | null
  readonly message: string
  /** Code of the socket error, for example ECONNREFUSED. */
  readonly cause: string | null
  readonly header: (name: string) => string | null
  /** How long to wait, in the body's words. */
  readonly retryDelay: string | null
  /** What of the answer had arrived, in words; empty: nothing. */
  readonly received?: string
  /** The request had begun to leave. */
  readonly isSent?: boolean
}

/** The called server, for messages. */
export interface CallSite {
  readonly provider: string
  readonly model: string
  /** Variable that holds the key. */
  readonly keyEnv: string | undefined
  readonly baseUrl: string
}

/** Longest part of a provider's message shown in an error. Characters. */
const MAX_MESSAGE_CHARS = 500
/** Longest part of it that the rules search. Characters. */
const MAX_READ_CHARS = 4_000

interface Rule {
  readonly statuses?: readonly number[]
  /** Applies also, or only, if there is no status. */
  readonly within?: 'also' | 'only'
  readonly codes?: readonly string[]
  readonly says?: RegExp | ((message: string) => boolean)
  /** The message and the parameter must not match this. */
  readonly not?: RegExp
  readonly gives: ErrorCode
}

const QUOTA_CODES = [
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'quota_exceeded',
  'quotaexceeded',
  'exceeded_current_quota_error',
  'billing_error',
]
const CONTEXT_CODES = [
  'context_length_exceeded',
  'exceed_context_size_error',
  'model_max_prompt_tokens_exceeded',
  'context_window_exceeded',
  'tokens_limit_reached',
]
const FILTER_CODES = [
  'content_filter',
  'content_policy_violation',
  'responsibleaipolicyviolation',
  'datainspectionfailed',
  'data_inspection_failed',
]
const BUSY_CODES = ['overloaded_error', 'overloaded', 'engine_overloaded_error', 'unavailable_error']

const KEY_WORDS =
  /\b(api[ _-]?)?key\b[^.]{0,40}\b(not valid|invalid|incorrect|expired|revoked|missing)|(invalid|incorrect|missing|no)[ _]+(api[ _-]?key|auth|credentials)|unauthori[sz]ed|unauthenticated/i

const rules: readonly Rule[] = [
  { codes: QUOTA_CODES, gives: 'MODEL_QUOTA_EXCEEDED' },
  { statuses: [402], gives: 'MODEL_QUOTA_EXCEEDED' },
  {
    statuses: [400, 403],
    within: 'also',
    says: /credit balance is too low|insufficient (balance|credit)|\bquota\b/i,
    gives: 'MODEL_QUOTA_EXCEEDED',
  },
  { codes: CONTEXT_CODES, gives: 'MODEL_CONTEXT_TOO_LONG' },
  // The same code is used for an id or a name that is too long.
  {
    codes: ['string_above_max_length'],
    not: /\b(id|name|user|metadata)\b/i,
    gives: 'MODEL_CONTEXT_TOO_LONG',
  },
  // OpenAI's 429 for a request that alone is larger than the limit of a minute: no wait makes it fit.
  { statuses: [429], says: /^request too large/i, gives: 'MODEL_CONTEXT_TOO_LONG' },
  { statuses: [413], gives: 'MODEL_CONTEXT_TOO_LONG' },
  // Some self-hosted servers answer 500 for it.
  { statuses: [400, 422, 500], within: 'also', says: saysTooLong, gives: 'MODEL_CONTEXT_TOO_LONG' },
  { codes: FILTER_CODES, gives: 'MODEL_CONTENT_FILTERED' },
  // OpenRouter gives a moderated prompt the status of a wrong key.
  { statuses: [403], says: /\bmoderation\b|\bflagged\b/i, gives: 'MODEL_CONTENT_FILTERED' },
  // Groq: the model's own tool call could not be parsed. A retry may well succeed.
  { codes: ['tool_use_failed', 'output_parse_failed'], gives: 'MODEL_ANSWER_MALFORMED' },
  { codes: ['rate_limit_exceeded', 'rate_limit_error'], gives: 'MODEL_RATE_LIMITED' },
  // 498: Groq's flex tier has no capacity left.
  { statuses: [429, 498], gives: 'MODEL_RATE_LIMITED' },
  // Gateways pass these on with a status of their own.
  { codes: BUSY_CODES, gives: 'MODEL_UNAVAILABLE' },
  { codes: ['invalid_api_key', 'authentication_error', 'permission_error'], gives: 'MODEL_AUTH_FAILED' },
  { statuses: [401, 403], gives: 'MODEL_AUTH_FAILED' },
  // Gemini's 400 for a wrong key.
  { statuses: [400], within: 'also', says: KEY_WORDS, gives: 'MODEL_AUTH_FAILED' },
  { statuses: [408, 504, 524], gives: 'MODEL_TIMEOUT' },
  // Another request held a lock, or the server was not ready: nothing is wrong with the request.
  { statuses: [409, 423, 425, 499], gives: 'MODEL_UNAVAILABLE' },
  // A status outweighs a general type: Ollama types its 404 as api_error.
  {
    within: 'only',
    codes: ['resource_exhausted', 'rate_limited', 'too_many_requests', 'throttlingexception'],
    gives: 'MODEL_RATE_LIMITED',
  },
  { within: 'only', says: /rate limit|too many requests/i, gives: 'MODEL_RATE_LIMITED' },
  {
    within: 'only',
    codes: ['unauthenticated', 'unauthorized', 'permission_denied', 'forbidden'],
    gives: 'MODEL_AUTH_FAILED',
  },
  { within: 'only', codes: ['deadline_exceeded', 'timeout', 'request_timeout'], gives: 'MODEL_TIMEOUT' },
  {
    within: 'only',
    codes: [
      'invalid_request_error',
      'badrequesterror',
      'bad_request',
      'invalid_argument',
      'failed_precondition',
      'invalid_prompt',
      'not_found',
      'not_found_error',
      'notfounderror',
      'model_not_found',
    ],
    gives: 'MODEL_REQUEST_REFUSED',
  },
]

/** The cause of a failure whose answer is not HTTP/1.1. */
export const NOT_HTTP = 'not HTTP/1.1'
const UNREADABLE = /^UND_ERR_(?:HEADERS_OVERFLOW|RES_)/
/** Codes of OpenSSL for a certificate that nobody vouches for. */
const CERTIFICATE = /SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)/

const TIMEOUT_CAUSES = [
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]

function codeOf(failure: ProviderFailure): ErrorCode {
  const { status, cause } = failure
  if (cause !== null) return TIMEOUT_CAUSES.includes(cause) ? 'MODEL_TIMEOUT' : 'MODEL_UNAVAILABLE'
  const rule = rules.find((candidate) => fits(candidate, failure))
  if (rule !== undefined) return rule.gives
  return status === undefined || status >= 500 ? 'MODEL_UNAVAILABLE' : 'MODEL_REQUEST_REFUSED'
}

function fits({ statuses, within, says, not, ...rule }: Rule, failure: ProviderFailure): boolean {
  const { status, codes, param } = failure
  const message = failure.message.slice(0, MAX_READ_CHARS)
  if (status === undefined ? statuses !== undefined && within === undefined : within === 'only') return false
  if (status !== undefined && statuses !== undefined && !statuses.includes(status)) return false
  if (rule.codes !== undefined && !rule.codes.some((code) => codes.includes(code))) return false
  if (not?.test(`${message} ${param ?? ''}`)) return false
  return says === undefined || (typeof says === 'function' ? says(message) : says.test(message))
}

/** The error to throw. `spend`: usage of the call before it failed. */
export function providerError(
  failure: ProviderFailure,
  site: CallSite,
  spend?: ModelSpend,
  cause?: unknown,
): FlotillaError {
  const code = codeOf(failure)
  const hints = { ...failure, message: failure.message.slice(0, MAX_READ_CHARS) }
  const retryAfterMs = retryAfterOf(hints, Date.now())
  return new FlotillaError(code, describe(code, failure, site), {
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    ...(spend === undefined ? {} : { details: spend }),
    cause,
  })
}

function describe(code: ErrorCode, failure: ProviderFailure, site: CallSite): string {
  const said = failure.message.replaceAll(/\s+/g, ' ').trim().slice(0, MAX_MESSAGE_CHARS)
  const answered =
    failure.status !== undefined
      ? `${site.provider} answered ${failure.status} for model ${site.model}`
      : failure.cause === null
        ? `${site.provider} failed in its answer for model ${site.model}`
        : `${site.provider} at ${site.baseUrl} ${brokeOff(failure)} (${failure.cause})`
  const message = `${answered}: ${said || 'no message'}`
  const help = advice(code, failure, site)
  return help === '' ? message : `${message.replace(/\.$/, '')}.${help}`
}

/** The connection failed: when. */
function brokeOff({ received, isSent, cause }: ProviderFailure): string {
  if (received) return `broke off ${received}`
  if (isSent !== true) return 'could not be reached'
  return cause === NOT_HTTP || UNREADABLE.test(cause ?? '')
    ? 'sent an answer that can not be read'
    : 'closed the connection without an answer'
}

function advice(code: ErrorCode, { status, cause, header }: ProviderFailure, site: CallSite): string {
  if (code === 'MODEL_AUTH_FAILED') {
    return site.keyEnv === undefined
      ? ` The server wants a key: set ${site.provider.toUpperCase()}_API_KEY; if flotilla.config.ts defines the provider, name it there (models.providers.${site.provider}.keyEnv).`
      : ` Check ${site.keyEnv}.`
  }
  if (status !== undefined && status >= 300 && status < 400) return redirectAdvice(header('location'), site)
  if (cause !== null && CERTIFICATE.test(cause))
    return ' If its certificate is one of your own, name the file of the authority that signed it in NODE_EXTRA_CA_CERTS.'
  return status === 404 ? ` Check the model name "${site.model}" and the base URL ${site.baseUrl}.` : ''
}

function redirectAdvice(location: string | null, { baseUrl }: CallSite): string {
  const to = location === null ? null : URL.parse(location, baseUrl)
  if (to === null) return ` It redirects and does not say where: check the base URL ${baseUrl}.`
  if (to.origin === URL.parse(baseUrl)?.origin)
    return ` It redirects to ${shownUrl(to)}, where a request is not sent again: check the base URL ${baseUrl}.`
  return ` It redirects to another server, ${shownUrl(to)}, to which no key is sent: give that one's base URL instead of ${baseUrl}.`
}
