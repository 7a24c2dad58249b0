import type { AlertOperator } from '../alerts.ts'
import { askGateway } from '../../client/http/client.ts'

/** Alerts through a gateway. */
export function httpAlerts(gateway: string): AlertOperator {
  const ask = async <T>(path: string, body?: unknown): Promise<T> => {
    const headers = { 'content-type': 'application/json' }
    const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) }
    return (await (await askGateway(gateway, `/v1/alerts${path}`, init)).json()) as T
  }
  return {
    alerts: () => ask(''),
    silence: async (rule, silence) => void (await ask(`/${encodeURIComponent(rule)}/silence`, silence)),
    testAlert: (rule) => ask(`/${encodeURIComponent(rule)}/test`, {}),
  }
}
