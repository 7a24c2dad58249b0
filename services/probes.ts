// Checks of doctor that make the calls of a service: one request to the model, a start of each executor, a look at
// each MCP server and at the issuer of tokens. What they need is loaded when they run.
import { randomUUID } from 'node:crypto'
import { freemem } from 'node:os'
import { executorKind } from '../runtime/config/executors.ts'
import type { Fleet } from '../runtime/config/fleet.ts'
import type { JwtDefinition } from '../runtime/config/gateway.ts'
import { lockChanges } from '../runtime/config/mcp/lock-diff.ts'
import type { PinnedMcpServer } from '../runtime/config/mcp/tools.ts'
import type { Environment } from '../runtime/config/environment.ts'
import { FlotillaError } from '../runtime/errors.ts'
import { ok, skipped, warn, type Found } from '../runtime/finding.ts'
import { fleetWithoutModel } from '../runtime/models/missing.ts'
import { parseModel } from '../runtime/models/names.ts'
import { plural } from '../runtime/text/quantities.ts'
import type { ServiceContext } from '../runtime/service.ts'
import { quietInstruments } from '../runtime/telemetry/instruments.ts'
import { loadServices } from './index.ts'

type ModelParts = Omit<ServiceContext, 'instruments' | 'logger'>

/** Asks the default model. It is a real request, of about ten tokens: nothing less shows that key, name and quota are right. */
export async function probeModel(parts: ModelParts, signal: AbortSignal): Promise<Found> {
  const { fleet } = parts
  const model = fleet.models.default
  const missing = fleetWithoutModel(fleet)
  if (missing !== null) throw new FlotillaError('MODEL_NOT_CONFIGURED', missing)
  if (model === null) return ok('no default model; every agent has one of its own')
  if (parseModel(model).provider === 'scripted')
    return warn(
      'answers are scripted: no language model is asked',
      'Set the key of a provider, or OPENAI_BASE_URL, and name its model.',
    )
  const [planner] = await loadServices(['planner'])
  const own = { ...parts, instruments: quietInstruments, logger: quietInstruments.log }
  const caller = planner?.callers?.(own).callers['model']
  const messages = [{ role: 'user', content: 'ping' }]
  const request = { model, messages, temperature: 0, maxOutputTokens: 16, stream: false, step: 0 }
  await caller?.(request as never, {
    callId: randomUUID(),
    key: 'doctor',
    signal,
    traceparent: null,
    stream: () => {},
  })
  return ok(`${model} answers`)
}

/** Starts the executor of this name. */
export async function probeSandbox(name: string, fleet: Fleet, environment: Environment): Promise<Found> {
  const { openExecutors } = await import('./code-sandbox/executors/open.ts')
  const { sandbox = {} } = fleet
  const own = Object.fromEntries(Object.entries(sandbox).filter(([named]) => named === name))
  const executors = openExecutors({ ...fleet, sandbox: own }, environment)
  try {
    const executor = await executors.get(name)
    await executor.check()
    const weakness = executor.weakness?.() ?? null
    if (weakness !== null) return warn(`${name}, ${weakness}`)
  } finally {
    await executors.close()
  }
  if (executorKind(name)?.isRemote) return ok(`${name} answers`)
  return ok(`${name}, ${Math.floor(freemem() / 2 ** 20)} MB of memory free`)
}

/** Asks an MCP server for its tools, and compares them with what is pinned. */
export async function probeMcpServer(
  server: PinnedMcpServer,
  { raw }: Environment,
  signal: AbortSignal,
): Promise<Found> {
  const { name, perUser, auth, pinned } = server
  if (perUser)
    return skipped(
      'not asked: it has credentials of users only',
      'flotilla mcp sync --check --user ID asks it.',
    )
  if (auth?.type === 'refresh_token')
    return skipped(
      'not asked: that would use its refresh token up',
      'flotilla mcp sync --check asks it, while no fleet runs here.',
    )
  const { readServers } = await import('./tool-executor/tools/mcp/sync.ts')
  const before = { servers: { [name]: pinned } }
  const parts = { variables: raw, keyValue: null, userId: null, signal }
  const read = await readServers([server], before, parts)
  const [unread] = read.unread
  if (unread) throw unread.error
  const changes = lockChanges(before, read.lock)
  if (changes.length === 0)
    return ok(`answers, with ${plural(Object.keys(pinned.tools).length, 'pinned tool')}`)
  const named = changes.map(({ tool, change }) => `${tool ?? 'the server'} ${change}`).join(', ')
  return warn(
    `differs from what is pinned: ${named}; calls of changed tools are refused`,
    'Read the changes, then pin them: flotilla mcp sync',
  )
}

/** Reads the keys of the issuer of `gateway.jwt`: without them no token is accepted. */
export async function probeIssuer(settings: JwtDefinition): Promise<Found> {
  const { TokenChecks } = await import('./gateway/access/tokens.ts')
  const count = await new TokenChecks(settings).readKeys()
  if (count > 0) return ok(`${settings.issuer} answers, with ${plural(count, 'key')}`)
  return warn(
    `${settings.issuer} answers, without any key: no token is accepted`,
    'Have the identity provider publish its signing keys, or correct gateway.jwt.jwksUrl in flotilla.config.ts.',
  )
}
