// A service as a process of its own: `node services/planner/main.ts`.
import { readEnvironment, type Environment } from '../config/environment.ts'
import { loadFleet } from '../config/load.ts'
import { openHostWarnings, transportWarnings } from '../config/transport.ts'
import { describe } from '../errors.ts'
import type { Service } from '../service.ts'
import { openTelemetry } from '../telemetry/open.ts'
import { startProcess, type FleetProcess } from './process.ts'

export interface RunOptions {
  /** Default: read from process.env. */
  environment?: Environment
  started?: (process: FleetProcess) => void
}

/** Runs until SIGTERM or SIGINT, then drains. Ends the process: 0 after a drain, 1 when it could not start. */
export async function runServices(
  name: string,
  services: readonly Service[],
  options: RunOptions = {},
): Promise<void> {
  try {
    const environment = options.environment ?? readEnvironment(process.env)
    const fleet = await loadFleet(environment)
    const telemetry = openTelemetry(environment, name, { fleet })
    for (const warning of [...transportWarnings(environment), ...openHostWarnings(environment)])
      telemetry.instruments.log.warn(warning)
    const running = await startProcess({ name, services, environment, fleet, telemetry })
    const stopped = stopOnSignal(running)
    options.started?.(running)
    await stopped
    process.exit(0)
  } catch (error) {
    console.error(describe(error))
    process.exit(1)
  }
}

export function runService(service: Service): Promise<void> {
  return runServices(service.name, [service])
}

/** The first signal drains; a second one ends at once. */
function stopOnSignal(running: FleetProcess): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false
    const stop = () => {
      if (stopping) process.exit(130)
      stopping = true
      running.stop().then(resolve, resolve)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}
