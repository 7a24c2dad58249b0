// Environment variables that Flotilla reads, checked together. Names are the ecosystem's;
// docs/configuration.md lists them.
import { resolve } from 'node:path'
import { z } from 'zod'
import { DEFAULT_PARTITIONS } from '../../schemas/topics.ts'
import { FlotillaError } from '../errors.ts'
import { isSendable } from '../text/sendable.ts'
import { namesReaders } from '../log/groups.ts'
import { plural } from '../text/quantities.ts'
import { keepSecrets } from '../text/redaction.ts'
import { environmentSecrets, withFiles } from './environment/secrets.ts'
import { readSecurity, securityVariables, type ServersSecurity } from './environment/server-security.ts'
import { databaseUrl, redisUrl, registryUrl } from './environment/store-urls.ts'
import { readTracing, tracingVariables, type TracingSettings } from './environment/tracing.ts'

/** Limits of a process's HTTP server and its streams. */
export interface HttpSettings {
  /** Host names that it accepts, besides localhost, addresses and HOST. `*.example.org`: every name below. */
  readonly allowedHosts: readonly string[]
  /** An idle stream gets an empty line this often, so that a dead reader is noticed. Milliseconds. */
  readonly heartbeatMs: number
  /** A stream ends if its task has been silent for this long. Milliseconds. */
  readonly silentMs: number
  /** Open streams of the process. */
  readonly maxStreams: number
  /** Open streams of one user; of a client without one, of its address. */
  readonly maxStreamsPerClient: number
  /**
   * Whether the HTTP API may start without keys. `closed`: yes, and it refuses every request until there is
   * one. `open`: yes, and it answers anyone until there is one. Null: like `open` on loopback, else no.
   */
  readonly access: 'open' | 'closed' | null
  /** A key with every scope that needs no database; null: none. */
  readonly adminKey: string | null
}

export interface Environment {
  /** Set: Kafka. Empty: the embedded log. */
  readonly kafkaBrokers: readonly string[]
  /** How this process names itself to Kafka, whose quotas go by it. Null: prefix and process id. */
  readonly kafkaClientId: string | null
  /** TLS and credentials towards Kafka, the registry, Redis and the database. */
  readonly security: ServersSecurity
  readonly schemaRegistryUrl: string | null
  readonly redisUrl: string | null
  readonly databaseUrl: string | null
  /** Null: nothing is traced. */
  readonly tracing: TracingSettings | null
  readonly logLevel: string
  /** Address of a trace in its user interface, with {traceId} for the id; null if unknown. */
  readonly traceUrl: string | null
  /** Null: text on a terminal, else json. */
  readonly logFormat: 'text' | 'json' | null
  readonly port: number
  /** Loopback unless HOST says otherwise. */
  readonly host: string
  readonly http: HttpSettings
  readonly prefix: string
  /** Directory of the embedded log and stores, absolute. */
  readonly dataDir: string
  readonly partitions: number
  readonly allowVolatileStore: boolean
  /** On Kafka: start even if no agent has a model; its tasks are rejected. */
  readonly allowNoModel: boolean
  /** Replicas of Redis that must have an entry of the call journal before it counts. */
  readonly redisWaitReplicas: number
  /** Group session time-out on Kafka; a dead process's lanes move after it. Milliseconds. */
  readonly sessionTimeoutMs: number
  /** Kafka ends a transaction left open by a dead process after this. Milliseconds. */
  readonly transactionTimeoutMs: number
  /** What an acknowledged write of the embedded log survives: kill -9, or a power cut too (an fsync each). */
  readonly durability: 'process-crash' | 'power-loss'
  /** How long a stopping process waits for calls under way. Milliseconds. */
  readonly drainMs: number
  /** The whole environment, for provider keys and users' tools. */
  readonly raw: Readonly<Record<string, string | undefined>>
}

