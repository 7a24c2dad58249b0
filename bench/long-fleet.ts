// One task of many steps in a fleet in this process, on the embedded log, or on Kafka where KAFKA_BROKERS is set.
// Prints the figures of its steps as JSON, read at each run of its tool: one a step.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { LogClient } from '../client/log/client.ts'
import { defineTool } from '../runtime/config/define.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { completeFleet } from '../runtime/config/load.ts'
import { GroupCommit, type Effect } from '../runtime/host/lane/group-commit.ts'
import { startProcess } from '../runtime/host/process.ts'
import { openTelemetry } from '../runtime/telemetry/open.ts'
import { loadServices } from '../services/index.ts'

export interface StepFigures {
  readonly step: number
  readonly atMs: number
  /** User and system time of the process so far. */
  readonly cpuMs: number
  /** Bytes of records and state rows handed to the log so far. */
  readonly bytes: number
  /** State of the task now: rows, and their bytes. */
  readonly rows: number
  readonly stateBytes: number
}

const steps = Number(process.env['STEPS'] ?? 1_000)
const atTokens = Number(process.env['AT_TOKENS'] ?? 0)
const figures: StepFigures[] = []

let bytes = 0
let stateBytes = 0
const state = new Map<string, number>()
const push = Object.getOwnPropertyDescriptor(GroupCommit.prototype, 'push')?.value as (effect: Effect) => void
// Counts what goes to the log, whichever it is.
GroupCommit.prototype.push = function (effect) {
  for (const { key, value, headers } of effect.records)
    bytes += (key?.length ?? 0) + (value?.length ?? 0) + JSON.stringify(headers).length
  for (const { key, value } of effect.rows) {
    bytes += key.length + (value?.length ?? 0)
    stateBytes -= state.get(key) ?? 0
    if (value === null) state.delete(key)
    else {
      stateBytes += key.length + value.length
      state.set(key, key.length + value.length)
    }
  }
  push.call(this, effect)
}

const lookup = defineTool({
  name: 'lookup',
  description: 'Looks a record up.',
  input: z.object({ record: z.number() }),
  idempotent: true,
  run: ({ record }) => {
    const { user, system } = process.cpuUsage()
    const cpuMs = (user + system) / 1_000
    figures.push({ step: record, atMs: performance.now(), cpuMs, bytes, rows: state.size, stateBytes })
    return `record ${record}: ${'some text of a record that was found, '.repeat(25)}`
  },
})

const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-long-'))
const environment = readEnvironment({
  ...process.env,
  FLOTILLA_DATA: dataDir,
  FLOTILLA_PREFIX: `long${process.pid}`,
  OPENAI_BASE_URL: process.env['MODEL_URL'],
  OPENAI_API_KEY: 'none',
  LOG_LEVEL: 'error',
  // On Kafka: the ledger in a file. This process is the only one.
  FLOTILLA_ALLOW_VOLATILE_STORE: '1',
})
const fleet = completeFleet(
  {
    tools: [lookup],
    agents: { default: { mode: 'tools' } },
    overrides: { maxSteps: 10_000, timeoutMs: 86_400_000, model: true },
    compaction: atTokens > 0 ? { atTokens } : { strategy: 'off' },
    models: { default: 'openai/long' },
    limits: {
      rates: { userRequests: null, userTokens: null },
      budgets: { fleetTokens: null, userTokens: null, modelTokens: null },
    },
  },
  environment,
  'bench',
)
const telemetry = openTelemetry(environment, 'bench', { records: false, fleet })
const services = (await loadServices()).filter(({ stage }) => stage)
const running = await startProcess({ name: 'bench', services, environment, fleet, telemetry, http: false })
const until = Date.now() + 60_000
while (!(await running.readiness()).ready && Date.now() < until)
  await new Promise((resume) => setTimeout(resume, 50))
const client = new LogClient({ log: running.log, codec: running.codec, blobs: running.stores.blobs })
for (const [name, count] of [
  ['warm', 30],
  ['long', steps],
] as const) {
  figures.length = 0
  const { taskId } = await client.submit({
    text: `task=${name}${process.pid} steps=${count} Look all records up.`,
    maxSteps: count + 1,
    timeoutMs: 86_400_000,
  })
  const { status, error, usage } = await client.result(taskId, { timeoutMs: 3_600_000 })
  if (status !== 'succeeded') throw new Error(`${status}: ${error?.message ?? ''}`)
  if (name === 'long') console.log(JSON.stringify({ figures, usage }))
}
await client.close()
await running.stop()
rmSync(dataDir, { recursive: true, force: true })
process.exit(0)
