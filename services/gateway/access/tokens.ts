// Checks tokens of an OpenID provider. The one importer of jose.
//
// 1. Only the configured, asymmetric algorithms count: never `none`, nor a symmetric one, whose secret would be
//    the provider's public key.
// 2. The provider's keys are kept for JWKS_MAX_AGE_MS, and read again for a token that names an unknown one, at
//    most every JWKS_COOLDOWN_MS. While they can't be read, tokens of the kept keys work until those are too old;
//    then ISSUER_UNAVAILABLE. However many tokens come, an issuer that fails is asked by one request at a
//    time, and the next one RETRY_MS later.
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload } from 'jose'
import { scopesNamed, type Scope } from '../../../api/scopes.ts'
import type { JwtDefinition } from '../../../runtime/config/gateway.ts'
import { FlotillaError, messageOf } from '../../../runtime/errors.ts'
import { isName, MAX_NAME_CHARS } from '../../../schemas/identity.ts'
import { boundedFetch } from './bounded-fetch.ts'
import type { Checked } from './keys.ts'

const JWKS_MAX_AGE_MS = 600_000
const FETCH_MS = 5_000
const RETRY_MS = 1_000
const MAX_TOKEN_CHARS = 8_192
const defaultAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']
const defaultToleranceMs = 30_000

export interface TokenTimes {
  /** How long a token with an unknown key waits for the next look at the provider's. Default 30,000 ms. */
  readonly cooldownMs?: number
  /** Age at which kept keys are read again. Default 600,000 ms. */
  readonly maxAgeMs?: number
  /** How long an issuer that failed is not asked. Default 1,000 ms. */
  readonly retryMs?: number
}

type KeySet = ReturnType<typeof createRemoteJWKSet>

export type TokenChecked = Checked & { readonly expiresAtMs?: number }

export class TokenChecks {
  readonly #settings: JwtDefinition
  readonly #times: TokenTimes
  #keys: Promise<KeySet> | null = null
  #failure: { readonly error: unknown; readonly atMs: number } | null = null

  /** Throws CONFIG_INVALID if the settings name scopes or roles that do not exist. */
  constructor(settings: JwtDefinition, times: TokenTimes = {}) {
    this.#settings = settings
    this.#times = times
    const named = [...(settings.everyToken ?? []), ...Object.values(settings.scopes ?? {}).flat()]
    const { unknown } = scopesNamed(named)
    if (unknown.length === 0) return
    const message = `gateway.jwt in flotilla.config.ts names scopes or roles that do not exist: ${unknown.join(', ')}`
    throw new FlotillaError('CONFIG_INVALID', message)
  }

  /** Rejects with ISSUER_UNAVAILABLE. */
  async check(token: string): Promise<TokenChecked> {
    if (token.length > MAX_TOKEN_CHARS || token.split('.').length !== 3)
      return { problem: 'the credentials are neither a key of this fleet nor a token' }
    const { issuer, audience, algorithms, clockToleranceMs = defaultToleranceMs } = this.#settings
    try {
      const { payload } = await jwtVerify(token, await this.#keySet(), {
        issuer,
        audience,
        algorithms: algorithms ?? defaultAlgorithms,
        clockTolerance: clockToleranceMs / 1_000,
        requiredClaims: ['exp'],
      })
      return this.#principal(payload)
    } catch (error) {
      const problem = problemOf(error)
      if (problem !== null) return { problem }
      if (error !== this.#failure?.error) this.#failure = { error, atMs: performance.now() }
      throw unavailable(issuer, error)
    }
  }

