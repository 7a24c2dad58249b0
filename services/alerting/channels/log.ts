import type { Log } from '../../../runtime/telemetry/instruments.ts'
import type { Notice } from '../events.ts'
import type { Channel } from './port.ts'

/** The service's own log: gets every alert of every rule. */
export function serviceLog(log: Pick<Log, 'error' | 'warn' | 'info'>): Channel {
  const write = (notice: Notice): void => {
    const raised = notice.severity === 'critical' ? 'error' : 'warn'
    const isOpen = notice.kind === 'raised' || notice.kind === 'approval'
    log[isOpen ? raised : 'info'](notice, notice.message)
  }
  return {
    send: async ({ notices }) => {
      notices.forEach(write)
      return 'written to the log'
    },
  }
}
