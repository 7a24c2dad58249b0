// Renews the tokens of a server: a refresh token may be good once, and an issuer that sees one a second time may
// take back all that came from it.
//
// 1. Calls that are refused at once share one renewal, on all connections of a server.
// 2. One process renews a refresh token at a time (renewal-lease.ts), with what is kept by then: another may have renewed
//    meanwhile. A renewal has a time limit, so that none waits for an issuer without end.
// 3. What an issuer refuses is not asked for again with the same token, as the package would, which also writes what the
//    issuer says to the console.
// 4. A call that was refused with a token that has been replaced since is sent again with the new one, without a
//    renewal.
import {
  auth,
  type AuthProvider,
  extractWWWAuthenticateParams,
  type OAuthClientProvider,
  UnauthorizedError,
} from '@modelcontextprotocol/client'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { exactTime } from '../../../../runtime/text/quantities.ts'
import { said } from './link-error.ts'

type AuthOptions = Parameters<typeof auth>[1]
type Refused = Parameters<NonNullable<AuthProvider['onUnauthorized']>>[0]

export interface RenewedProvider extends OAuthClientProvider {
  /** Does the work while no other process renews, with the refresh token that is kept by then. */
  renewAlone<T>(work: () => Promise<T>): Promise<T>
}

export interface RenewalParts {
  /** Name of the server. */
  readonly server: string
  readonly limitMs: number
  /** Called once a renewal has failed: what is kept elsewhere may be newer. */
  readonly failed: () => void
}

export class Renewal implements AuthProvider {
  readonly #provider: RenewedProvider
  readonly #parts: RenewalParts
  readonly #sentWith = new WeakMap<Response, string | null>()
  #running: Promise<void> | null = null

  constructor(provider: RenewedProvider, parts: RenewalParts) {
    this.#provider = provider
    this.#parts = parts
  }

  async token(): Promise<string | undefined> {
    // The package sends an empty one, too.
    return (await this.#provider.tokens())?.access_token || undefined
  }

  async onUnauthorized(context: Refused): Promise<void> {
    const sent = this.#sentWith.get(context.response)
    if (this.#running === null && sent !== undefined && sent !== bearer(await this.token())) return
    this.#running ??= this.#renew(context).finally(() => (this.#running = null))
    return this.#running
  }

  /** The same fetch, which remembers with what credentials each request was sent. */
  watched(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
    return async (input, init) => {
      const response = await fetch(input, init)
      this.#sentWith.set(response, new Headers(init?.headers).get('authorization'))
      return response
    }
  }

  async #renew({ response, serverUrl, fetchFn }: Refused): Promise<void> {
    const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(response)
    const where = { serverUrl, ...(resourceMetadataUrl && { resourceMetadataUrl }) }
    const asked = { ...where, ...(scope !== undefined && { scope }) }
    try {
      const outcome = await this.#provider.renewAlone(() => this.#within(fetchFn, asked))
      if (outcome !== 'AUTHORIZED') throw new UnauthorizedError()
    } catch (error) {
      this.#parts.failed()
      throw error
    }
  }

  async #assertNotRefused(response: Response): Promise<void> {
    const answer = (await response
      .clone()
      .json()
      .catch(() => null)) as TokenError | null
    if (!refusals.has(answer?.error)) return
    const { error, error_description: description } = answer ?? {}
    const why = typeof description === 'string' ? `${String(error)}: ${said(description)}` : String(error)
    throw new FlotillaError(
      'MCP_AUTH_FAILED',
      `the issuer of tokens for MCP server ${this.#parts.server} refused the credentials: ${why}`,
    )
  }

  async #within(fetch: Refused['fetchFn'], asked: Omit<AuthOptions, 'fetchFn'>): Promise<string> {
    const { server, limitMs } = this.#parts
    const limit = AbortSignal.timeout(limitMs)
    const limited: typeof fetch = async (url, init) => {
      const response = await fetch(url, { ...init, signal: limit })
      if (init?.method === 'POST' && !response.ok) await this.#assertNotRefused(response)
      return response
    }
    try {
      return await auth(this.#provider, { ...asked, fetchFn: limited })
    } catch (error) {
      if (!limit.aborted) throw error
      const message = `the issuer of tokens for MCP server ${server} did not answer within ${exactTime(limitMs)}`
      throw new FlotillaError('TOOL_UNAVAILABLE', message, { cause: error })
    }
  }
}

/** An error of a token request (RFC 6749, 5.2). */
interface TokenError {
  readonly error?: unknown
  readonly error_description?: unknown
}

/** The answers after which the package asks again. */
const refusals: ReadonlySet<unknown> = new Set(['invalid_grant', 'invalid_client', 'unauthorized_client'])

const bearer = (token: string | undefined): string | null => (token === undefined ? null : `Bearer ${token}`)
