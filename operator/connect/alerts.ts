import { alertViews, LogAlerts, namedRule, type AlertOperator, type TestAnswer } from '../alerts.ts'
import { httpAlerts } from '../http/alerts.ts'
import { openCodec } from '../../runtime/codec/open.ts'
import { LOG_CHANNEL } from '../../runtime/config/alerts.ts'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { loadFleet } from '../../runtime/config/load.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { quietInstruments } from '../../runtime/telemetry/instruments.ts'
import { say } from '../../cli/output.ts'
import { openFleetLog, usingFleet } from '../running-fleet.ts'

const TEST_MS = 10_000

/** By a gateway (FLOTILLA_URL, or of the fleet that holds the data directory), else on the log itself, else from the configuration alone. */
export async function usingAlerts<T>(work: (operator: AlertOperator) => Promise<T>): Promise<T> {
  const environment = readEnvironment(process.env)
  const local = async () => {
    const fleet = await loadFleet(environment)
    const codec = openCodec(environment)
    await codec.prepare()
    const log = await openFleetLog(environment)
    const onLog = new LogAlerts(log, codec, fleet.alerts)
    // The data directory is ours now, so no fleet runs on it: this process tells the channels itself.
    const testAlert = (rule: string) =>
      log.kind === 'embedded' ? testFromHere(rule, fleet, environment) : onLog.testAlert(rule)
    const here: AlertOperator = {
      alerts: () => onLog.alerts(),
      silence: (rule, silence) => onLog.silence(rule, silence),
      testAlert,
    }
    return { here, close: () => log.close() }
  }
  try {
    return await usingFleet(environment, { remote: httpAlerts, local }, work)
  } catch (error) {
    if (!(error instanceof FlotillaError && error.code === 'NO_FLEET')) throw error
    return work(configured(await loadFleet(environment), environment, error))
  }
}

/** Rules and channels can be looked at and tried before a fleet runs for the first time. */
function configured(fleet: Fleet, environment: Environment, none: FlotillaError): AlertOperator {
  return {
    alerts: async () => {
      say(`These are the rules as configured: ${none.message}. ${none.remedy}`)
      return alertViews(fleet.alerts, [], new Map())
    },
    silence: async () => Promise.reject(none),
    testAlert: (rule) => testFromHere(rule, fleet, environment),
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
          answer: `${code}${error instanceof Error ? error.message : String(error)}`,
        }
      }
    }),
  )
}