const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` })
const whole = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`
  return z.coerce.number({ error }).int({ error }).min(least, { error }).max(most, { error })
}
const host = z.string().regex(/^[^\s,:]+:\d{1,5}$/, 'must be host:port, several separated by commas')
const hostName = z
  .string()
  .regex(
    /^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/,
    'must be names without scheme and port, such as flotilla.example.org or *.example.org, separated by commas',
  )
const variableName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]*$/, 'must be names of variables, such as OPENAI_API_KEY, separated by commas')
const listOf = (item: z.ZodString) =>
  z
    .string()
    .transform((list) =>
      list
        .split(',')
        .map((one) => one.trim())
        .filter(Boolean),
    )
    .pipe(z.array(item))
    .default([])
const flag = oneOf(['0', '1', 'true', 'false']).transform((value) => value === '1' || value === 'true')
const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

const variables = z.object({
  KAFKA_BROKERS: listOf(host),
  KAFKA_CLIENT_ID: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,200}$/, 'may hold letters, digits, dot, dash and underscore, at most 200')
    .optional(),
  ...securityVariables(flag),
  SCHEMA_REGISTRY_URL: registryUrl.optional(),
  REDIS_URL: redisUrl.optional(),
  DATABASE_URL: databaseUrl.optional(),
  ...tracingVariables,
  FLOTILLA_TRACE_URL: z
    .string()
    .refine((text) => /^https?:.*\{traceId\}/.test(text), 'must be a URL with {traceId} in it')
    .optional(),
  LOG_LEVEL: oneOf(levels).default('warn'),
  LOG_FORMAT: oneOf(['text', 'json']).optional(),
  PORT: whole(0, 65_535).default(8000),
  HOST: z.string().default('127.0.0.1'),
  FLOTILLA_ALLOWED_HOSTS: listOf(hostName),
  FLOTILLA_STREAM_HEARTBEAT_MS: whole(100, 60_000).default(15_000),
  FLOTILLA_STREAM_SILENT_MS: whole(100, 86_400_000).default(600_000),
  FLOTILLA_MAX_STREAMS: whole(1, 100_000).default(1_000),
  FLOTILLA_MAX_STREAMS_PER_CLIENT: whole(1, 100_000).default(100),
  FLOTILLA_API_ACCESS: oneOf(['open', 'closed']).optional(),
  FLOTILLA_ADMIN_KEY: z
    .string()
    .regex(
      /^[\x21-\x7e]{32,200}$/,
      'must be 32 to 200 visible ASCII characters, such as those that openssl rand -hex 32 prints',
    )
    .optional(),
  FLOTILLA_URL: z
    .string()
    .refine(
      (text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''),
      'must be a URL, such as http://127.0.0.1:8000',
    )
    .optional(),
  FLOTILLA_API_KEY: z
    .string()
    .refine(isSendable, 'holds a line end, or a character that no header can carry')
    .optional(),
  FLOTILLA_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,63}$/, 'may hold letters, digits, dot, dash and underscore, at most 63')
    .refine((prefix) => !namesReaders(prefix), {
      error: 'may have no part named readers: groups of readers have it',
    })
    .default('flotilla'),
  FLOTILLA_DATA: z.string().default('.flotilla'),
  FLOTILLA_PARTITIONS: whole(1, 1_000).default(DEFAULT_PARTITIONS),
  FLOTILLA_ALLOW_VOLATILE_STORE: flag.default(false),
  FLOTILLA_ALLOW_NO_MODEL: flag.default(false),
  FLOTILLA_KEYS_ELSEWHERE: listOf(variableName),
  FLOTILLA_REDIS_WAIT_REPLICAS: whole(0, 10).default(0),
  FLOTILLA_SESSION_TIMEOUT_MS: whole(1_000, 600_000).default(6_000),
  FLOTILLA_TRANSACTION_TIMEOUT_MS: whole(1_000, 900_000).default(15_000),
  FLOTILLA_DURABILITY: oneOf(['process-crash', 'power-loss']).default('process-crash'),
  FLOTILLA_DRAIN_MS: whole(0, 600_000).default(25_000),
})

