// What a client learns of where to get a token: protected resource metadata (RFC 9728), as clients of the Model Context
// Protocol look it up. Only where tokens of an OpenID provider are accepted.
//
// 1. The API is one resource, and /mcp another one below it: a client compares the name with the address that it used.
// 2. The name is the address in the configuration (gateway.url), else that of the request, whose host was checked.
import type { FastifyRequest } from 'fastify'
import { MCP_PATH, RESOURCE_PATH } from '../../../api/sign-in.ts'
import { roles } from '../../../api/scopes.ts'
import type { GatewayDefinition, JwtDefinition } from '../../../runtime/config/gateway.ts'
import { isLoopback } from '../../../runtime/config/environment/transport.ts'

export interface ResourceMetadata {
  readonly resource: string
  readonly authorization_servers: readonly string[]
  readonly bearer_methods_supported: readonly ['header']
  readonly resource_name: string
  readonly scopes_supported?: readonly string[]
}

/** Null: nobody gets a token for it. */
export function resourceMetadata(
  { jwt, url }: GatewayDefinition,
  request: FastifyRequest,
  path: '' | typeof MCP_PATH,
): ResourceMetadata | null {
  const base = baseOf(url, request)
  if (jwt === undefined || base === null) return null
  const scopes = scopesOf(jwt)
  return {
    resource: base + path,
    authorization_servers: [jwt.issuer],
    bearer_methods_supported: ['header'],
    resource_name: 'Flotilla',
    ...(scopes.length > 0 && { scopes_supported: scopes }),
  }
}

/** The parameter of `www-authenticate` that names the metadata; null if there is none. */
export function metadataParameter({ jwt, url }: GatewayDefinition, request: FastifyRequest): string | null {
  const base = baseOf(url, request)
  if (jwt === undefined || base === null) return null
  const path = request.routeOptions.url === MCP_PATH ? MCP_PATH : ''
  return `resource_metadata="${base}${RESOURCE_PATH}${path}"`
}

/** What a client asks the provider for. None: its tokens need none, or have their scopes in other claims. */
function scopesOf({
  scopeClaims = ['scope'],
  scopes = {},
  everyToken = [],
}: JwtDefinition): readonly string[] {
  if (everyToken.length > 0 || !scopeClaims.includes('scope')) return []
  const mapped = Object.keys(scopes)
  return mapped.length > 0 ? mapped : [...roles.user, 'approvals:decide']
}

/** Behind a proxy that speaks TLS the request itself came without. */
function baseOf(url: string | undefined, { host, hostname }: FastifyRequest): string | null {
  if (url !== undefined) return url.replace(/\/+$/, '')
  if (!/^[\w.:[\]-]+$/.test(host)) return null
  return `${isLoopback(hostname) ? 'http' : 'https'}://${host}`
}
