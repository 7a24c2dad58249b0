// A whole fleet in this process, driven by its own client: on the embedded log, or on Kafka where
// KAFKA_BROKERS is set.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { loadServices, stageNames } from '../services/index.ts'
import { LogClient } from '../client/log/client.ts'
import { defineTool } from '../runtime/config/define.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { completeFleet } from '../runtime/config/load.ts'
import { startProcess } from '../runtime/host/process.ts'
import { openTelemetry } from '../runtime/telemetry/open.ts'
import { measure } from './measure.ts'

const echo = defineTool({
  name: 'echo',
  description: 'Echo',
  input: z.object({ text: z.string() }),
  idempotent: true,
  run: ({ text }) => text,
})

const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-bench-'))
const environment = readEnvironment({
  ...process.env,
  FLOTILLA_DATA: dataDir,
  FLOTILLA_PREFIX: `bench${process.pid}`,
  FLOTILLA_SCRIPTED_URL: process.env['MODEL_URL'],
  LOG_LEVEL: 'error',
  // On Kafka: the ledger in a file. This process is the only one.
  FLOTILLA_ALLOW_VOLATILE_STORE: '1',
})
/** More than any run uses: the limits are checked, and refuse nothing. */
const plenty = 1_000_000_000
const limits = {
  rates: { userRequests: plenty, userTokens: plenty },
  budgets: { fleetTokens: plenty, userTokens: plenty, modelTokens: plenty },
}
const fleet = completeFleet(
  { tools: [echo], agents: { default: { mode: 'tools' } }, limits },
  environment,
  'bench',
)
const telemetry = openTelemetry(environment, 'bench', { records: false, fleet })
const stages = await loadServices(stageNames)
const running = await startProcess({
  name: 'bench',
  services: stages,
  environment,
  fleet,
  telemetry,
  http: false,
})
const until = Date.now() + 60_000
while (!(await running.readiness()).ready && Date.now() < until)
  await new Promise((resume) => setTimeout(resume, 50))
const client = new LogClient({ log: running.log, codec: running.codec, blobs: running.stores.blobs })

async function runTask(id: string): Promise<void> {
  const { taskId } = await client.submit({ text: `task=${id} hi` })
  const { status, output, error } = await client.result(taskId, { timeoutMs: 60_000 })
  if (status !== 'succeeded' || !String(output).startsWith(`done ${id}`))
    throw new Error(`${status}: ${String(output)} ${error?.message ?? ''}`)
}

console.log(JSON.stringify(await measure(`fleet on ${running.log.kind}`, runTask)))
await client.close()
await running.stop()
rmSync(dataDir, { recursive: true, force: true })
process.exit(0)
