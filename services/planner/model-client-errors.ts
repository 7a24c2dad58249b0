// What went wrong with a provider, as a row of the error table.
//
// 1. Status and the provider's own code or type decide. Words of a message decide only where some provider gives
//    nothing else, and then only within a status.
// 2. The first rule that fits wins, so the special stands before the general.
// 3. Pure: shapes come in as data, and the table-driven test shows what OpenAI, Groq, Anthropic, Azure, Ollama, vLLM and
//    llama.cpp really send.
import { FlotillaError, type ErrorCode } from '../../runtime/errors.ts'
import type { ModelSpend } from './model.ts'

/** A failed request, as far as it is known. */
export interface ProviderFailure {
  /** HTTP status; undefined when no answer came, or the error came inside a stream. */
  readonly status: number | undefined
  /** The provider's code and type, lower case; Azure and vLLM put numbers here. */
  readonly codes: readonly string[]
  /** The parameter that it complains about. */
  readonly param: string | null
  readonly message: string
  /** Code of the socket error, for example ECONNREFUSED. */
  readonly cause: string | null
  readonly header: (name: string) => string | null
}

/** Who was called, for messages. */
export interface CallSite {
  readonly provider: string
  readonly model: string
  /** Variable that holds the key. */
  readonly keyEnv: string | undefined
  readonly baseUrl: string
}

