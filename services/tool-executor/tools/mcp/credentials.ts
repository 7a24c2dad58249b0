// What an MCP server gets to know who asks: headers, tokens by OAuth, or what the configuration gives for a user.
//
// 1. Secrets come from the environment at each connection, and are registered before they are used.
// 2. OAuth credentials go to the issuer that the configuration names, whatever server and metadata say.
// 3. A refresh token that the issuer has replaced is kept in the key-value store, under a hash of the one that
//    the environment has: a new one there counts at once. Servers that have the same one share what is kept.
// 4. Connections of a server share what they ask of its issuer (renewal.ts).
import { createHash } from 'node:crypto'
import {
  ClientCredentialsProvider,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from '@modelcontextprotocol/client'
import type { McpAuth, McpServer } from '../../../../runtime/config/mcp/servers.ts'
import { FlotillaError, messageOf } from '../../../../runtime/errors.ts'
import { keepPassingSecrets, secretsOfHeader } from '../../../../runtime/text/redaction.ts'
import { Renewal, type RenewedProvider } from './renewal.ts'
import { alone, type SharedTokens } from './renewal-lease.ts'

export type Variables = Readonly<Record<string, string | undefined>>

export interface CredentialParts {
  readonly variables: Variables
  /** Null: renewed refresh tokens last as long as the process (doctor, sync). */
  readonly keyValue: SharedTokens | null
  /** By what is renewed: connections of a server share them. */
  readonly renewals?: Map<string, Renewal>
}

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>
  /** Variables of a program. */
  readonly variables: Readonly<Record<string, string>>
  readonly provider: Renewal | null
}

/** Begins again with each renewal. */
const KEPT_MS = 90 * 86_400_000
/** Servers take no longer header. */
const MAX_TOKEN_CHARS = 16_000
/** A lease is longer than a renewal may take: its answer must be kept, too. */
const LEASE_GRACE_MS = 5_000

/** Throws MCP_AUTH_FAILED if a variable is not set, or the user's credentials can't be had. */
export async function credentialsFor(
  server: McpServer,
  userId: string | null,
  parts: CredentialParts,
): Promise<Credentials> {
  const ofUser = server.perUser === undefined ? {} : await perUser(server, userId, server.perUser)
  const headers = Object.fromEntries(
    Object.entries(server.headers ?? {}).map(([name, value]) => [
      name.toLowerCase(),
      typeof value === 'string' ? value : (value.prefix ?? '') + required(server, value.env, parts.variables),
    ]),
  )
  if (server.url !== undefined)
    for (const [name, value] of Object.entries(ofUser)) headers[name.toLowerCase()] = value
  const passed = (server.env ?? []).map((name) => [name, required(server, name, parts.variables)] as const)
  return {
    headers,
    variables: { ...Object.fromEntries(passed), ...(server.url === undefined ? ofUser : {}) },
    provider: server.auth ? await providerOf(server, server.auth, parts) : null,
  }
}

function required({ name }: McpServer, variable: string, variables: Variables): string {
  const value = variables[variable]?.trim()
  if (value) return value
  throw new FlotillaError(
    'MCP_AUTH_FAILED',
    `mcpServers.${name} needs the variable ${variable}, which is not set`,
  )
}

