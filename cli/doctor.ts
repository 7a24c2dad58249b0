import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCodec } from '../runtime/codec/open.ts'
import { alertWarnings } from '../runtime/config/alerts.ts'
import { readEnvironment, type Environment } from '../runtime/config/environment.ts'
import { executorKind } from '../runtime/config/executors.ts'
import { exposureWarnings } from '../runtime/config/exposure.ts'
import type { Fleet } from '../runtime/config/fleet.ts'
import { createSchemaChecks } from '../runtime/foreign-schema/checks.ts'
import { openHostWarnings, transportWarnings } from '../runtime/config/transport.ts'
import { FlotillaError, messageOf } from '../runtime/errors.ts'
import { openLog } from '../runtime/log/open.ts'
import { fleetWithoutModel } from '../runtime/models/missing.ts'
import { parseModel } from '../runtime/models/names.ts'
import { redacted, shownUrl } from '../runtime/redaction.ts'
import { inspectDataFile, inspectRoom } from '../runtime/store/data-file.ts'
import { openStores, type Stores } from '../runtime/store/open.ts'
import { quietInstruments } from '../runtime/telemetry/instruments.ts'
import { topics } from '../schemas/topics.ts'
import { openExecutors } from '../services/code-sandbox/executors/open.ts'
import { loadServices } from '../services/index.ts'
import { syncServers } from './mcp-sync.ts'
import { LiveView } from './live-view.ts'
import { paint, print, printJson } from './output.ts'
import { gatewayOf, problemIn } from '../operator/running-fleet.ts'
import { loadWithScriptedModel, type LoadedFleet } from './scripted.ts'
import { wrapped } from './text-width.ts'
import { plural } from './units.ts'
import { detailOf } from './view-options.ts'

const MODEL_CHECK_MS = 20_000
const GATEWAY_MS = 2_000
/** Columns before the reason of a check: the mark and the name. */
const INDENT = 26
const LEAST_ROOM = 24

interface Finding {
  check: string
  /** warn: it works, but with a weaker guarantee. */
  result: 'ok' | 'warn' | 'failed'
  reason: string
}

/** Prints each finding as it comes, then ends the command. */
export async function doctor(options: { json?: boolean }): Promise<void> {
  const findings: Finding[] = []
  const view = new LiveView({ detail: detailOf(options) })
  const add = async (check: string, work: () => Promise<string | Omit<Finding, 'check'>>): Promise<void> => {
    view.now(`checking ${check}`)
    const found = await work().catch((error: unknown) => ({
      result: 'failed' as const,
      reason: reasonOf(error),
    }))
    findings.push({ check, ...(typeof found === 'string' ? { result: 'ok', reason: found } : found) })
    view.clear()
    if (!options.json) printFinding(findings.at(-1) as Finding)
  }
  const environment = readEnvironment(process.env)
  let loaded: LoadedFleet | null = null
  let fleet: Fleet | null = null
  await add('configuration', async () => {
    loaded = await loadWithScriptedModel(environment)
    fleet = loaded.fleet
    return `${plural(fleet.tools.length, 'tool')}, agents: ${Object.keys(fleet.agents).join(', ') || 'the built-in one'}`
  })
  await add('agents', async () => agents(fleet))
  await add('transport', async () => transport(environment))
  // A running fleet reports on its stores. Everything else is tried in a directory of our own: the data
  // directory is locked by the process that has it, and a diagnosis must not stop a fleet from starting.
  const gateway = await runningGateway(environment)
  const scratch = mkdtempSync(join(tmpdir(), 'flotilla-doctor-'))
  const elsewhere = { ...environment, dataDir: scratch, allowVolatileStore: true }
  const stores = await openStores(elsewhere).catch((error: unknown) => error)
  const known = (loaded as LoadedFleet | null)?.environment ?? environment
  await add('model API', async () => modelApi(fleet, openOrThrow(stores), known))
  if (environment.kafkaBrokers.length === 0)
    await add('data directory', async () => dataDirectory(environment))
  await add('log', async () => log(elsewhere))
  await add('schema registry', async () => registry(environment))
  await add('cache and journal', async () =>
    gateway ? ofFleet('key-value store', gateway) : keyValue(openOrThrow(stores)),
  )
  await add('database', async () =>
    gateway ? ofFleet('database', gateway) : database(openOrThrow(stores), environment),
  )
  await add('sandbox', async () => sandbox(fleet, environment, 'wasm'))
  for (const name of Object.keys((fleet as Fleet | null)?.sandbox ?? {}))
    await add(`sandbox ${name}`, async () => sandbox(fleet, environment, name))
  for (const server of (fleet as Fleet | null)?.mcpServers ?? [])
    await add(`MCP ${server.name}`, async () => mcpServer(server, environment))
  await add('alerts', async () => alerts(fleet, environment))
  if (!(stores instanceof Error)) await (stores as Stores).close()
  rmSync(scratch, { recursive: true, force: true })
  await (loaded as LoadedFleet | null)?.stop()
  view.end()
  if (options.json) printJson(findings)
  process.exit(findings.some(({ result }) => result === 'failed') ? 1 : 0)
}

