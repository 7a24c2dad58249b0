// What doctor looks at, in the order in which it is reported: the same for the command and for the HTTP API.
import { alertWarnings } from '../../runtime/config/alerts.ts'
import type { Environment } from '../../runtime/config/environment.ts'
import { exposureWarnings } from '../../runtime/config/exposure.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import type { JwtDefinition } from '../../runtime/config/gateway.ts'
import type { PinnedMcpServer } from '../../runtime/config/mcp/tools.ts'
import { openHostWarnings, transportWarnings } from '../../runtime/config/environment/transport.ts'
import { requireKept } from '../../runtime/codec/kept-ids.ts'
import type { Codec } from '../../runtime/codec/port.ts'
import { FlotillaError, hasCode } from '../../runtime/errors.ts'
import { ok, skipped, warn, type Found } from '../../runtime/finding.ts'
import type { SchemaChecks } from '../../runtime/foreign-schema/checks.ts'
import { requirePartitions } from '../../runtime/log/embedded/partitions.ts'
import type { Log } from '../../runtime/log/port.ts'
import { plural } from '../../runtime/text/quantities.ts'
import { shownUrl } from '../../runtime/text/redaction.ts'
import type { ServiceContext } from '../../runtime/service.ts'
import { inspectDataFile, inspectRoom, openedDataFile } from '../../runtime/store/data-file/data-file.ts'
import { readPages } from '../../runtime/store/data-file/pages.ts'
import type { Stores } from '../../runtime/store/open.ts'
import { ledgerTables, requireWritable } from '../../runtime/store/writable.ts'
import { topics } from '../../schemas/topics.ts'
import { absentIn, ledRanges } from '../direct/led-ranges.ts'
import { problemIn } from '../running-fleet.ts'

export interface Check {
  readonly name: string
  /** Rejects if the part can't be used. */
  readonly run: (signal: AbortSignal) => Found | Promise<Found>
}

/** Checks that make the calls of services (services/probes.ts). */
export interface Probes {
  model(parts: Omit<ServiceContext, 'instruments' | 'logger'>, signal: AbortSignal): Promise<Found>
  sandbox(name: string, fleet: Fleet, environment: Environment): Promise<Found>
  mcpServer(server: PinnedMcpServer, environment: Environment, signal: AbortSignal): Promise<Found>
  issuer(settings: JwtDefinition): Promise<Found>
}

/** The parts of a fleet, each opened when a check needs it: one that can't be opened fails its own checks. */
export interface Examined {
  readonly environment: Environment
  /** Null if the configuration is not valid. */
  readonly fleet: Fleet | null
  readonly stores: () => Promise<Pick<Stores, 'keyValue' | 'limits' | 'blobs' | 'sql'>>
  readonly withLog: (work: (log: Log) => Promise<Found>) => Promise<Found>
  readonly codec: () => Codec
  readonly schemas: SchemaChecks
  readonly probes: Probes
  /** Whether what this service needs is to be tried: on Kafka it may be another process's. */
  readonly isHere: (service: string) => boolean
  /** URL of the gateway of the process that holds the data file: it reports on its stores. Null: there is none. */
  readonly heldBy: string | null
}

export function checksOf(parts: Examined): Check[] {
  const { environment, fleet, probes, heldBy } = parts
  const of = (service: string, run: (known: Fleet, signal: AbortSignal) => Promise<Found>) => {
    return async (signal: AbortSignal): Promise<Found> =>
      parts.isHere(service) ? run(configured(fleet), signal) : elsewhere(service)
  }
  const sandbox = (name: string) => of('code-sandbox', (known) => probes.sandbox(name, known, environment))
  const jwt = fleet?.gateway?.jwt
  return [
    { name: 'agents', run: () => agents(configured(fleet)) },
    { name: 'transport', run: () => transport(environment) },
    {
      name: 'model API',
      run: of('planner', async (known, signal) =>
        probes.model(
          { ...(await parts.stores()), fleet: known, environment, schemas: parts.schemas },
          signal,
        ),
      ),
    },
    ...(environment.kafkaBrokers.length === 0
      ? [{ name: 'data directory', run: () => dataDirectory(environment) }]
      : []),
    { name: 'log', run: () => parts.withLog(log) },
    { name: 'schema registry', run: () => registry(parts) },
    {
      name: 'cache and journal',
      run: () => (heldBy ? reported('key-value store', heldBy) : keyValue(parts)),
    },
    { name: 'database', run: () => (heldBy ? reported('database', heldBy) : database(parts)) },
    { name: 'sandbox', run: sandbox('wasm') },
    ...Object.keys(fleet?.sandbox ?? {}).map((name) => ({ name: `sandbox ${name}`, run: sandbox(name) })),
    ...(fleet?.mcpServers ?? []).map((server) => ({
      name: `MCP ${server.name}`,
      run: of('tool-executor', (_, signal) => probes.mcpServer(server, environment, signal)),
    })),
    ...(jwt ? [{ name: 'token issuer', run: of('gateway', () => probes.issuer(jwt)) }] : []),
    { name: 'alerts', run: of('alerting', async (known) => alerts(known, environment)) },
  ]
}

