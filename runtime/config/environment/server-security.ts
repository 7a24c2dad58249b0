// TLS and credentials towards the servers behind the fleet, Kafka, Redis, PostgreSQL and the schema registry:
// their variables, and what these may not be.
import { z } from 'zod'
import { fileSecret, readSecret, readTls, type Secret, type Tls } from './renewed-files.ts'
import { remoteBrokers } from './transport.ts'

export interface ServerSecurity {
  /** Absent: what the URL's scheme says. */
  readonly tls?: Tls
  readonly username?: string
  readonly password?: Secret
}

export interface SaslPassword {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: Secret
}

/** A token in a file that somebody renews, or one that the token endpoint gives for client credentials. */
export type SaslToken =
  | { readonly mechanism: 'oauthbearer'; readonly token: Secret }
  | {
      readonly mechanism: 'oauthbearer'
      readonly endpoint: string
      readonly clientId: string
      readonly clientSecret: Secret
      readonly scope?: string
    }

export interface KafkaSecurity {
  readonly tls?: Tls
  readonly sasl?: SaslPassword | SaslToken
}

export interface ServersSecurity {
  readonly kafka: KafkaSecurity
  readonly registry: ServerSecurity
  readonly redis: ServerSecurity
  readonly database: ServerSecurity
}

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'] as const
const text = z.string().optional()
const address = z
  .string()
  .refine(
    (value) => /^https?:$/.test(URL.parse(value)?.protocol ?? ''),
    'must be a URL that begins with https://',
  )

/** Their variables; `flag` is the environment's own. */
export const securityVariables = <Flag extends z.ZodType>(flag: Flag) => ({
  KAFKA_SSL: flag.optional(),
  KAFKA_SSL_CA: text,
  KAFKA_SSL_CERT: text,
  KAFKA_SSL_KEY: text,
  KAFKA_SSL_SERVER_NAME: text,
  KAFKA_SASL_MECHANISM: z.enum(mechanisms, { error: `must be one of ${mechanisms.join(', ')}` }).optional(),
  KAFKA_SASL_USERNAME: text,
  KAFKA_SASL_PASSWORD: text,
  KAFKA_SASL_OAUTHBEARER_TOKEN_FILE: text,
  KAFKA_SASL_OAUTHBEARER_ENDPOINT: address.optional(),
  KAFKA_SASL_OAUTHBEARER_CLIENT_ID: text,
  KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: text,
  KAFKA_SASL_OAUTHBEARER_SCOPE: text,
  SCHEMA_REGISTRY_SSL_CA: text,
  SCHEMA_REGISTRY_SSL_CERT: text,
  SCHEMA_REGISTRY_SSL_KEY: text,
  SCHEMA_REGISTRY_SSL_SERVER_NAME: text,
  SCHEMA_REGISTRY_USERNAME: text,
  SCHEMA_REGISTRY_PASSWORD: text,
  REDIS_SSL_CA: text,
  REDIS_SSL_CERT: text,
  REDIS_SSL_KEY: text,
  REDIS_SSL_SERVER_NAME: text,
  REDIS_USERNAME: text,
  REDIS_PASSWORD: text,
  DATABASE_SSL_CA: text,
  DATABASE_SSL_CERT: text,
  DATABASE_SSL_KEY: text,
  DATABASE_SSL_SERVER_NAME: text,
  DATABASE_PASSWORD: text,
})

type Variables = Readonly<Record<string, string | undefined>>

interface Read<T> {
  readonly security: T
  readonly mistakes: readonly string[]
}

/** `given`: variables that are set. Mistakes are lines of the report about the environment. */
export function readSecurity(given: Variables, brokers: readonly string[]): Read<ServersSecurity> {
  const kafka = kafkaSecurity(given, brokers)
  const registry = serverSecurity('SCHEMA_REGISTRY_URL', given, 'https:')
  const redis = serverSecurity('REDIS_URL', given, 'rediss:')
  const database = serverSecurity('DATABASE_URL', given, null)
  return {
    security: {
      kafka: kafka.security,
      registry: registry.security,
      redis: redis.security,
      database: database.security,
    },
    mistakes: [kafka, registry, redis, database].flatMap(({ mistakes }) => mistakes),
  }
}

/** `scheme`: of a URL with TLS. Null: TLS is a parameter of the URL, which then may not be set as well. */
function serverSecurity(urlName: string, given: Variables, scheme: string | null): Read<ServerSecurity> {
  const server = urlName.slice(0, -'_URL'.length)
  const { tls, mistakes } = readTls(server, given)
  const url = URL.parse(given[urlName]?.trim() ?? '')
  const username = given[`${server}_USERNAME`]?.trim()
  const password = readSecret(`${server}_PASSWORD`, given)
  const conflicts: string[] = []
  if (tls && url && scheme !== null && url.protocol !== scheme)
    conflicts.push(`  ${urlName}: must begin with ${scheme}// where ${server}_SSL_ variables are set`)
  if (tls && scheme === null && [...(url?.searchParams.keys() ?? [])].some((name) => name.startsWith('ssl')))
    conflicts.push(
      `  ${urlName}: has ssl parameters while ${server}_SSL_ variables are set; use one of the two`,
    )
  if (password && url?.password)
    conflicts.push(`  ${server}_PASSWORD: ${urlName} has a password too; remove one of them`)
  if (username && !password)
    conflicts.push(`  ${server}_USERNAME: is needed together with ${server}_PASSWORD`)
  return {
    security: {
      ...(tls ? { tls } : {}),
      ...(username ? { username } : {}),
      ...(password ? { password } : {}),
    },
    mistakes: [...mistakes, ...conflicts],
  }
}

