// Each channel against a real server of its kind: what is sent, and what each answer means.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { completeAlerts } from '../../runtime/config/alerts.ts'
import type { AlertsDefinition } from '../../runtime/config/alert-rules.ts'
import { createNotifier } from '../../services/alerting/channels/index.ts'
import type { Notice } from '../../services/alerting/events.ts'
import { quietInstruments } from '../../runtime/telemetry/instruments.ts'
import { freePort } from '../infra/port.ts'
import {
  startHttpReceiver,
  startMailReceiver,
  type HttpReceiver,
  type MailReceiver,
} from '../support/receivers.ts'

const notice: Notice = {
  kind: 'raised',
  alertId: 'high_error_rate-1750000000000',
  rule: 'high_error_rate',
  severity: 'critical',
  value: 0.5,
  threshold: 0.05,
  message: 'high_error_rate: 50.0 % of tasks failed in 300 s, above 5.0 % <b>&',
  runbook: 'https://example.org/runbooks/high_error_rate',
  atMs: 1_750_000_000_000,
}
const raisedAndResolved: Notice[] = [
  notice,
  {
    ...notice,
    kind: 'resolved',
    rule: 'high_latency',
    alertId: 'high_latency-1',
    message: 'high_latency is over',
  },
]

let http: HttpReceiver
let mail: MailReceiver
let nobody = 0
let answers: { status: number; body?: string; headers?: Record<string, string> }[] = []
before(async () => {
  http = await startHttpReceiver(() => answers.shift() ?? { status: 200, body: 'ok' })
  mail = await startMailReceiver()
  nobody = await freePort()
})
after(async () => {
  await http.stop()
  await mail.stop()
})

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes ...').toString('base64')}`
const smtp = () => `smtp://ops:secret@127.0.0.1:${mail.port}`
const channels = (): NonNullable<AlertsDefinition['channels']> => ({
  pagerduty: { type: 'pagerduty', url: `${http.url}/v2/enqueue` },
  slack: { type: 'slack' },
  hook: { type: 'webhook', url: `${http.url}/hook` },
  email: {
    type: 'email',
    from: 'fleet@example.org',
    to: ['a@example.org', 'b@example.org'],
    caFile: mail.caFile,
  },
})
const secrets = () => ({
  PAGERDUTY_ROUTING_KEY: 'R0',
  SLACK_WEBHOOK_URL: `${http.url}/services/T0/B0/secret`,
  ALERT_WEBHOOK_SECRET: secret,
  SMTP_URL: smtp(),
})

interface Sending {
  notices?: readonly Notice[]
  env?: Record<string, string>
  change?: AlertsDefinition['channels']
  signal?: AbortSignal
}

const send = (channel: string, { notices = [notice], env = {}, change = {}, signal }: Sending = {}) => {
  http.received.length = 0
  const alerts = completeAlerts({ channels: { ...channels(), ...change } })
  const notify = createNotifier(alerts, { ...secrets(), ...env }, quietInstruments.log)
  return notify({ id: 'n-1', channel, notices }, { signal: signal ?? AbortSignal.timeout(120_000) })
}
const bodies = () => http.received.map(({ body }) => JSON.parse(body) as Record<string, unknown>)

test('PagerDuty: an incident for each alert, opened and closed by its id', async () => {
  answers = [{ status: 202, body: '{"status":"success"}' }]
  assert.match(await send('pagerduty', { notices: raisedAndResolved }), /200 ok/)
  const [trigger, resolve] = bodies()
  assert.equal(http.received[0]?.path, '/v2/enqueue')
  assert.deepEqual(resolve, { routing_key: 'R0', event_action: 'resolve', dedup_key: 'high_latency-1' })
  const { payload, links, ...facts } = trigger ?? {}
  assert.deepEqual(facts, { routing_key: 'R0', event_action: 'trigger', dedup_key: notice.alertId })
  assert.deepEqual(links, [{ href: notice.runbook, text: 'Runbook' }])
  assert.deepEqual(payload, {
    summary: notice.message,
    source: 'flotilla',
    severity: 'critical',
    timestamp: '2025-06-15T15:06:40.000Z',
    component: 'fleet',
    class: 'high_error_rate',
    custom_details: { alertId: notice.alertId, value: 0.5, threshold: 0.05, runbook: notice.runbook },
  })
})

