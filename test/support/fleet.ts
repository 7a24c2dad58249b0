// A whole fleet in this process, on a directory of its own, with the scripted model as a real server.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { LogClient } from '../../client/log/client.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { FleetDefinition, Tool } from '../../runtime/config/fleet.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import { startProcess, type FleetProcess } from '../../runtime/host/process.ts'
import type { Service } from '../../runtime/service.ts'
import { loadServices } from '../../services/index.ts'
import { openTelemetry } from '../../runtime/telemetry/open.ts'
import {
  startScriptedModel,
  type ScriptedModel,
  type ScriptedModelOptions,
} from '../../runtime/scripted-model/server.ts'

export const echo: Tool = defineTool({
  name: 'echo',
  description: 'Answers with the text that it is given.',
  input: z.object({ text: z.string() }),
  output: z.string(),
  idempotent: true,
  run: ({ text }) => text,
})

/** Tasks of tests choose for themselves. */
const overrides = {
  mode: true,
  model: true,
  profile: true,
  strategy: true,
  maxSteps: 100,
  timeoutMs: 86_400_000,
} as const

export interface TestFleetOptions {
  definition?: FleetDefinition
  services?: readonly Service[]
  model?: ScriptedModelOptions
  /** Kept by the caller: a fleet started on it again goes on where it was. */
  dataDir?: string
  env?: Record<string, string>
  http?: boolean
}

export interface TestFleet extends AsyncDisposable {
  readonly client: LogClient
  readonly process: FleetProcess
  readonly model: ScriptedModel
  stop(): Promise<void>
}

export async function startTestFleet(options: TestFleetOptions = {}): Promise<TestFleet> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'flotilla-test-'))
  const model = await startScriptedModel(options.model)
  const environment = readEnvironment({
    PATH: process.env['PATH'],
    FLOTILLA_DATA: dataDir,
    FLOTILLA_SCRIPTED_URL: model.url,
    FLOTILLA_PARTITIONS: '4',
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'silent',
    PORT: '0',
    ...options.env,
  })
  const definition = {
    tools: [echo],
    agents: { default: { mode: 'tools' as const } },
    overrides,
    ...options.definition,
  }
  const fleet = completeFleet(definition, environment, 'test')
  const telemetry = openTelemetry(environment, 'test', { records: false, fleet })
  const services = options.services ?? (await loadServices())
  const running = await startProcess({
    name: 'test',
    services,
    environment,
    fleet,
    telemetry,
    http: options.http ?? false,
  }).catch(async (error: unknown) => {
    await model.stop()
    throw error
  })
  const client = new LogClient({ log: running.log, codec: running.codec, blobs: running.stores.blobs })
  const stop = async () => {
    await client.close()
    await running.stop()
    await model.stop()
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
  }
  return { client, process: running, model, stop, [Symbol.asyncDispose]: stop }
}
