// Signs people in to the console at the fleet's OpenID provider. The one importer of oauth4webapi.
//
// 1. Authorization code with PKCE (RFC 7636): the page keeps the verifier and the state, the gateway the client's secret.
// 2. The page gets a token only if the API accepts it.
// 3. What the provider answers is bounded in bytes and time, and asked for by a few requests at once.
// 4. An address whose sign-ins were refused ten times in a minute is let through once a second: behind a proxy right
//    ones come from it too, and the provider is asked for no more.
import * as oauth from 'oauth4webapi'
import type { JwtDefinition, SignInDefinition } from '../../../runtime/config/gateway.ts'
import { isLoopback } from '../../../runtime/config/environment/transport.ts'
import { FlotillaError, hasCode, messageOf } from '../../../runtime/errors.ts'
import { boundedFetch } from './bounded-fetch.ts'
import { Failures } from './failures.ts'
import type { TokenChecks } from './tokens.ts'

const FETCH_MS = 5_000
const KEPT_MS = 600_000
/** How long an issuer that failed is not asked: this route is open to everyone. */
const RETRY_MS = 1_000
const MAX_AT_ONCE = 8
const MAX_LOOKS = 1

export interface Callback {
  /** The query that the provider sent the browser back with. */
  readonly query: string
  readonly state: string
  readonly verifier: string
  readonly redirectUri: string
}

export interface SignedIn {
  readonly token: string
  /** Epoch milliseconds; null if the token does not say. */
  readonly expiresAtMs: number | null
}

export class SignIn {
  readonly #issuer: string
  readonly #settings: SignInDefinition
  readonly #tokens: Pick<TokenChecks, 'check'>
  readonly #client: oauth.Client
  #server: { readonly found: Promise<oauth.AuthorizationServer>; untilMs: number } | null = null
  readonly #now: () => number
  readonly #failures: Failures
  #running = 0

  constructor(
    { issuer, signIn }: JwtDefinition & { signIn: SignInDefinition },
    tokens: Pick<TokenChecks, 'check'>,
    now: () => number,
  ) {
    this.#issuer = issuer
    this.#settings = signIn
    this.#tokens = tokens
    this.#client = { client_id: signIn.clientId }
    this.#now = now
    this.#failures = new Failures(now, MAX_LOOKS)
  }

  /** Where the browser goes; the page adds redirect_uri, state and code_challenge. Rejects with ISSUER_UNAVAILABLE. */
  async authorizeUrl(): Promise<string> {
    const { authorization_endpoint: endpoint } = await this.#discover()
    if (endpoint === undefined) throw this.#unavailable(new Error('it names no authorization_endpoint'))
    const url = new URL(endpoint)
    const { clientId, scope = 'openid', parameters = {} } = this.#settings
    const asked = {
      ...parameters,
      client_id: clientId,
      scope,
      response_type: 'code',
      code_challenge_method: 'S256',
    }
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value)
    return url.href
  }

  /** `address`: of who signs in. Rejects with UNAUTHENTICATED, TOO_MANY_ATTEMPTS, ISSUER_UNAVAILABLE. */
  async finish(callback: Callback, address: string): Promise<SignedIn> {
    if (this.#failures.refusedForMs(address) !== null && !this.#failures.mayLook())
      this.#failures.assertFew(address, 'sign-ins that were refused')
    if (this.#running >= MAX_AT_ONCE)
      throw new FlotillaError('TOO_MANY_STREAMS', 'too many people sign in at once; try again')
    this.#running++
    try {
      return await this.#acceptedOf(await this.#exchange(callback))
    } catch (error) {
      if (hasCode(error, 'UNAUTHENTICATED')) this.#failures.count(address)
      throw error
    } finally {
      this.#running--
    }
  }

  async #exchange({ query, state, verifier, redirectUri }: Callback): Promise<oauth.TokenEndpointResponse> {
    const server = await this.#discover()
    const { clientSecret } = this.#settings
    const authentication = clientSecret === undefined ? oauth.None() : oauth.ClientSecretPost(clientSecret)
    try {
      const parameters = oauth.validateAuthResponse(server, this.#client, new URLSearchParams(query), state)
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        this.#client,
        authentication,
        parameters,
        redirectUri,
        verifier,
        this.#options(),
      )
      return await oauth.processAuthorizationCodeResponse(server, this.#client, response)
    } catch (error) {
      if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError)
        throw refused(`the issuer refused the sign-in: ${error.error_description ?? error.error}`)
      if (error instanceof oauth.OperationProcessingError)
        throw refused(`the sign-in failed: ${error.message}`)
      throw this.#unavailable(error)
    }
  }

  /** Providers whose access tokens are for themselves alone give an id token that the API may accept. */
  async #acceptedOf(answer: oauth.TokenEndpointResponse): Promise<SignedIn> {
    let problem = 'the issuer gave no token'
    for (const token of [answer.access_token, answer.id_token]) {
      if (token === undefined) continue
      const checked = await this.#tokens.check(token)
      if ('principal' in checked) return { token, expiresAtMs: checked.expiresAtMs ?? null }
      problem = checked.problem
    }
    throw refused(`${problem}; gateway.jwt (audience, issuer) must fit what the issuer gives the console`)
  }

  #discover(): Promise<oauth.AuthorizationServer> {
    if (this.#server !== null && this.#now() < this.#server.untilMs) return this.#server.found
    const issuer = new URL(this.#issuer)
    const found = oauth
      .discoveryRequest(issuer, this.#options())
      .then((response) => oauth.processDiscoveryResponse(issuer, response))
      .catch((error: unknown) => {
        kept.untilMs = this.#now() + RETRY_MS
        throw this.#unavailable(error)
      })
    const kept = { found, untilMs: this.#now() + KEPT_MS }
    this.#server = kept
    return found
  }

  #options() {
    return {
      // The configuration takes http:// on this machine alone.
      [oauth.allowInsecureRequests]: isLoopback(new URL(this.#issuer).hostname),
      [oauth.customFetch]: (url: string, init: object) => boundedFetch(url, init),
      signal: AbortSignal.timeout(FETCH_MS),
    }
  }

  #unavailable(cause: unknown): FlotillaError {
    const message = `the issuer ${this.#issuer} can't be asked: ${messageOf(cause)}`
    return new FlotillaError('ISSUER_UNAVAILABLE', message, { cause, retryAfterMs: FETCH_MS })
  }
}

const refused = (message: string): FlotillaError => new FlotillaError('UNAUTHENTICATED', message)