test('PagerDuty: a test opens an incident and closes it again', async () => {
  await send('pagerduty', { notices: [{ ...notice, kind: 'test' }] })
  assert.deepEqual(
    bodies().map((body) => body['event_action']),
    ['trigger', 'resolve'],
  )
})

test('Slack: one message for all of them, its control characters escaped', async () => {
  assert.equal(await send('slack', { notices: raisedAndResolved }), '200 ok')
  assert.equal(http.received[0]?.path, '/services/T0/B0/secret')
  const text = String(bodies()[0]?.['text'])
  assert.match(
    text,
    /^\*FIRING \(critical\) high_error_rate: .* &lt;b&gt;&amp;\*\n2025-06-15T15:06:40.000Z · .* · what to do: https/,
  )
  assert.match(text, /\*RESOLVED high_latency is over\*/)
})

test('a webhook is signed as Standard Webhooks say, and names the notification', async () => {
  await send('hook')
  const { body, headers } = http.received[0] ?? { body: '', headers: {} }
  const signed = headers as Record<string, string>
  const event = new Webhook(secret).verify(body, signed) as { type: string; data: { notices: Notice[] } }
  assert.deepEqual(
    [event.type, event.data.notices, signed['webhook-id']],
    ['flotilla.alerts', [notice], 'n-1'],
  )
  assert.throws(() => new Webhook(secret).verify(body.replace('0.5', '0.4'), signed), /signature/)
})

test('mail goes by STARTTLS and login, to everybody', async () => {
  assert.match(await send('email', { notices: raisedAndResolved }), /^250/)
  const { mail: got, secure, user } = mail.mails.at(-1) ?? assert.fail('no mail')
  assert.deepEqual([secure, user, got.messageId], [true, 'ops', '<n-1@flotilla>'])
  assert.equal(got.subject, '[flotilla] 1 firing, 1 resolved: high_error_rate, high_latency')
  const to = [got.to ?? []].flat().flatMap(({ value }) => value.map(({ address }) => address))
  assert.deepEqual(to, ['a@example.org', 'b@example.org'])
  assert.match(got.text ?? '', /FIRING \(critical\) high_error_rate: 50.0 % .*<b>&\n.*what to do: https/)
})

test('a call that waits for a person: each channel says so, and an incident stays open until it is decided', async () => {
  const message = 'A call of pay waits for approval (task t)'
  const waits: Notice = { ...notice, kind: 'approval', alertId: 't.1.0', rule: 'pay', message, runbook: null }
  await send('slack', { notices: [waits] })
  assert.match(String(bodies()[0]?.['text']), /^\*WAITING A call of pay waits for approval \(task t\)\*\n/)
  await send('email', { notices: [waits] })
  const { mail: got } = mail.mails.at(-1) ?? assert.fail('no mail')
  assert.equal(got.subject, `[flotilla] WAITING ${message}`)
  assert.match(got.text ?? '', /^WAITING A call of pay/)
  await send('hook', { notices: [waits] })
  assert.deepEqual(bodies()[0]?.['data'], { notices: [waits] })
  await send('pagerduty', { notices: [waits, { ...waits, kind: 'resolved' }] })
  assert.deepEqual(
    bodies().map(({ event_action, dedup_key }) => [event_action, dedup_key]),
    [
      ['trigger', 't.1.0'],
      ['resolve', 't.1.0'],
    ],
  )
  await send('pagerduty', { notices: [waits] })
  assert.equal(bodies().length, 1)
})

interface Refusal {
  readonly of: string
  readonly channel: string
  readonly answer?: (typeof answers)[number]
  readonly sending?: () => Sending
  readonly code: string
  readonly message: RegExp
}