async function perUser(
  { name, url }: McpServer,
  userId: string | null,
  ask: NonNullable<McpServer['perUser']>,
): Promise<Record<string, string>> {
  if (userId === null)
    throw new FlotillaError(
      'MCP_AUTH_FAILED',
      `mcpServers.${name} has credentials of users only, and the task names no user`,
    )
  try {
    const found = await ask(userId)
    const secrets = Object.entries(found).flatMap(([key, value]) =>
      url === undefined ? [value] : secretsOfHeader(key, value),
    )
    keepPassingSecrets(secrets)
    return { ...found }
  } catch (error) {
    throw new FlotillaError(
      'MCP_AUTH_FAILED',
      `mcpServers.${name}.perUser has no credentials: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}

async function providerOf(server: McpServer, auth: McpAuth, parts: CredentialParts): Promise<Renewal> {
  const { clientId, issuer, scope } = auth
  const { connectMs } = server.limits
  const { renewals, keyValue } = parts
  const shared = (place: string, open: () => RenewedProvider): Renewal => {
    const failed = (): void => void renewals?.delete(place)
    const renewal =
      renewals?.get(place) ?? new Renewal(open(), { server: server.name, limitMs: connectMs, failed })
    renewals?.set(place, renewal)
    return renewal
  }
  if (auth.type === 'client_credentials') {
    const clientSecret = required(server, auth.clientSecretEnv, parts.variables)
    const scoped = scope === undefined ? {} : { scope }
    const place = `mcp-client:${server.name}:${hashOf([issuer, clientId, clientSecret])}`
    return shared(
      place,
      () => new ClientProvider({ clientId, clientSecret, expectedIssuer: issuer, ...scoped }),
    )
  }
  const secret =
    auth.clientSecretEnv === undefined ? null : required(server, auth.clientSecretEnv, parts.variables)
  const first = required(server, auth.refreshTokenEnv, parts.variables)
  const place = `mcp-token:${hashOf([issuer, clientId, first])}`
  const state = { clientId, secret, issuer, scope, first, place, leaseMs: connectMs + LEASE_GRACE_MS }
  return shared(place, () => new RefreshProvider(state, keyValue))
}

const hashOf = (parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex')

/** Registers the tokens. Throws MCP_AUTH_FAILED if one is too long to be sent. */
function taken(tokens: readonly string[]): void {
  const longest = Math.max(...tokens.map(({ length }) => length))
  if (longest > MAX_TOKEN_CHARS)
    throw new FlotillaError(
      'MCP_AUTH_FAILED',
      `its issuer answered with a token of ${longest} characters, at most ${MAX_TOKEN_CHARS} are taken`,
    )
  keepPassingSecrets(tokens)
}

/** Each process may ask for a token of its own at any time. */
class ClientProvider extends ClientCredentialsProvider implements RenewedProvider {
  override saveTokens(tokens: StoredOAuthTokens): void {
    taken([tokens.access_token])
    super.saveTokens(tokens)
  }

  renewAlone<T>(work: () => Promise<T>): Promise<T> {
    return work()
  }
}

interface RefreshState {
  readonly clientId: string
  readonly secret: string | null
  readonly issuer: string
  readonly scope: string | undefined
  /** The refresh token of the environment. */
  readonly first: string
  readonly place: string
  readonly leaseMs: number
}

/** Somebody has signed in elsewhere, and left a refresh token. */
class RefreshProvider implements RenewedProvider {
  readonly #state: RefreshState
  readonly #keyValue: SharedTokens | null
  #tokens: StoredOAuthTokens
  /** Null: nothing. */
  #kept: string | null = null

  constructor(state: RefreshState, keyValue: SharedTokens | null) {
    this.#state = state
    this.#keyValue = keyValue
    this.#tokens = {
      access_token: '',
      token_type: 'Bearer',
      refresh_token: state.first,
      issuer: state.issuer,
    }
  }

  get redirectUrl(): undefined {
    return undefined
  }

  get clientMetadata() {
    const { scope, secret } = this.#state
    return {
      redirect_uris: [],
      grant_types: ['refresh_token'],
      token_endpoint_auth_method: secret === null ? 'none' : 'client_secret_basic',
      ...(scope !== undefined && { scope }),
    }
  }

  clientInformation(): StoredOAuthClientInformation {
    const { clientId, secret, issuer } = this.#state
    return { client_id: clientId, issuer, ...(secret !== null && { client_secret: secret }) }
  }

  tokens(): StoredOAuthTokens {
    return this.#tokens
  }

  renewAlone<T>(work: () => Promise<T>): Promise<T> {
    const { place, leaseMs } = this.#state
    return alone({ keyValue: this.#keyValue, key: `${place}:renewal`, leaseMs }, async () => {
      this.#kept = (await this.#keyValue?.get(place)) ?? null
      if (this.#kept !== null) this.#tokens = { ...this.#tokens, refresh_token: this.#kept }
      return work()
    })
  }

  async saveTokens(tokens: StoredOAuthTokens): Promise<void> {
    const { first, issuer, place } = this.#state
    const refresh = tokens.refresh_token ?? this.#tokens.refresh_token ?? first
    taken([tokens.access_token, refresh])
    this.#tokens = { ...tokens, refresh_token: refresh, issuer }
    if (refresh !== first) await this.#keyValue?.compareAndSet(place, this.#kept, refresh, KEPT_MS)
  }

  /** The grant of every token request: there is nobody to send to a sign-in page. */
  prepareTokenRequest(): URLSearchParams {
    const { first, scope } = this.#state
    const refresh = this.#tokens.refresh_token ?? first
    return new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: refresh,
      ...(scope !== undefined && { scope }),
    })
  }

  redirectToAuthorization(): void {}

  /** The next connection reads what is kept; without this the package writes to the console. */
  invalidateCredentials(): void {}

  saveCodeVerifier(): void {}

  codeVerifier(): string {
    return ''
  }
}
