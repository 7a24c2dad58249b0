// Renews the tokens of a server: a refresh token may be good once, and an issuer that sees one a second time may
// take back all that came from it.
//
// 1. Calls that are refused at once share one renewal, on all connections of a server.
// 2. Another process may have renewed meanwhile: what is kept is read before each renewal.
// 3. A call that was refused with a token that has been replaced since is sent again with the new one, without a
//    renewal.
import {
  auth,
  type AuthProvider,
  extractWWWAuthenticateParams,
  type OAuthClientProvider,
  UnauthorizedError,
} from '@modelcontextprotocol/client'

type Refused = Parameters<NonNullable<AuthProvider['onUnauthorized']>>[0]

export interface RenewedProvider extends OAuthClientProvider {
  /** Takes the refresh token that is kept, which another process may have left. */
  readKept(): Promise<void>
}

export class Renewal implements AuthProvider {
  readonly #provider: RenewedProvider
  /** Called once a renewal has failed: what is kept elsewhere may be newer. */
  readonly #failed: () => void
  readonly #sentWith = new WeakMap<Response, string | null>()
  #running: Promise<void> | null = null

  constructor(provider: RenewedProvider, failed: () => void) {
    this.#provider = provider
    this.#failed = failed
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
    const where = { serverUrl, fetchFn, ...(resourceMetadataUrl && { resourceMetadataUrl }) }
    try {
      await this.#provider.readKept()
      const outcome = await auth(this.#provider, { ...where, ...(scope !== undefined && { scope }) })
      if (outcome !== 'AUTHORIZED') throw new UnauthorizedError()
    } catch (error) {
      this.#failed()
      throw error
    }
  }
}

const bearer = (token: string | undefined): string | null => (token === undefined ? null : `Bearer ${token}`)
