import { rmSync } from 'node:fs'
import type { Finding } from '../../api/schemas/doctor.ts'
import { checksOf, configuration, type Check } from '../../operator/doctor/checks.ts'
import { examine } from '../../operator/doctor/examine.ts'
import { gatewayOf } from '../../operator/running-fleet.ts'
import { openCodec } from '../../runtime/codec/open.ts'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import { createSchemaChecks } from '../../runtime/foreign-schema/checks.ts'
import { openLog } from '../../runtime/log/open.ts'
import type { Log } from '../../runtime/log/port.ts'
import { makeTemporaryDirectory } from '../../runtime/make-directory.ts'
import { once } from '../../runtime/once.ts'
import { openStores } from '../../runtime/store/open.ts'
import { probeIssuer, probeMcpServer, probeModel, probeSandbox } from '../../services/probes.ts'
import { LiveView } from '../output/live-view.ts'
import { paint, print, printJson } from '../output/output.ts'
import { loadWithScriptedModel, type LoadedFleet } from '../scripted.ts'
import { beside } from '../output/text-width.ts'
import { detailOf } from '../program/view-options.ts'

const GATEWAY_MS = 2_000
/** Columns before the reason of a check: the mark and the name. */
const INDENT = 26

/** Prints each finding as it comes, then ends the command. */
export async function doctor(options: { json?: boolean }): Promise<void> {
  const findings: Finding[] = []
  const view = new LiveView({ detail: detailOf(options) })
  const add = async (check: Check): Promise<void> => {
    view.now(`checking ${check.name}`)
    const finding = await examine(check)
    view.clear()
    findings.push(finding)
    if (!options.json) printFinding(finding)
  }
  const environment = readEnvironment(process.env)
  let loaded: LoadedFleet | null = null
  const load = async () => configuration((loaded = await loadWithScriptedModel(environment)).fleet)
  await add({ name: 'configuration', run: load })
  const scratch = makeTemporaryDirectory('flotilla-doctor-')
  const opened = await openParts(environment, loaded, scratch)
  for (const check of opened.checks) await add(check)
  await opened.close()
  rmSync(scratch, { recursive: true, force: true })
  await (loaded as LoadedFleet | null)?.stop()
  view.end()
  if (options.json) printJson(findings)
  process.exit(findings.some(({ result }) => result === 'failed') ? 1 : 0)
}

/**
 * A running fleet reports on its stores. Everything else is tried in a directory of our own: the data directory is
 * locked by the process that has it, and a diagnosis must not stop a fleet from starting.
 */
async function openParts(
  environment: Environment,
  loaded: LoadedFleet | null,
  scratch: string,
): Promise<{ readonly checks: readonly Check[]; close(): Promise<void> }> {
  const elsewhere = { ...environment, dataDir: scratch, allowVolatileStore: true }
  const schemas = createSchemaChecks()
  let isOpen = false
  const stores = once(async () => {
    const found = await openStores(elsewhere)
    isOpen = true
    return found
  })
  const withLog = async <T>(work: (log: Log) => Promise<T>): Promise<T> => {
    const log = await openLog(elsewhere)
    try {
      return await work(log)
    } finally {
      await log.close()
    }
  }
  const checks = checksOf({
    environment: loaded?.environment ?? environment,
    fleet: loaded?.fleet ?? null,
    stores,
    withLog,
    codec: () => openCodec(environment),
    schemas,
    probes: { model: probeModel, sandbox: probeSandbox, mcpServer: probeMcpServer, issuer: probeIssuer },
    isHere: () => true,
    heldBy: await runningGateway(environment),
  })
  const close = async (): Promise<void> => {
    if (isOpen) await (await stores()).close()
    await schemas.close()
  }
  return { checks, close }
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

const marks = {
  ok: paint('green', 'ok    '),
  warn: paint('yellow', 'warn  '),
  failed: paint('red', 'FAILED'),
  skipped: paint('dim', '-     '),
} as const

function printFinding({ check, result, code, reason, remedy }: Finding): void {
  const said = code === null ? reason : `${code}: ${reason}`
  // Behind lines of the user's file a remedy would be taken for one of them.
  const text = remedy === null ? said : `${said}${said.includes('\n') ? '\n' : ' — '}${remedy}`
  print(beside(`${marks[result]} ${check.padEnd(18)} `, INDENT, text, process.stdout))
}
