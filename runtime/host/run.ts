// A service as a separate process: `node services/planner/main.ts`.
//
// It ends by a signal, by an error that was thrown out of a callback, or because its data file is damaged; an unhandled
// rejection does not end it.
import { readEnvironment, type Environment } from '../config/environment.ts'
import type { Fleet } from '../config/fleet.ts'
import { loadFleet } from '../config/load.ts'
import { openHostWarnings, transportWarnings } from '../config/environment/transport.ts'
import { formatWarnings } from '../config/json-schema/unknown-formats.ts'
import { describe, FlotillaError } from '../errors.ts'
import { fleetWithoutModel } from '../models/missing.ts'
import type { Service } from '../service.ts'
import { openTelemetry } from '../telemetry/open.ts'
import { Bugs } from './bugs.ts'
import { startProcess, type FleetProcess } from './process.ts'
import { collectAtRest } from './rest.ts'
import { stopOnSignal, stopWithin } from './signals.ts'

/** Beyond the drain: to leave groups and close connections. */
const CLOSE_MS = 15_000

export interface RunOptions {
  /** Default: read from process.env. */
  environment?: Environment
  /** Default: loaded from the configuration file. */
  fleet?: Fleet
  started?: (process: FleetProcess) => void
  /** Ends the process if it can't start, or go on. Default: prints the error, exit code 1. */
  failed?: (error: unknown) => void
}

/**
 * Runs until SIGTERM or SIGINT, then drains. Ends the process: 0 after a drain, 1 when it drained because of a bug, or
 * did not end in time, and as `failed` says when it could not start or go on.
 */
export async function runServices(
  name: string,
  services: readonly Service[],
  options: RunOptions = {},
): Promise<void> {
  try {
    const environment = options.environment ?? readEnvironment(process.env)
    const fleet = options.fleet ?? (await loadFleet(environment))
    requireModel(services, environment, fleet)
    const telemetry = openTelemetry(environment, name, { fleet })
    for (const warning of [
      ...transportWarnings(environment),
      ...openHostWarnings(environment),
      ...formatWarnings(fleet),
    ])
      telemetry.instruments.log.warn(warning)
    const bugs = new Bugs(telemetry.instruments)
    const thrown = new Promise<void>((resolve) => bugs.watch(resolve))
    const starting = startProcess({ name, services, environment, fleet, telemetry, bugs })
    const running = await Promise.race([starting, thrown])
    if (!running) return process.exit(1)
    const limitMs = environment.drainMs + CLOSE_MS
    const { log } = telemetry.instruments
    const stopped = stopOnSignal(running, limitMs, log)
    options.started?.(running)
    collectAtRest()
    const stop = (): Promise<void> => stopWithin(running, limitMs, log)
    const failed = running.failed.then(async (error) => {
      log.error({ err: error }, 'the log can no longer be used; draining')
      await stop()
      throw error
    })
    process.exit(await Promise.race([stopped.then(() => 0), thrown.then(stop).then(() => 1), failed]))
  } catch (error) {
    options.failed?.(error)
    console.error(describe(error))
    process.exit(1)
  }
}

/**
 * On Kafka a lost key would let a whole fleet start, and reject every task. An embedded fleet starts, and says
 * so: its user is at the terminal.
 */
function requireModel(services: readonly Service[], environment: Environment, fleet: Fleet): void {
  if (environment.kafkaBrokers.length === 0 || environment.allowNoModel) return
  const needing = services.filter(({ needsModel }) => needsModel === true).map(({ name }) => name)
  const reason = needing.length === 0 ? null : fleetWithoutModel(fleet)
  if (reason === null) return
  const message = `${needing.join(' and ')} can't start without a model. ${reason}`
  const how = 'To start all the same, and reject tasks that name no other model: FLOTILLA_ALLOW_NO_MODEL=1'
  throw new FlotillaError('MODEL_NOT_CONFIGURED', `${message}\n${how}`)
}

export function runService(service: Service): Promise<void> {
  return runServices(service.name, [service])
}