function kafkaSecurity(given: Variables, brokers: readonly string[]): Read<KafkaSecurity> {
  const files = readTls('KAFKA', given)
  const { KAFKA_SSL: on } = given
  const mistakes = [...files.mistakes]
  if (files.tls && ['0', 'false'].includes(on ?? ''))
    mistakes.push('  KAFKA_SSL: is off, while another KAFKA_SSL_ variable is set; unset one of them')
  const tls = files.tls ?? (['1', 'true'].includes(on ?? '') ? () => ({}) : null)
  const { sasl, mistakes: wrong } = saslOf(given)
  const [remote] =
    sasl && sasl.mechanism !== 'scram-sha-256' && sasl.mechanism !== 'scram-sha-512' && tls === null
      ? remoteBrokers(brokers)
      : []
  if (remote !== undefined)
    mistakes.push(
      `  KAFKA_SASL_MECHANISM: ${sasl?.mechanism} would send the ${sasl?.mechanism === 'plain' ? 'password' : 'token'} in clear to ${remote}; set KAFKA_SSL=1 (and KAFKA_SSL_CA), or use scram-sha-512`,
    )
  return {
    security: { ...(tls ? { tls } : {}), ...(sasl ? { sasl } : {}) },
    mistakes: [...mistakes, ...wrong],
  }
}

interface Sasl {
  readonly sasl: SaslPassword | SaslToken | null
  readonly mistakes: readonly string[]
}

const passwordVariables = ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'] as const
const isPasswordMechanism = (text: string | undefined): text is SaslPassword['mechanism'] =>
  text === 'plain' || text === 'scram-sha-256' || text === 'scram-sha-512'

function saslOf(given: Variables): Sasl {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_SASL_USERNAME: username } = given
  if (mechanism === 'oauthbearer') return tokenOf(given)
  const missing = passwordVariables.filter((name) => !given[name])
  const tokens = Object.keys(given).filter((name) => /^KAFKA_SASL_OAUTHBEARER_/.test(name))
  const strange = tokens.map((name) => `  ${name}: is only for KAFKA_SASL_MECHANISM=oauthbearer`)
  if (missing.length === passwordVariables.length) return { sasl: null, mistakes: strange }
  const lacking = missing.map((name) => `  ${name}: is needed with the other KAFKA_SASL_ variables`)
  const password = readSecret('KAFKA_SASL_PASSWORD', given)
  const sasl =
    isPasswordMechanism(mechanism) && username && password ? { mechanism, username, password } : null
  return { sasl, mistakes: [...lacking, ...strange] }
}

function tokenOf(given: Variables): Sasl {
  const { KAFKA_SASL_OAUTHBEARER_TOKEN_FILE: file, KAFKA_SASL_OAUTHBEARER_ENDPOINT: endpoint } = given
  const clientId = given['KAFKA_SASL_OAUTHBEARER_CLIENT_ID']
  const scope = given['KAFKA_SASL_OAUTHBEARER_SCOPE']
  const clientSecret = readSecret('KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET', given)
  const unused = passwordVariables
    .slice(1)
    .filter((name) => given[name])
    .map((name) => `  ${name}: is not used with KAFKA_SASL_MECHANISM=oauthbearer; unset it`)
  if (!file === !endpoint)
    return {
      sasl: null,
      mistakes: [
        ...unused,
        `  KAFKA_SASL_MECHANISM: oauthbearer needs KAFKA_SASL_OAUTHBEARER_TOKEN_FILE, or KAFKA_SASL_OAUTHBEARER_ENDPOINT with _CLIENT_ID and _CLIENT_SECRET`,
      ],
    }
  if (file) {
    const token = fileSecret(file, 'KAFKA_SASL_OAUTHBEARER_TOKEN_FILE')
    return { sasl: { mechanism: 'oauthbearer', token }, mistakes: [...unused, ...problemOf(token)] }
  }
  const missing = [!clientId && 'CLIENT_ID', !clientSecret && 'CLIENT_SECRET'].filter(
    (name) => name !== false,
  )
  const lacking = missing.map(
    (name) => `  KAFKA_SASL_OAUTHBEARER_${name}: is needed with KAFKA_SASL_OAUTHBEARER_ENDPOINT`,
  )
  if (!endpoint || !clientId || !clientSecret) return { sasl: null, mistakes: [...unused, ...lacking] }
  const sasl = {
    mechanism: 'oauthbearer' as const,
    endpoint,
    clientId,
    clientSecret,
    ...(scope ? { scope } : {}),
  }
  return { sasl, mistakes: unused }
}

function problemOf(secret: Secret): string[] {
  try {
    secret()
    return []
  } catch (error) {
    return [
      `  KAFKA_SASL_OAUTHBEARER_TOKEN_FILE: can't be read (${(error as NodeJS.ErrnoException).code ?? 'it is empty'})`,
    ]
  }
}