  /** Reads the issuer's keys now, and returns how many it has. Rejects with ISSUER_UNAVAILABLE. */
  async readKeys(): Promise<number> {
    try {
      const keys = await this.#keySet()
      await keys.reload()
      return keys.jwks()?.keys.length ?? 0
    } catch (error) {
      throw unavailable(this.#settings.issuer, error)
    }
  }

  #principal(claims: JWTPayload): TokenChecked {
    const { userClaim = 'sub', clockToleranceMs = defaultToleranceMs } = this.#settings
    const userId = claims[userClaim]
    if (typeof userId !== 'string' || !isName(userId))
      return {
        problem: `the token's claim ${userClaim} names no user: it must be a text of 1 to 200 characters`,
      }
    const who = {
      name: userId,
      userId,
      credential: `token of ${this.#settings.issuer}`.slice(0, MAX_NAME_CHARS),
    }
    const principal = { ...who, madeBy: [], scopes: this.#scopesOf(claims), agents: null }
    return { principal, expiresAtMs: (claims.exp ?? 0) * 1_000 + clockToleranceMs }
  }

  /** Values that the settings give no meaning to are scopes or roles of Flotilla, or nothing. */
  #scopesOf(claims: JWTPayload): ReadonlySet<Scope> {
    const { scopeClaims = ['scope', 'roles'], scopes = {}, everyToken = [] } = this.#settings
    const values = scopeClaims.flatMap((name) => textsOf(claims[name]))
    const named = values.flatMap((value) => (Object.hasOwn(scopes, value) ? (scopes[value] ?? []) : [value]))
    return new Set(scopesNamed([...everyToken, ...named]).scopes)
  }

  #keySet(): Promise<KeySet> {
    this.#keys ??= this.#findKeys().catch((error: unknown) => {
      this.#keys = null
      throw error
    })
    return this.#keys
  }

  async #findKeys(): Promise<KeySet> {
    const { issuer, jwksUrl } = this.#settings
    const ask: Ask = (url, init) => this.#ask(url, init)
    const url = jwksUrl ?? (await discover(issuer, ask))
    const { cooldownMs = 30_000, maxAgeMs = JWKS_MAX_AGE_MS } = this.#times
    return createRemoteJWKSet(new URL(url), {
      timeoutDuration: FETCH_MS,
      cooldownDuration: cooldownMs,
      cacheMaxAge: maxAgeMs,
      [customFetch]: ask,
    })
  }

  async #ask(url: string, init: RequestInit): Promise<Response> {
    const { retryMs = RETRY_MS } = this.#times
    if (this.#failure && performance.now() - this.#failure.atMs < retryMs) throw this.#failure.error
    return boundedFetch(url, init)
  }
}

type Ask = (url: string, init: RequestInit) => Promise<Response>

/** Where the provider says that its keys are. */
async function discover(issuer: string, ask: Ask): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const response = await ask(url, { signal: AbortSignal.timeout(FETCH_MS) })
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  const said = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown } | null
  if (said?.issuer !== issuer) throw new Error(`${url} is of another issuer`)
  if (typeof said.jwks_uri !== 'string' || !URL.canParse(said.jwks_uri))
    throw new Error(`${url} does not say where the keys are; set gateway.jwt.jwksUrl`)
  return said.jwks_uri
}

function textsOf(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(/\s+/).filter(Boolean)
  return Array.isArray(claim) ? claim.filter((value) => typeof value === 'string') : []
}

/** What is wrong with the token, without quoting it; null if the fault is the provider's. */
function problemOf(error: unknown): string | null {
  if (error instanceof errors.JWTExpired) return 'the token has expired'
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the token's claim ${error.claim} is not accepted here`
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature is wrong"
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token's signature algorithm is not accepted here"
  if (error instanceof errors.JWKSNoMatchingKey)
    return 'the token was signed with a key that its issuer does not have'
  const isOfToken = [
    errors.JWSInvalid,
    errors.JWTInvalid,
    errors.JOSENotSupported,
    errors.JWKSMultipleMatchingKeys,
  ].some((kind) => error instanceof kind)
  return isOfToken ? 'the token is not a valid JWT' : null
}

function unavailable(issuer: string, cause: unknown): FlotillaError {
  const message = `the keys of ${issuer} can't be read: ${messageOf(cause)}`
  return new FlotillaError('ISSUER_UNAVAILABLE', message, { cause, retryAfterMs: FETCH_MS })
}
