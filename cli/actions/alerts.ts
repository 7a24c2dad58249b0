// Alerts if no fleet runs: the rules as configured, and tests of the channels from this process.
import { usingOperator } from '../../operator/connect.ts'
import { alertViews, namedRule, type AlertOperator, type TestAnswer } from '../../operator/direct/alerts.ts'
import { LOG_CHANNEL } from '../../runtime/config/alerts.ts'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { loadFleet } from '../../runtime/config/load.ts'
import { FlotillaError, hasCode, messageOf } from '../../runtime/errors.ts'
import { quietInstruments } from '../../runtime/telemetry/instruments.ts'
import { say } from '../output/output.ts'

const TEST_MS = 10_000

/** Asks a running fleet; if none runs, its data file, or the configuration alone. */
export async function usingAlerts<T>(work: (alerts: AlertOperator) => Promise<T>): Promise<T> {
  const environment = readEnvironment(process.env)
  try {
    return await usingOperator(async ({ alerts }, reached) => {
      if (reached !== 'file') return work(alerts)
      // The data file is ours now, so no fleet runs on it: this process notifies the channels itself.
      const fleet = await loadFleet(environment)
      const { list, silence } = alerts
      return work({ list, silence, test: (rule) => testFromHere(rule, fleet, environment) })
    })
  } catch (error) {
    if (!hasCode(error, 'NO_FLEET')) throw error
    return work(configuredOperator(await loadFleet(environment), environment, error))
  }
}

/** Rules and channels can be looked at and tried before a fleet runs for the first time. */
function configuredOperator(fleet: Fleet, environment: Environment, none: FlotillaError): AlertOperator {
  return {
    list: async () => {
      say(`These are the rules as configured: ${none.message}. ${none.remedy}`)
      return alertViews(fleet.alerts, [], new Map())
    },
    silence: async () => Promise.reject(none),
    test: (rule) => testFromHere(rule, fleet, environment),
  }
}

async function testFromHere(name: string, fleet: Fleet, { raw }: Environment): Promise<TestAnswer[]> {
  const rule = namedRule(name, fleet.alerts)
  const { createNotifier } = await import('../../services/alerting/channels/index.ts')
  const { testNotice } = await import('../../services/alerting/alert.ts')
  const notify = createNotifier(fleet.alerts, raw, quietInstruments.log)
  const nowMs = Date.now()
  const id = `test-${nowMs}`
  const channels = rule.channels.filter((channel) => channel !== LOG_CHANNEL)
  return Promise.all(
    channels.map(async (channel): Promise<TestAnswer> => {
      const notification = { id: `${id}-${channel}`, channel, notices: [testNotice(rule, id, nowMs)] }
      try {
        const answer = await notify(notification, { signal: AbortSignal.timeout(TEST_MS) })
        return { channel, status: 'delivered', answer }
      } catch (error) {
        const code = error instanceof FlotillaError ? `${error.code}: ` : ''
        return {
          channel,
          status: 'failed',
          answer: `${code}${messageOf(error)}`,
        }
      }
    }),
  )
}
