import type { Log } from '../telemetry/instruments.ts'
import type { FleetProcess } from './process.ts'

type Stoppable = Pick<FleetProcess, 'stop'>
type ErrorLog = Pick<Log, 'error'>

/** Drains. Ends the process with 1 if that is not over in time. */
export function stopWithin(running: Stoppable, limitMs: number, log: ErrorLog): Promise<void> {
  setTimeout(() => {
    log.error({ limitMs }, 'failed to stop in time; the process ends now')
    process.exit(1)
  }, limitMs)
  return running.stop()
}

/**
 * The first signal drains; a second one ends the process at once. So does a stop that is not over within
 * `limitMs`: what was committed is safe, and a process that waits without end for a broker is in the way of its
 * successor.
 */
export function stopOnSignal(running: Stoppable, limitMs: number, log: ErrorLog): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false
    const stop = () => {
      if (stopping) process.exit(130)
      stopping = true
      stopWithin(running, limitMs, log).then(resolve, resolve)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}