/** What the configuration has, once it was loaded. */
export function configuration({ tools, agents: named }: Fleet): Found {
  return ok(`${plural(tools.length, 'tool')}, agents: ${Object.keys(named).join(', ') || 'the built-in one'}`)
}

function configured(fleet: Fleet | null): Fleet {
  if (fleet === null) throw new Error('fix the configuration first')
  return fleet
}

const elsewhere = (service: string): Found =>
  skipped(
    `${service} runs in another process, with an environment of its own`,
    `Run flotilla doctor in the environment of ${service}; GET /ready of its process says whether it works.`,
  )

function agents(fleet: Fleet): Found {
  const warnings = exposureWarnings(fleet)
  if (warnings.length > 0)
    return warn(
      warnings.join('; '),
      'Give the agent fewer tools (agents.<name>.tools), limit hosts (fetchPage({ hosts })), or set requiresApproval.',
    )
  return ok('no agent combines private data, untrusted text and a way to send data out')
}

function transport(environment: Environment): Found {
  const warnings = [...transportWarnings(environment), ...openHostWarnings(environment)]
  if (warnings.length > 0) return warn(warnings.join('; '))
  return ok('no credentials leave this machine without TLS')
}

async function dataDirectory({ dataDir, prefix, partitions }: Environment): Promise<Found> {
  // First: what else fails on a full disk says less.
  const room = inspectRoom(dataDir)
  const own = openedDataFile(dataDir)
  await own?.check()
  let isRead = true
  const held = inspectDataFile(dataDir, (db) => {
    requirePartitions(db, prefix, partitions)
    // A process that has work to do must not stand still meanwhile.
    if (own === null) isRead = readPages(db)
  })
  return ok(
    `${dataDir}: ${held}, ${room}${isRead ? '' : '; too large to read here: flotilla backup checks every page'}`,
  )
}

async function log(opened: Log): Promise<Found> {
  await opened.check()
  if (opened.kind === 'embedded') return ok(`embedded, ${plural(opened.partitions, 'partition')}`)
  const names = topics.map(({ name }) => name)
  const found = await ledRanges(opened, names).catch(unlessMissing)
  if ('missing' in found)
    return warn(`${opened.kind}: reachable; ${found.missing}`, 'Create them with: flotilla topics --create')
  const leaderless = found.leaderless.map(({ topic, partition }) => `${topic}[${partition}]`)
  if (leaderless.length > 0)
    return warn(
      `${opened.kind}: reachable; no broker leads ${leaderless.join(', ')}: their tasks wait`,
      'Start the brokers that hold them, which kafka-topics.sh --describe names (docs/runbooks/input_blocked.md).',
    )
  const advice = await opened.advice()
  if (advice.length > 0) return warn(advice.join('; '))
  return ok(`${opened.kind}, ${plural(opened.partitions, 'partition')}`)
}

/** Named only where others are there: a new prefix lacks them all. */
function unlessMissing(error: unknown): { missing: string } {
  if (!hasCode(error, 'TOPICS_MISSING')) throw error
  const absent = absentIn(error)
  const isSome = absent.length > 0 && absent.length < topics.length
  return { missing: isSome ? `missing: ${absent.join(', ')}` : 'topics are missing' }
}

async function registry({ codec, environment, stores }: Examined): Promise<Found> {
  const opened = codec()
  await opened.check()
  // A store that can't be asked fails the check of its own.
  const store = environment.kafkaBrokers.length > 0 ? await stores().catch(() => null) : null
  if (store) await requireKept(opened, store.keyValue)
  if (environment.schemaRegistryUrl) return ok(shownUrl(environment.schemaRegistryUrl))
  if (environment.kafkaBrokers.length === 0) return ok('embedded')
  return warn(
    'SCHEMA_REGISTRY_URL is not set: only Flotilla’s own clients can read the events',
    'Set it to a registry with Confluent’s API, if other programs are to read them.',
  )
}

async function keyValue({ stores, environment }: Examined): Promise<Found> {
  const { keyValue: store, limits } = await stores()
  await store.check()
  await limits.check()
  const { durable, reason } = await store.durability()
  if (durable) return ok(`${store.kind}: ${reason}`)
  if (environment.allowVolatileStore) return warn(`${store.kind}: ${reason}`)
  throw new FlotillaError('STORE_NOT_DURABLE', `${store.kind}: ${reason}; no stage starts with it`)
}

async function database({ stores, environment }: Examined): Promise<Found> {
  const { sql } = await stores()
  await requireWritable(sql, ['blobs', ...ledgerTables])
  return ok(environment.databaseUrl ? 'PostgreSQL' : 'SQLite')
}

async function reported(part: string, gateway: string): Promise<Found> {
  const problem = await problemIn(part, gateway)
  if (problem !== null) throw new Error(problem)
  return ok(`works in the running fleet at ${gateway}`)
}

function alerts(fleet: Fleet, { raw }: Environment): Found {
  const warnings = alertWarnings(fleet.alerts, raw)
  if (warnings.length > 0) return warn(warnings.join('; '))
  const channels = Object.keys(fleet.alerts.channels)
  if (channels.length > 0)
    return ok(`${plural(fleet.alerts.rules.length, 'rule')}, channels: ${channels.join(', ')}`)
  return warn(
    'no channel is notified of alerts; only the topic and the log record them',
    'Add alerts.channels to the configuration.',
  )
}
