import type { Log } from '../../runtime/telemetry/instruments.ts'
import type { Notice } from './alerts.ts'

/** The caller that writes alerts to the service's log. */
export function createLogNotifier(
  log: Pick<Log, 'error' | 'warn' | 'info'>,
): (notices: readonly Notice[]) => Promise<void> {
  return async (notices) => {
    for (const { type, data } of notices) {
      if (type === 'AlertResolved') log.info(data, data.message)
      else log[data.severity === 'critical' ? 'error' : 'warn'](data, data.message)
    }
  }
}