interface Rule {
  readonly statuses?: readonly number[]
  readonly codes?: readonly string[]
  readonly says?: RegExp
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
const CONTEXT_CODES = ['context_length_exceeded', 'string_above_max_length', 'exceed_context_size_error']
const CONTEXT_WORDS =
  /maximum context length|context (length|window|size)|prompt is too long|input is too long|reduce the length/i

const FILTER_CODES = ['content_filter', 'content_policy_violation', 'responsibleaipolicyviolation']

const rules: readonly Rule[] = [
  { codes: QUOTA_CODES, gives: 'MODEL_QUOTA_EXCEEDED' },
  { statuses: [402], gives: 'MODEL_QUOTA_EXCEEDED' },
  { statuses: [400, 403], says: /credit balance is too low|\bquota\b/i, gives: 'MODEL_QUOTA_EXCEEDED' },
  { codes: CONTEXT_CODES, gives: 'MODEL_CONTEXT_TOO_LONG' },
  // OpenAI's 429 for a request that alone is larger than the limit of a minute: no wait makes it fit.
  { statuses: [429], says: /^request too large/i, gives: 'MODEL_CONTEXT_TOO_LONG' },
  { statuses: [413], gives: 'MODEL_CONTEXT_TOO_LONG' },
  { statuses: [400, 422], says: CONTEXT_WORDS, gives: 'MODEL_CONTEXT_TOO_LONG' },
  { codes: FILTER_CODES, gives: 'MODEL_CONTENT_FILTERED' },
  // OpenRouter gives a moderated prompt the status of a wrong key.
  { statuses: [403], says: /\bmoderation\b|\bflagged\b/i, gives: 'MODEL_CONTENT_FILTERED' },
  // Groq: the model's own tool call could not be parsed. Another try may well work.
  { codes: ['tool_use_failed', 'output_parse_failed'], gives: 'MODEL_ANSWER_MALFORMED' },
  { codes: ['rate_limit_exceeded', 'rate_limit_error'], gives: 'MODEL_RATE_LIMITED' },
  // 498: Groq's flex tier has no capacity left.
  { statuses: [429, 498], gives: 'MODEL_RATE_LIMITED' },
  { codes: ['invalid_api_key', 'authentication_error', 'permission_error'], gives: 'MODEL_AUTH_FAILED' },
  { statuses: [401, 403], gives: 'MODEL_AUTH_FAILED' },
  { statuses: [408, 504], gives: 'MODEL_TIMEOUT' },
  { codes: ['overloaded_error', 'server_error', 'api_error'], gives: 'MODEL_UNAVAILABLE' },
]

const TIMEOUT_CAUSES = [
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]

function codeOf(failure: ProviderFailure): ErrorCode {
  // Ollama types its 404 as api_error: a 4xx status outweighs a general type.
  const special = rules.find((rule) => fits(rule, failure))
  const status = failure.status ?? 0
  if (special !== undefined && !(special.gives === 'MODEL_UNAVAILABLE' && status >= 400)) return special.gives
  if (status >= 500) return 'MODEL_UNAVAILABLE'
  if (status >= 400) return 'MODEL_REQUEST_REFUSED'
  if (special !== undefined) return special.gives
  if (failure.cause === null) return 'MODEL_UNKNOWN_ERROR'
  return TIMEOUT_CAUSES.includes(failure.cause) ? 'MODEL_TIMEOUT' : 'MODEL_UNAVAILABLE'
}

function fits(rule: Rule, { status, codes, message }: ProviderFailure): boolean {
  if (rule.statuses !== undefined && !rule.statuses.includes(status ?? 0)) return false
  if (rule.codes !== undefined && !rule.codes.some((code) => codes.includes(code))) return false
  return rule.says === undefined || rule.says.test(message)
}

/** The error to throw. `spend`: what the call used before it failed. */
export function providerError(
  failure: ProviderFailure,
  site: CallSite,
  spend?: ModelSpend,
  cause?: unknown,
): FlotillaError {
  const code = codeOf(failure)
  const retryAfterMs = retryAfterOf(failure, Date.now())
  return new FlotillaError(code, describe(code, failure, site), {
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    ...(spend === undefined ? {} : { details: spend }),
    cause,
  })
}

const MAX_MESSAGE_CHARS = 500

function describe(code: ErrorCode, failure: ProviderFailure, site: CallSite): string {
  const said = failure.message.replaceAll(/\s+/g, ' ').trim().slice(0, MAX_MESSAGE_CHARS)
  const answered =
    failure.status !== undefined
      ? `${site.provider} answered ${failure.status} for model ${site.model}`
      : failure.cause === null
        ? `${site.provider} failed in its answer for model ${site.model}`
        : `${site.provider} at ${site.baseUrl} could not be reached (${failure.cause})`
  return `${answered}: ${said || 'no message'}${advice(code, failure, site)}`
}

function advice(code: ErrorCode, { status }: ProviderFailure, site: CallSite): string {
  if (code === 'MODEL_AUTH_FAILED') {
    return site.keyEnv === undefined
      ? ` The server wants a key: set ${site.provider.toUpperCase()}_API_KEY.`
      : ` Check ${site.keyEnv}.`
  }
  return status === 404 ? ` Check the model name "${site.model}" and the base URL ${site.baseUrl}.` : ''
}

/** Milliseconds until the provider wants to be asked again; null where it does not say. */
export function retryAfterOf({ status, header }: Pick<ProviderFailure, 'status' | 'header'>, nowMs: number) {
  const exact = Number.parseFloat(header('retry-after-ms') ?? '')
  if (exact >= 0) return Math.round(exact)
  const said = header('retry-after')
  if (said !== null) {
    if (/^\s*\d+(\.\d+)?\s*$/.test(said)) return Math.round(Number(said) * 1_000)
    // `Date.parse` makes a date of nearly any number.
    const date = /[a-z]/i.test(said) ? Date.parse(said) : Number.NaN
    if (!Number.isNaN(date)) return Math.max(0, date - nowMs)
  }
  return status === 429 ? resetOf(header, nowMs) : null
}

/** When the limit that is used up is filled again; where none says it is used up, the one for tokens, which is met first. */
function resetOf(header: ProviderFailure['header'], nowMs: number): number | null {
  const limits = ['requests', 'tokens'].map((unit) => {
    const reset = header(`x-ratelimit-reset-${unit}`) ?? header(`anthropic-ratelimit-${unit}-reset`)
    const remaining =
      header(`x-ratelimit-remaining-${unit}`) ?? header(`anthropic-ratelimit-${unit}-remaining`)
    return { resetMs: reset === null ? null : durationMs(reset, nowMs), usedUp: remaining?.trim() === '0' }
  })
  const usedUp = limits.filter((limit) => limit.usedUp && limit.resetMs !== null)
  if (usedUp.length > 0) return Math.max(...usedUp.map((limit) => limit.resetMs ?? 0))
  return limits[1]?.resetMs ?? limits[0]?.resetMs ?? null
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `20ms`, `7.66s`, `2m59.56s` (OpenAI, Groq), plain seconds, or a date (Anthropic). */
function durationMs(text: string, nowMs: number): number | null {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1_000)
  if (/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
    return Math.round(
      parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS_MS[unit ?? ''] ?? 0), 0),
    )
  }
  const date = Date.parse(text)
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs)
}
