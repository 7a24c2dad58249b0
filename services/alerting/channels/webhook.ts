// A webhook, signed by the Standard Webhooks specification (https://www.standardwebhooks.com): HMAC-SHA256
// over `id.timestamp.body`. The id is the same on every attempt.
import { createHmac } from 'node:crypto'
import { post } from './http.ts'
import type { Channel } from './port.ts'

export function webhook({ url, secret }: { url: string; secret: string }): Channel {
  const key = keyOf(secret)
  return {
    send({ id, notices }, signal) {
      const sentMs = Date.now()
      const timestamp = String(Math.floor(sentMs / 1_000))
      const body = JSON.stringify({
        type: 'flotilla.alerts',
        timestamp: new Date(sentMs).toISOString(),
        data: { notices },
      })
      const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
      const headers = {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      }
      return post(url, body, headers, signal)
    },
  }
}

/** `whsec_` and base64, the standard's form of secrets; any other text is used as it is. */
function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret)
}
