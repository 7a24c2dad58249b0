// The channels of a fleet, and the caller that notifies them.
import { LOG_CHANNEL, secretVariable, webhookSecretProblem } from '../../../runtime/config/alerts.ts'
import type { Alerts, ChannelDefinition } from '../../../runtime/config/alert-rules.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { CallContext } from '../../../runtime/stage.ts'
import type { Log } from '../../../runtime/telemetry/instruments.ts'
import type { Notification } from '../events.ts'
import { email } from './email.ts'
import { serviceLog } from './log.ts'
import { pagerduty } from './pagerduty.ts'
import type { Channel } from './port.ts'
import { slack } from './slack.ts'
import { webhook } from './webhook.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** A secret is read when its channel is notified: a missing one fails that channel only. */
export function createNotifier(
  { channels }: Pick<Alerts, 'channels'>,
  env: Variables,
  log: Pick<Log, 'error' | 'warn' | 'info'>,
): (notification: Notification, context: Pick<CallContext, 'signal'>) => Promise<string> {
  const own = serviceLog(log)
  return async (notification, { signal }) => {
    const { channel } = notification
    const definition = channels[channel]
    if (channel === LOG_CHANNEL) return own.send(notification, signal)
    if (!definition)
      throw new FlotillaError(
        'CHANNEL_NOT_CONFIGURED',
        `no channel ${channel}; add alerts.channels.${channel}`,
      )
    return open(channel, definition, env).send(notification, signal)
  }
}

function open(name: string, definition: ChannelDefinition, env: Variables): Channel {
  const variable = secretVariable(definition)
  const secret = env[variable]?.trim()
  if (!secret) throw new FlotillaError('CHANNEL_NOT_CONFIGURED', `channel ${name}: ${variable} is not set`)
  switch (definition.type) {
    case 'pagerduty':
      return pagerduty({ url: definition.url, routingKey: secret })
    case 'slack':
      return slack({ url: secret })
    case 'email':
      return email({ ...definition, url: secret })
    case 'webhook': {
      const problem = webhookSecretProblem(secret)
      if (problem !== null)
        throw new FlotillaError('CHANNEL_NOT_CONFIGURED', `channel ${name}: ${variable} ${problem}`)
      return webhook({ url: definition.url, secret })
    }
  }
}
