// The settings of the gateway in flotilla.config.ts. Which scopes and roles there are, the gateway checks.
import { z } from 'zod'
import { isLoopback } from './environment/transport.ts'

/** Asymmetric only: with a symmetric one the provider's public key would do as the secret. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const

type JwtAlgorithm = (typeof algorithms)[number]

/** Tokens of an OpenID provider that the HTTP API accepts beside its own keys. */
export interface JwtDefinition {
  /** As the tokens name it (`iss`), such as https://login.example.org. */
  issuer: string
  /** What tokens must be for (`aud`): one of these. */
  audience: string | string[]
  /** Where its public keys are. Default: where its /.well-known/openid-configuration says. */
  jwksUrl?: string
  /** Signature algorithms that are accepted. Default: RS256, PS256, ES256, EdDSA. */
  algorithms?: JwtAlgorithm[]
  /** By how much its clock may differ from ours. Milliseconds; default 30,000. */
  clockToleranceMs?: number
  /** Claim that names the user. Default sub. */
  userClaim?: string
  /** Claims whose values are scopes or roles, as a list or separated by spaces. Default scope and roles. */
  scopeClaims?: string[]
  /** What values of these claims stand for: scopes or roles of Flotilla. Values that are neither count for nothing. */
  scopes?: Record<string, string[]>
  /** Scopes or roles of every valid token. Default none. */
  everyToken?: string[]
  /** Lets people sign in to the console at the issuer. Default: the console asks for a key or a token. */
  signIn?: SignInDefinition
}

/** The console as a client of the issuer: authorization code with PKCE. */
export interface SignInDefinition {
  /** As the issuer has it registered, with the redirect URI https://HOST/signed-in. */
  clientId: string
  /** Secret of a confidential client, such as process.env.OIDC_CLIENT_SECRET. Default: a public client. */
  clientSecret?: string
  /** What is asked for, separated by spaces. Default `openid`. */
  scope?: string
  /** Further parameters of the request, such as `audience` or `resource`. */
  parameters?: Record<string, string>
}

export interface GatewayDefinition {
  /** Where clients reach it, such as https://fleet.example.org. Default: as each request names it, with https. */
  url?: string
  jwt?: JwtDefinition
}

const MAX_TOLERANCE_MS = 300_000
const name = z.string().min(1)
const names = z.array(name)

/** Public keys that come in clear could be anyone's. */
const url = z.string().refine((text) => {
  const found = URL.parse(text)
  return found?.protocol === 'https:' || (found?.protocol === 'http:' && isLoopback(found.hostname))
}, 'must be a URL that begins with https:// (http:// only on this machine)')

export const gatewaySchema = z.strictObject({
  url: url.optional(),
  jwt: z
    .strictObject({
      issuer: url,
      audience: z.union([name, names.min(1)], { error: 'must be a name or a list of names' }),
      jwksUrl: url.optional(),
      algorithms: z
        .array(z.enum(algorithms, { error: `must be one of ${algorithms.join(', ')}` }))
        .min(1)
        .optional(),
      clockToleranceMs: z.number().int().min(0).max(MAX_TOLERANCE_MS).optional(),
      userClaim: name.optional(),
      scopeClaims: names.optional(),
      scopes: z.record(name, names).optional(),
      everyToken: names.optional(),
      signIn: z
        .strictObject({
          clientId: name,
          clientSecret: name.optional(),
          scope: name.optional(),
          parameters: z.record(name, z.string()).optional(),
        })
        .optional(),
    })
    .optional(),
})