/** The gateway of a fleet on this machine; null if none answers. */
async function runningGateway(environment: Environment): Promise<string | null> {
  const gateway = environment.kafkaBrokers.length > 0 ? null : gatewayOf(environment)
  if (gateway === null) return null
  const response = await fetch(`${gateway}/health`, { signal: AbortSignal.timeout(GATEWAY_MS) }).catch(
    () => null,
  )
  return response?.ok ? gateway : null
}

function dataDirectory({ dataDir }: Environment): string {
  // First: what else fails on a full disk says less.
  const room = inspectRoom(dataDir)
  return `${dataDir}: ${inspectDataFile(dataDir)}, ${room}`
}

async function agents(fleet: Fleet | null): Promise<string | Omit<Finding, 'check'>> {
  if (!fleet) throw new Error('fix the configuration first')
  const warnings = exposureWarnings(fleet)
  if (warnings.length > 0) return { result: 'warn', reason: warnings.join('; ') }
  return 'no agent combines private data, untrusted text and a way to send data out'
}

async function transport(environment: Environment): Promise<string | Omit<Finding, 'check'>> {
  const warnings = [...transportWarnings(environment), ...openHostWarnings(environment)]
  if (warnings.length > 0) return { result: 'warn', reason: warnings.join('; ') }
  return 'no credentials leave this machine without TLS'
}

async function ofFleet(part: string, gateway: string): Promise<string> {
  const problem = await problemIn(part, gateway)
  if (problem !== null) throw new Error(problem)
  return `works in the running fleet at ${gateway}`
}

function printFinding({ check, result, reason }: Finding): void {
  const mark = {
    ok: paint('green', 'ok    '),
    warn: paint('yellow', 'warn  '),
    failed: paint('red', 'FAILED'),
  }[result]
  const room = process.stdout.isTTY ? Math.max(LEAST_ROOM, process.stdout.columns - INDENT) : Infinity
  print(`${mark} ${check.padEnd(18)} ${wrapped(reason, room).join(`\n${' '.repeat(INDENT)}`)}`)
}

function reasonOf(error: unknown): string {
  if (error instanceof FlotillaError) return `${error.code}: ${error.message} — ${error.remedy}`
  return redacted(messageOf(error))
}

function openOrThrow(stores: Stores | unknown): Stores {
  if (stores instanceof Error) throw stores
  return stores as Stores
}

async function modelApi(
  fleet: Fleet | null,
  stores: Stores,
  environment: Environment,
): Promise<string | Omit<Finding, 'check'>> {
  if (!fleet) throw new Error('fix the configuration first')
  const model = fleet.models.default
  const missing = fleetWithoutModel(fleet)
  if (missing !== null) throw new FlotillaError('MODEL_NOT_CONFIGURED', missing)
  if (model === null) return { result: 'ok', reason: 'no default model; every agent has one of its own' }
  if (parseModel(model).provider === 'scripted')
    return { result: 'warn', reason: 'answers are scripted: no language model is asked' }
  const [planner] = await loadServices(['planner'])
  const caller = planner?.callers?.({
    ...stores,
    fleet,
    environment,
    schemas: createSchemaChecks(),
    instruments: quietInstruments,
    logger: quietInstruments.log,
  }).callers['model']
  await caller?.(smallestRequest(model) as never, {
    callId: randomUUID(),
    key: 'doctor',
    signal: AbortSignal.timeout(MODEL_CHECK_MS),
    traceparent: null,
    stream: () => {},
  })
  return `${model} answers`
}

/** A real request: nothing less shows that key, model name and quota are right. It costs about ten tokens. */
function smallestRequest(model: string) {
  const messages = [{ role: 'user', content: 'ping' }]
  return { model, messages, temperature: 0, maxOutputTokens: 16, stream: false, step: 0 }
}

