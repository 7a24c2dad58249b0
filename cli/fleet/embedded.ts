// A fleet inside this command, for as long as it runs.
import { LogClient } from '../../client/log/client.ts'
import type { Operator } from '../../operator/index.ts'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { startProcess, type FleetProcess } from '../../runtime/host/process.ts'
import { readPauses, type Pause } from '../../runtime/pauses.ts'
import { openTelemetry } from '../../runtime/telemetry/open.ts'
import { loadServices, stageNames, taskStages } from '../../services/index.ts'
import { fail } from '../output/output.ts'
import { loadWithScriptedModel } from '../scripted.ts'

export interface EmbeddedFleet {
  readonly fleet: Fleet
  readonly client: LogClient
  readonly process: FleetProcess
  /** The operator on its own log and stores. */
  operator(): Promise<Operator>
  pauses(): Promise<Pause[]>
  stop(): Promise<void>
}

/**
 * Starts every service but the gateway on the embedded log. Quiet: the two structured records are not
 * written.
 */
export async function startEmbedded(
  changes: Partial<Environment> = {},
  options: { model?: string | null; config?: string } = {},
): Promise<EmbeddedFleet> {
  const { config, model } = options
  // Agents that are asked by others name no model: theirs is the default.
  const named = model ? { FLOTILLA_MODEL: model } : {}
  const raw = config === undefined ? process.env : { ...process.env, FLOTILLA_CONFIG: config, ...named }
  const environment: Environment = { ...readEnvironment(raw), kafkaBrokers: [], ...changes }
  const loaded = await loadWithScriptedModel(environment, { model: model ?? null })
  const { fleet } = loaded
  const telemetry = openTelemetry(loaded.environment, 'fleet', { records: false, fleet })
  const running = await startProcess({
    name: 'fleet',
    services: await loadServices(stageNames),
    environment: loaded.environment,
    fleet,
    telemetry,
    http: false,
  }).catch(async (error: unknown) => {
    await loaded.stop()
    throw error
  })
  const parts = async () => {
    const { openParts } = await import('../../operator/direct/index.ts')
    const { log, codec, stores } = running
    return openParts({ ...stores, log, codec, fleet, environment: loaded.environment }, taskStages)
  }
  const client = new LogClient({
    log: running.log,
    codec: running.codec,
    blobs: running.stores.blobs,
    instruments: telemetry.instruments,
    name: 'cli',
    checkId: async (taskId, text) => {
      const { directTasks } = await import('../../operator/direct/index.ts')
      await (await directTasks(await parts())).isRepeated(taskId, text)
    },
  })
  const stop = async () => {
    await client.close()
    await running.stop()
    await loaded.stop()
  }
  void running.failed.then(async (error) => {
    await stop().catch(() => {})
    fail(error)
  })
  const operator = async () => (await import('../../operator/direct/index.ts')).directOperator(await parts())
  return {
    fleet,
    client,
    process: running,
    operator,
    pauses: () => readPauses(running.log, running.codec),
    stop,
  }
}
