// What an MCP server gets to know who asks: headers, tokens by OAuth, or what the configuration gives for a user.
//
// 1. Secrets come from the environment at each connection, and are registered before they are used.
// 2. OAuth credentials go to the issuer that the configuration names, whatever server and metadata say.
// 3. A refresh token that the issuer has replaced is kept in the key-value store, under a hash of the one that
//    the environment has: a new one there counts at once.
import { createHash } from 'node:crypto'
import {
  ClientCredentialsProvider,
  type OAuthClientProvider,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from '@modelcontextprotocol/client'
import type { McpAuth, McpServer } from '../../../../runtime/config/mcp.ts'
import { FlotillaError, messageOf } from '../../../../runtime/errors.ts'
import { keepPassingSecrets, secretsOfHeader } from '../../../../runtime/redaction.ts'
import type { KeyValue } from '../../../../runtime/store/port.ts'
import { Renewal, type RenewedProvider } from './renewal.ts'

export type Variables = Readonly<Record<string, string | undefined>>

export interface CredentialParts {
  readonly variables: Variables
  /** Null: renewed refresh tokens last as long as the process (doctor, sync). */
  readonly keyValue: Pick<KeyValue, 'get' | 'set'> | null
  /** Renewals of refresh tokens, by where each is kept: connections of a server share them. */
  readonly renewals?: Map<string, Renewal>
}

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>
  /** Variables of a program. */
  readonly variables: Readonly<Record<string, string>>
  readonly provider: OAuthClientProvider | Renewal | null
}

const KEPT_MS = 90 * 86_400_000

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

async function providerOf(
  server: McpServer,
  auth: McpAuth,
  parts: CredentialParts,
): Promise<OAuthClientProvider | Renewal> {
  const { clientId, issuer, scope } = auth
  const scoped = scope === undefined ? {} : { scope }
  if (auth.type === 'client_credentials') {
    const clientSecret = required(server, auth.clientSecretEnv, parts.variables)
    return new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer: issuer, ...scoped })
  }
  const secret =
    auth.clientSecretEnv === undefined ? null : required(server, auth.clientSecretEnv, parts.variables)
  const first = required(server, auth.refreshTokenEnv, parts.variables)
  const place = `mcp-token:${server.name}:${createHash('sha256').update(first).digest('hex')}`
  const { renewals, keyValue } = parts
  const current = (await keyValue?.get(place)) ?? first
  const known = renewals?.get(place)
  if (known) return known
  const state = { server: server.name, clientId, secret, issuer, scope, current, place }
  const renewal = new Renewal(new RefreshProvider(state, keyValue), () => renewals?.delete(place))
  renewals?.set(place, renewal)
  return renewal
}

interface RefreshState {
  readonly server: string
  readonly clientId: string
  readonly secret: string | null
  readonly issuer: string
  readonly scope: string | undefined
  readonly current: string
  readonly place: string
}

/** Somebody has signed in elsewhere, and left a refresh token. */
class RefreshProvider implements RenewedProvider {
  readonly #state: RefreshState
  readonly #keyValue: Pick<KeyValue, 'get' | 'set'> | null
  #tokens: StoredOAuthTokens

  constructor(state: RefreshState, keyValue: Pick<KeyValue, 'get' | 'set'> | null) {
    this.#state = state
    this.#keyValue = keyValue
    this.#tokens = {
      access_token: '',
      token_type: 'Bearer',
      refresh_token: state.current,
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

  async readKept(): Promise<void> {
    const kept = await this.#keyValue?.get(this.#state.place)
    if (kept) this.#tokens = { ...this.#tokens, refresh_token: kept }
  }

  async saveTokens(tokens: StoredOAuthTokens): Promise<void> {
    const { current, issuer, place } = this.#state
    const refresh = tokens.refresh_token ?? this.#tokens.refresh_token ?? current
    this.#tokens = { ...tokens, refresh_token: refresh, issuer }
    keepPassingSecrets([tokens.access_token, refresh])
    if (refresh !== current) await this.#keyValue?.set(place, refresh, KEPT_MS)
  }

  /** The grant of every token request: there is nobody to send to a sign-in page. */
  prepareTokenRequest(): URLSearchParams {
    const { current, scope } = this.#state
    const refresh = this.#tokens.refresh_token ?? current
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
