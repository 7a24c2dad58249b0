// Failures of the SDK as errors of the table.
//
// 1. TOOL_UNAVAILABLE, TOOL_TIMEOUT: the server is down; they open its breaker. Everything else shows that it
//    is up.
// 2. Texts of a server are somebody else's: they are shortened, and said to be its.
import {
  InsufficientScopeError,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  UnauthorizedError,
} from '@modelcontextprotocol/client'
import { shortened } from '../../../../runtime/text/bounded-text.ts'
import { type ErrorCode, FlotillaError, messageOf } from '../../../../runtime/errors.ts'
import { WrongAnswer, wrongAnswer } from './wrong-answer.ts'

const SHOWN_CHARS = 500
const INVALID_PARAMS = -32_602

export const said = (text: string): string => shortened(text.replaceAll(/\s+/g, ' ').trim(), SHOWN_CHARS)

/** `problem`: what the transport noticed, if anything. */
export function linkError(server: string, error: unknown, problem: Error | null = null): FlotillaError {
  const known = flotillaErrorIn(error) ?? flotillaErrorIn(problem)
  if (known) return known
  const made = (code: ErrorCode, what: string, options = {}) =>
    new FlotillaError(code, `MCP server ${server} ${what}`, { cause: error, ...options })
  const wrong = wrongAnswer(error) ?? (problem instanceof WrongAnswer ? problem : null)
  if (wrong) return made('TOOL_OUTPUT_INVALID', `answered what MCP does not allow: ${said(wrong.message)}`)
  const status = error instanceof SdkHttpError ? error.status : undefined
  if (error instanceof InsufficientScopeError)
    return made('MCP_AUTH_FAILED', `wants a token with the scope ${scopeOf(error)}: name it in auth.scope`)
  if (error instanceof UnauthorizedError || status === 401 || status === 403 || isOAuth(error))
    return made('MCP_AUTH_FAILED', `refused the credentials: ${said(messageOf(error))}`)
  if (error instanceof ProtocolError)
    return error.code === INVALID_PARAMS
      ? made('TOOL_ARGUMENTS_INVALID', `refused the arguments: ${said(error.message)}`)
      : made('TOOL_FAILED', `answered with error ${error.code}: ${said(error.message)}`)
  if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout)
    return made('TOOL_TIMEOUT', 'did not answer in time')
  if (error instanceof SdkError && answered.has(error.code))
    return made('TOOL_OUTPUT_INVALID', `answered what MCP does not allow: ${said(error.message)}`)
  if (status !== undefined && status < 500 && status !== 408 && status !== 429)
    return made('TOOL_FAILED', `answered ${status}: ${said(messageOf(error))}`)
  const why = problem === null ? messageOf(error) : `${messageOf(error)} (${messageOf(problem)})`
  return made('TOOL_UNAVAILABLE', `can't be reached: ${said(why)}`)
}

const scopeOf = ({ requiredScope }: InsufficientScopeError): string =>
  requiredScope === undefined ? 'of this call' : JSON.stringify(said(requiredScope))

const answered: ReadonlySet<string> = new Set([
  SdkErrorCode.InvalidResult,
  SdkErrorCode.UnsupportedResultType,
  SdkErrorCode.CapabilityNotSupported,
  SdkErrorCode.MethodNotSupportedByProtocolVersion,
  SdkErrorCode.ListPaginationExceeded,
  SdkErrorCode.ClientHttpUnexpectedContent,
])

/** The package's OAuth errors have no class in common. */
const isOAuth = (error: unknown): boolean =>
  error instanceof Error &&
  /OAuth|Issuer|AuthorizationServer|TokenEndpoint|Registration/.test(error.constructor.name)

function flotillaErrorIn(error: unknown): FlotillaError | null {
  for (let at: unknown = error; at instanceof Error; at = at.cause) if (at instanceof FlotillaError) return at
  return null
}

/**
 * A session that the server has forgotten (404; some say 400), or credentials that are too old: the request was not
 * processed.
 */
export function isStale(error: unknown): boolean {
  if (error instanceof UnauthorizedError) return true
  if (!(error instanceof SdkHttpError)) return false
  return (
    error.status === 404 ||
    error.status === 401 ||
    (error.status === 400 && /\bsession\b/i.test(error.message))
  )
}