const refusals: readonly Refusal[] = [
  {
    of: '503',
    channel: 'slack',
    answer: { status: 503 },
    code: 'CHANNEL_UNAVAILABLE',
    message: /answered 503/,
  },
  {
    of: '429',
    channel: 'hook',
    answer: { status: 429 },
    code: 'CHANNEL_UNAVAILABLE',
    message: /answered 429/,
  },
  {
    of: '400',
    channel: 'pagerduty',
    answer: { status: 400, body: 'bad key' },
    code: 'CHANNEL_REFUSED',
    message: /400 bad key/,
  },
  {
    of: 'a redirect',
    channel: 'slack',
    answer: { status: 302, headers: { location: '/x' } },
    code: 'CHANNEL_REFUSED',
    message: /302/,
  },
  {
    of: 'nobody there',
    channel: 'slack',
    sending: () => ({ env: { SLACK_WEBHOOK_URL: `http://127.0.0.1:${nobody}/secret` } }),
    code: 'CHANNEL_UNAVAILABLE',
    message: /127.0.0.1:\d+ can't be reached: connect ECONNREFUSED/,
  },
  {
    of: 'no answer in time',
    channel: 'slack',
    answer: { status: 0 },
    sending: () => ({ signal: AbortSignal.timeout(100) }),
    code: '23',
    message: /timeout/,
  },
  {
    of: 'a secret that is not set',
    channel: 'hook',
    sending: () => ({ env: { ALERT_WEBHOOK_SECRET: '' } }),
    code: 'CHANNEL_NOT_CONFIGURED',
    message: /ALERT_WEBHOOK_SECRET is not set/,
  },
  {
    of: 'a wrong password',
    channel: 'email',
    sending: () => ({ env: { SMTP_URL: smtp().replace('secret', 'wrong') } }),
    code: 'CHANNEL_REFUSED',
    message: /Invalid login/,
  },
  {
    of: 'a mail server that is away',
    channel: 'email',
    sending: () => ({ env: { SMTP_URL: 'smtp://127.0.0.1:9' } }),
    code: 'CHANNEL_UNAVAILABLE',
    message: /ECONNREFUSED/,
  },
  {
    of: 'a certificate that nobody vouches for',
    channel: 'email',
    sending: () => ({ change: { email: { type: 'email', from: 'f@example.org', to: ['a@example.org'] } } }),
    code: 'CHANNEL_UNAVAILABLE',
    message: /self-signed/,
  },
]

for (const { of, channel, answer, sending, code, message } of refusals)
  test(`${channel}, ${of}: ${code}`, async () => {
    answers = answer ? [answer] : []
    await assert.rejects(send(channel, sending?.()), (error: Error & { code?: unknown }) => {
      assert.equal(String(error.code), code)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /secret$|T0/, 'no secret is shown')
      return true
    })
  })

test('Retry-After is passed on', async () => {
  answers = [{ status: 429, headers: { 'retry-after': '7' } }]
  await assert.rejects(send('slack'), { retryAfterMs: 7_000 })
})

test('a mail server without TLS gets nothing', async (t) => {
  const plain = await startMailReceiver({ disabledCommands: ['STARTTLS'] })
  t.after(() => plain.stop())
  await assert.rejects(send('email', { env: { SMTP_URL: `smtp://127.0.0.1:${plain.port}` } }), {
    code: 'CHANNEL_REFUSED',
  })
  assert.equal(plain.mails.length, 0)
})

test('smtps:// is TLS from the first byte', async (t) => {
  const tls = await startMailReceiver({ secure: true })
  t.after(() => tls.stop())
  const email = { type: 'email' as const, from: 'f@example.org', to: ['a@example.org'], caFile: tls.caFile }
  await send('email', { env: { SMTP_URL: `smtps://127.0.0.1:${tls.port}` }, change: { email } })
  assert.equal(tls.mails[0]?.secure, true)
})