async function log(environment: Environment): Promise<string | Omit<Finding, 'check'>> {
  const opened = await openLog(environment)
  try {
    await opened.check()
    if (opened.kind === 'embedded') return `embedded, ${plural(opened.partitions, 'partition')}`
    const ranges = await opened.ranges(topics.map(({ name }) => name)).catch(() => null)
    if (!ranges)
      return {
        result: 'warn',
        reason: `${opened.kind}: reachable; topics are missing, create them with: flotilla topics --create`,
      }
    const counts = new Map(
      topics.map(({ name }) => [name, ranges.filter(({ topic }) => topic === name).length]),
    )
    const odd = topics.filter(
      ({ name, partitions }) => partitions === 'shared' && counts.get(name) !== opened.partitions,
    )
    if (odd.length > 0)
      throw new FlotillaError(
        'TOPICS_MISMATCH',
        `${odd.map(({ name }) => `${name}: ${counts.get(name)}`).join(', ')} partitions, not ${opened.partitions}; create missing topics with: flotilla topics --create`,
      )
    const advice = await opened.advice()
    if (advice.length > 0) return { result: 'warn', reason: advice.join('; ') }
    return `${opened.kind}, ${plural(opened.partitions, 'partition')}`
  } finally {
    await opened.close()
  }
}

async function registry(environment: Environment): Promise<string | Omit<Finding, 'check'>> {
  await openCodec(environment).check()
  if (environment.schemaRegistryUrl) return shownUrl(environment.schemaRegistryUrl)
  if (environment.kafkaBrokers.length === 0) return 'embedded'
  return {
    result: 'warn',
    reason: 'SCHEMA_REGISTRY_URL is not set: only Flotilla’s own clients can read the events',
  }
}

async function keyValue({ keyValue: store }: Stores): Promise<string | Omit<Finding, 'check'>> {
  await store.check()
  const { durable, reason } = await store.durability()
  return { result: durable ? 'ok' : 'warn', reason: `${store.kind}: ${reason}` }
}

async function database({ blobs }: Stores, environment: Environment): Promise<string> {
  await blobs.check()
  return environment.databaseUrl ? 'PostgreSQL' : 'SQLite'
}

async function alerts(fleet: Fleet | null, { raw }: Environment): Promise<string | Omit<Finding, 'check'>> {
  if (!fleet) throw new Error('fix the configuration first')
  const warnings = alertWarnings(fleet.alerts, raw)
  if (warnings.length > 0) return { result: 'warn', reason: warnings.join('; ') }
  const channels = Object.keys(fleet.alerts.channels)
  if (channels.length > 0) return `${fleet.alerts.rules.length} rules, channels: ${channels.join(', ')}`
  return {
    result: 'warn',
    reason: 'no channel is notified of alerts; only the topic and the log record them: add alerts.channels',
  }
}

async function sandbox(
  fleet: Fleet | null,
  environment: Environment,
  name: string,
): Promise<string | Omit<Finding, 'check'>> {
  if (!fleet) throw new Error('fix the configuration first')
  const executors = openExecutors({ ...fleet, sandbox: only(name, fleet) }, environment)
  try {
    const executor = await executors.get(name)
    await executor.check()
    const weakness = executor.weakness?.() ?? null
    if (weakness !== null) return { result: 'warn', reason: `${name}, ${weakness}` }
  } finally {
    await executors.close()
  }
  if (executorKind(name)?.isRemote) return `${name} answers`
  return `${name}, ${Math.floor(freemem() / 2 ** 20)} MB of memory free`
}

async function mcpServer(
  { name, perUser, auth, pinned }: NonNullable<Fleet['mcpServers']>[number],
  environment: Environment,
): Promise<string | Omit<Finding, 'check'>> {
  if (perUser)
    return {
      result: 'warn',
      reason: 'not asked: it has credentials of users only; flotilla mcp sync --check --user ID asks it',
    }
  if (auth?.type === 'refresh_token')
    return {
      result: 'warn',
      reason:
        'not asked: that would use its refresh token up; flotilla mcp sync --check asks it, while no fleet runs here',
    }
  const synced = await syncServers(environment, { names: [name], write: false })
  const [unread] = synced?.unread ?? []
  if (unread) throw unread.error
  const changes = synced?.changes ?? []
  if (changes.length === 0) return `answers, with ${plural(Object.keys(pinned.tools).length, 'pinned tool')}`
  const named = changes.map(({ tool, change }) => `${tool ?? 'the server'} ${change}`).join(', ')
  return {
    result: 'warn',
    reason: `differs from ${synced?.file}: ${named}; calls of changed tools are refused: flotilla mcp sync`,
  }
}

function only(name: string, { sandbox = {} }: Fleet): NonNullable<Fleet['sandbox']> {
  return Object.fromEntries(Object.entries(sandbox).filter(([named]) => named === name))
}
