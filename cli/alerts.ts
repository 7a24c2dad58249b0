import { httpAlerts } from '../client/http-alerts.ts'
import type { AlertOperator, TestAnswer } from '../client/alerts.ts'
import { LOG_CHANNEL } from '../runtime/config/alerts.ts'
import { readEnvironment, type Environment } from '../runtime/config/environment.ts'
import type { Fleet } from '../runtime/config/fleet.ts'
import { loadFleet } from '../runtime/config/load.ts'
import { FlotillaError } from '../runtime/errors.ts'
import { quietInstruments } from '../runtime/telemetry/instruments.ts'
import { gatewayBehind } from './running-fleet.ts'

const TEST_MS = 10_000

/** By a gateway (FLOTILLA_URL, or of the fleet that holds the data directory), else on the log itself. */
export async function usingAlerts<T>(work: (operator: AlertOperator) => Promise<T>): Promise<T> {
  const environment = readEnvironment(process.env)
  const gateway = environment.raw['FLOTILLA_URL']
  if (gateway) return work(httpAlerts(gateway))
  const fleet = await loadFleet(environment)
  const { openLog } = await import('../runtime/log/open.ts')
  let log
  try {
    log = await openLog(environment)
  } catch (error) {
    return work(httpAlerts(gatewayBehind(error, environment)))
  }
  try {
    const { LogAlerts } = await import('../client/alerts.ts')
    const { openCodec } = await import('../runtime/codec/open.ts')
    const codec = openCodec(environment)
    await codec.prepare()
    const onLog = new LogAlerts(log, codec, fleet.alerts)
    // The data directory is ours now, so no fleet runs on it: this process tells the channels itself.
    const alone = log.kind === 'embedded'
    if (alone) await log.ensureTopics([])
    return await work({
      alerts: () => onLog.alerts(),
      silence: (rule, silence) => onLog.silence(rule, silence),
      testAlert: (rule) => (alone ? testFromHere(rule, fleet, environment) : onLog.testAlert(rule)),
    })
  } finally {
    await log.close()
  }
}

async function testFromHere(name: string, fleet: Fleet, { raw }: Environment): Promise<TestAnswer[]> {
  const rule = fleet.alerts.rules.find((each) => each.name === name)
  if (!rule) {
    const known = fleet.alerts.rules.map((each) => each.name).join(', ')
    throw new FlotillaError('NOT_FOUND', `no alert rule named ${name}; there are: ${known}`)
  }
  const { createNotifier } = await import('../services/alerting/channels/index.ts')
  const { testNotice } = await import('../services/alerting/alerts.ts')
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
