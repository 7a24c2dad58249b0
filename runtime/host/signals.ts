import type { Log } from '../telemetry/instruments.ts'
import type { FleetProcess } from './process.ts'

/**
 * The first signal drains; a second one ends the process at once. So does a stop that is not over within
 * `limitMs`: what was committed is safe, and a process that waits without end for a broker is in the way of its
 * successor.
 */
export function stopOnSignal(
  running: Pick<FleetProcess, 'stop'>,
  limitMs: number,
  log: Pick<Log, 'error'>,
): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false
    const stop = () => {
      if (stopping) process.exit(130)
      stopping = true
      setTimeout(() => {
        log.error({ limitMs }, 'failed to stop in time; the process ends now')
        process.exit(1)
      }, limitMs)
      running.stop().then(resolve, resolve)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}