/** Every variable that is checked here, with its default; null if it has none. */
export const environmentDefaults: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(Object.keys(variables.shape).map((name) => [name, null])),
  ...variables.parse({}),
}

/** Shows the wrong value, unless it may hold a password. */
function mistakeIn(name: string, message: string, raw: Readonly<Record<string, string | undefined>>): string {
  const isSecret = /PASSWORD|SECRET|URL|ENDPOINT|KEY(?!S_ELSEWHERE)/.test(name)
  return `  ${name}: ${message}${isSecret ? '' : `, not "${raw[name]?.slice(0, 80)}"`}`
}

/** A file with the line ends of Windows, read by a shell, leaves half of one with every value. */
function withoutLineEnds(
  given: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | undefined>> {
  if (!Object.values(given).some((value) => value?.endsWith('\r'))) return given
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value?.replace(/\r+$/, '')]))
}

/**
 * Throws CONFIG_INVALID with every mistake. A variable that is set but empty counts as not set. From then on
 * no message shows the secrets among them.
 */
export function readEnvironment(given: Readonly<Record<string, string | undefined>>): Environment {
  const { variables: raw, mistakes: unread } = withFiles(withoutLineEnds(given))
  keepSecrets(environmentSecrets(raw))
  const present = Object.fromEntries(Object.entries(raw).filter(([, value]) => value?.trim()))
  const parsed = variables.safeParse(present)
  const { security, mistakes: insecure } = readSecurity(present, parsed.data?.KAFKA_BROKERS ?? [])
  const { tracing, mistakes: untraced } = readTracing(present)
  const issues = parsed.error?.issues ?? []
  const mistakes = [
    ...unread,
    ...issues.map((issue) => mistakeIn(String(issue.path[0]), issue.message, raw)),
    ...insecure,
    ...untraced,
  ]
  if (!parsed.success || mistakes.length > 0) {
    const message = `the environment has ${plural(mistakes.length, 'mistake')}:\n${mistakes.join('\n')}`
    throw new FlotillaError('CONFIG_INVALID', message)
  }
  const env = parsed.data
  return {
    kafkaBrokers: env.KAFKA_BROKERS,
    kafkaClientId: env.KAFKA_CLIENT_ID ?? null,
    security,
    schemaRegistryUrl: env.SCHEMA_REGISTRY_URL ?? null,
    redisUrl: env.REDIS_URL ?? null,
    databaseUrl: env.DATABASE_URL ?? null,
    tracing,
    traceUrl: env.FLOTILLA_TRACE_URL ?? null,
    logLevel: env.LOG_LEVEL,
    logFormat: env.LOG_FORMAT ?? null,
    port: env.PORT,
    host: env.HOST,
    http: {
      allowedHosts: env.FLOTILLA_ALLOWED_HOSTS,
      heartbeatMs: env.FLOTILLA_STREAM_HEARTBEAT_MS,
      silentMs: env.FLOTILLA_STREAM_SILENT_MS,
      maxStreams: env.FLOTILLA_MAX_STREAMS,
      maxStreamsPerClient: env.FLOTILLA_MAX_STREAMS_PER_CLIENT,
      access: env.FLOTILLA_API_ACCESS ?? null,
      adminKey: env.FLOTILLA_ADMIN_KEY ?? null,
    },
    prefix: env.FLOTILLA_PREFIX,
    dataDir: resolve(env.FLOTILLA_DATA),
    partitions: env.FLOTILLA_PARTITIONS,
    allowVolatileStore: env.FLOTILLA_ALLOW_VOLATILE_STORE,
    allowNoModel: env.FLOTILLA_ALLOW_NO_MODEL,
    redisWaitReplicas: env.FLOTILLA_REDIS_WAIT_REPLICAS,
    sessionTimeoutMs: env.FLOTILLA_SESSION_TIMEOUT_MS,
    transactionTimeoutMs: env.FLOTILLA_TRANSACTION_TIMEOUT_MS,
    durability: env.FLOTILLA_DURABILITY,
    drainMs: env.FLOTILLA_DRAIN_MS,
    raw,
  }
}
