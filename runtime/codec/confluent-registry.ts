// A real schema registry behind Confluent's API, and the only importer of its client.
//
// 1. A new subject is set to FULL_TRANSITIVE. One that its owner has set otherwise keeps its level.
// 2. The client answers a broken connection with status 400; only 404, 409 and 422 are the registry's own
//    verdict on a schema, and only from the registry itself (registry-answers.ts).
// 3. A schema that the registry has and the client can't read (another format, another dialect) stays unreadable,
//    however often it is asked for: that is no failure of the registry, and what has it is undecodable.
// 4. Processes that start together register the same subjects; Apicurio answers some of them 409, and some see a
//    subject before its level is set. A conflict counts only if it persists.
import { Agent, type RequestOptions } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionOptions } from 'node:tls'
import registryClient, { COMPATIBILITY } from '@kafkajs/confluent-schema-registry'
import type { Tls } from '../config/environment/renewed-files.ts'
import type { ServerSecurity } from '../config/environment/server-security.ts'
import { FlotillaError, messageOf } from '../errors.ts'
import { answerOf, statusOf } from './registry-answers.ts'
import { registryChanged, type AvroSchema, type Registered, type Registry } from './registry.ts'

const { SchemaRegistry, SchemaType } = registryClient
const REQUEST_TIMEOUT_MS = 10_000
const CONFLICT_TRIES = 5

type AvroConfluentSchema = { type: (typeof SchemaType)['AVRO']; schema: string }
type Client = InstanceType<typeof SchemaRegistry>
type ClientOptions = ConstructorParameters<typeof SchemaRegistry>[0]

/** `url` may carry credentials: https://user:secret@host/path. */
export function createConfluentRegistry(url: string, security: ServerSecurity = {}): Registry {
  const client = new SchemaRegistry(clientOptions(url, security))
  const shown = withoutCredentials(url)
  return {
    register: (subject, schema) => register(client, shown, subject, schema),
    byId: (id) => byId(client, shown, id),
    check: (registered) => check(client, shown, registered),
  }
}

function clientOptions(text: string, security: ServerSecurity): ClientOptions {
  const url = new URL(text)
  const username = security.username ?? decodeURIComponent(url.username)
  const password = security.password ?? (() => decodeURIComponent(url.password))
  const authorization = (): string => `Basic ${Buffer.from(`${username}:${password()}`).toString('base64')}`
  const prepare: NonNullable<ClientOptions['middlewares']>[number] = () => ({
    prepareRequest: async (next) =>
      (await next()).enhance({
        timeout: REQUEST_TIMEOUT_MS,
        ...(username === '' ? {} : { headers: { authorization: authorization() } }),
      }),
  })
  return {
    host: withoutCredentials(text),
    clientId: 'flotilla',
    retry: { retries: 2, maxRetryTimeInSecs: 2 },
    middlewares: [prepare, answers],
    ...(security.tls ? { agent: new RenewedAgent(security.tls) } : {}),
  }
}

const answers: NonNullable<ClientOptions['middlewares']>[number] = ({ resourceMethod }) => ({
  response: (next) => answerOf(resourceMethod, next()),
})

/** Certificates as of each connection. */
class RenewedAgent extends Agent {
  readonly #tls: Tls

  constructor(tls: Tls) {
    super({ keepAlive: true })
    this.#tls = tls
  }

  override createConnection(options: ConnectionOptions, done: (error: Error | null) => void) {
    return super.createConnection({ ...options, ...this.#tls() } as RequestOptions, done)
  }
}

function withoutCredentials(url: string): string {
  const parsed = new URL(url)
  parsed.username = ''
  parsed.password = ''
  return parsed.href.replace(/\/$/, '')
}

async function register(client: Client, url: string, subject: string, schema: AvroSchema): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      return await registerOnce(client, subject, schema)
    } catch (error) {
      const isConflict = statusOf(error) === 409 || isLevelChanged(error)
      if (isConflict && tries < CONFLICT_TRIES) await sleep(tries * 100 * (0.5 + Math.random()))
      else if (isConflict || statusOf(error) === 422) throw incompatible(url, subject, error)
      else throw unavailable(url, error)
    }
  }
}

async function registerOnce(client: Client, subject: string, schema: AvroSchema): Promise<number> {
  const confluent: AvroConfluentSchema = { type: SchemaType.AVRO, schema: JSON.stringify(schema) }
  const attempt = async (compatibility: COMPATIBILITY): Promise<number> =>
    (await client.register(confluent, { subject, compatibility })).id
  return attempt(COMPATIBILITY.FULL_TRANSITIVE).catch((error: unknown) => {
    const level = ownersLevel(error)
    if (level === null) throw error
    return attempt(level)
  })
}

/** The level that the client's error names: the client insists on setting its own. */
function ownersLevel(error: unknown): COMPATIBILITY | null {
  const found = /\(FULL_TRANSITIVE != (\w+)\)/.exec(messageOf(error))?.[1]
  return Object.values(COMPATIBILITY).find((level) => level === found) ?? null
}

/** Another process set the level of a new subject between two requests of this one. */
const isLevelChanged = (error: unknown): boolean => /\(\w+ != \w+\)$/.test(messageOf(error))

/** Nothing is cached: the registry is asked each time. */
async function check(client: Client, url: string, registered: Registered | undefined): Promise<void> {
  const subject = registered?.subject ?? 'flotilla.TaskSubmitted'
  const asked = registered
    ? client.getRegistryIdBySchema(subject, {
        type: SchemaType.AVRO,
        schema: JSON.stringify(registered.schema),
      })
    : client.getLatestSchemaId(subject)
  const id = await asked.catch((error: unknown) => {
    if (statusOf(error) !== 404 && !isNotRegistered(error)) throw unavailable(url, error)
    return null
  })
  if (registered && id !== registered.id)
    throw registryChanged(registered, `at ${url} has ${id === null ? 'no such schema' : `it as ${id}`}`)
}

async function byId(client: Client, url: string, id: number): Promise<AvroSchema> {
  try {
    const type: unknown = await client.getSchema(id)
    if (hasSchema(type)) return type.schema()
  } catch (error) {
    if (isUnreadable(error)) {
      const message = `the schema with id ${id} at ${url} can't be read: ${messageOf(error)}`
      throw new FlotillaError('UNDECODABLE_RECORD', message, { cause: error })
    }
    if (statusOf(error) !== 404) throw unavailable(url, error)
  }
  throw new FlotillaError('UNDECODABLE_RECORD', `the registry at ${url} has no Avro schema with id ${id}`)
}

/** The client does not export the class. */
const isUnreadable = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ConfluentSchemaRegistryArgumentError'

/** A 404 of which the client keeps the message alone. It does not export the class. */
const isNotRegistered = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ConfluentSchemaRegistryError'

/** For Avro the client returns an avsc type. */
const hasSchema = (type: unknown): type is { schema(): AvroSchema } =>
  typeof type === 'object' && type !== null && 'schema' in type && typeof type.schema === 'function'

const unavailable = (url: string, error: unknown): FlotillaError =>
  new FlotillaError('REGISTRY_UNAVAILABLE', `asking the schema registry at ${url}: ${messageOf(error)}`, {
    cause: error,
  })

const incompatible = (url: string, subject: string, error: unknown): FlotillaError => {
  const message = `registering ${subject} at ${url}: the registry refused this version: ${messageOf(error)}`
  return new FlotillaError('SCHEMA_INCOMPATIBLE', message, { cause: error })
}
