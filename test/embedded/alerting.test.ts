// From tasks that fail to somebody who is told, in a whole fleet; and what operators see and say.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AlertView, TestAnswer } from '../../operator/direct/alerts.ts'
import type { AlertsDefinition } from '../../runtime/config/alert-rules.ts'
import type { Notice } from '../../services/alerting/events.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { startHttpReceiver, type HttpReceiver } from '../support/receivers.ts'

const failures = {
  measure: 'error_rate' as const,
  threshold: 0.5,
  windowMs: 600_000,
  minTasks: 3,
  severity: 'critical' as const,
  channels: ['hook'],
}
const alertsOf = (receiver: HttpReceiver): AlertsDefinition => ({
  rules: { high_error_rate: false, failures },
  channels: { hook: { type: 'webhook', url: `${receiver.url}/hook` } },
  groupWaitMs: 10,
  groupIntervalMs: 10,
  retryMs: 50,
})
const start = (receiver: HttpReceiver, dataDir: string): Promise<TestFleet> =>
  startTestFleet({
    dataDir,
    definition: { alerts: alertsOf(receiver), agents: { default: { mode: 'tools' } } },
    model: { script: () => ({ text: '' }) },
    env: { ALERT_WEBHOOK_SECRET: 'hush' },
    http: true,
  })
const fail = async (fleet: TestFleet, count: number): Promise<void> => {
  const ids = await Promise.all(
    Array.from({ length: count }, async () => (await fleet.client.submit({ text: 'fail' })).taskId),
  )
  for (const id of ids) assert.equal((await fleet.client.result(id, { timeoutMs: 120_000 })).status, 'failed')
}
const noticesIn = ({ received }: HttpReceiver): string[] =>
  received.flatMap(({ body }) =>
    (JSON.parse(body) as { data: { notices: Notice[] } }).data.notices.map(
      ({ kind, rule }) => `${kind} ${rule}`,
    ),
  )
const scratch = (t: { after(fn: () => void): void }): string => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-alerts-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('a window goes on after a restart; a channel that is away is tried again, and told once', async (t) => {
  const dataDir = scratch(t)
  const receiver = await startHttpReceiver((count) => ({ status: count < 2 ? 503 : 200 }))
  t.after(() => receiver.stop())
  const first = await start(receiver, dataDir)
  await fail(first, 2)
  await eventually('the tallies are passed on', async () => {
    const ranges = await first.process.log.ranges(['outcomes.tallied'])
    return ranges.some(({ next }) => next > 0)
  })
  await first.stop()
  assert.deepEqual(receiver.received, [], 'two tasks are too few')

  await using second = await start(receiver, dataDir)
  await fail(second, 1)
  await eventually('the channel took it', () => receiver.received.length === 3)
  assert.deepEqual(noticesIn(receiver), new Array(3).fill('raised failures'))
  const ids = new Set(receiver.received.map(({ headers }) => headers['webhook-id']))
  assert.equal(ids.size, 1, 'every try is the same notification')

  const metrics = () => fetch(`${second.process.url}/metrics`).then((response) => response.text())
  await eventually('it is counted', async () =>
    (await metrics()).includes('flotilla_notifications_total{channel="hook",status="delivered"} 1'),
  )
  assert.match(
    await metrics(),
    /flotilla_alerts_total\{rule="failures",severity="critical",change="raised"\} 1/,
  )
  const views = (await (await fetch(`${second.process.url}/v1/alerts`)).json()) as AlertView[]
  const rule = views.find((view) => view.rule === 'failures')
  assert.deepEqual([rule?.state, rule?.silence], ['firing', null])
})

test('a channel that refuses is given up with the reason, and its dead letter can be replayed', async (t) => {
  const receiver = await startHttpReceiver((count) => ({
    status: count === 0 ? 403 : 200,
    body: 'who are you',
  }))
  t.after(() => receiver.stop())
  await using fleet = await start(receiver, scratch(t))
  await fail(fleet, 3)
  const url = fleet.process.url as string
  type Letter = { id: string; stage: string; code: string; message: string; sourceTopic: string }
  const letters = async () => (await (await fetch(`${url}/v1/dead-letters`)).json()) as Letter[]
  const [letter] = await eventually('it is a dead letter', async () => {
    const found = await letters()
    return found.length > 0 && found
  })
  assert.deepEqual(
    [letter?.stage, letter?.code, letter?.sourceTopic],
    ['alerting', 'CHANNEL_REFUSED', 'alerts.notifications'],
  )
  assert.match(letter?.message ?? '', /answered 403 who are you/)
  await fetch(`${url}/v1/dead-letters/${letter?.id}/replay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  })
  await eventually('it was told after all', () => receiver.received.length === 2)
  assert.equal((await letters()).length, 1)
})

test('flotilla alerts: list, silence and test, by the gateway of a running fleet', async (t) => {
  const receiver = await startHttpReceiver()
  t.after(() => receiver.stop())
  await using fleet = await start(receiver, scratch(t))
  const env = { FLOTILLA_URL: fleet.process.url as string, NO_COLOR: '1' }
  const tested = await flotilla(['alerts', 'test', 'failures'], { env })
  assert.deepEqual([tested.code, tested.err], [0, ''])
  assert.match(tested.out, /^ok {5}log +written to the log$/m)
  assert.match(tested.out, /^ok {5}hook +200 ok$/m)
  assert.deepEqual(noticesIn(receiver), ['test failures'])

  const silenced = await flotilla(['alerts', 'silence', 'failures', '--for', '2h', '--reason', 'upgrade'], {
    env,
  })
  assert.match(silenced.out, /^failures is silent until 20/)
  await fail(fleet, 3)
  const firing = await eventually('it is listed as firing', async () => {
    const { out } = await flotilla(['alerts'], { env })
    return /^firing +failures/m.test(out) && out
  })
  assert.match(firing, /^ok +high_latency +warning +latency_p95_ms > 30000 in 1 min +slack/m)
  assert.match(firing, /silent until 20.*: upgrade\)/)
  assert.deepEqual(noticesIn(receiver), ['test failures'], 'nobody is told')

  const ended = await flotilla(['alerts', 'silence', 'failures', '--end'], { env })
  assert.equal(ended.out, 'the silence of failures ends\n')
  await eventually('now it is told', () => noticesIn(receiver).includes('raised failures'))
  for (const [args, message] of [
    [['silence', 'nosuch'], /no alert rule named nosuch; there are: high_latency/],
    [['silence', 'failures', '--for', 'soon'], /'soon' is invalid\. It must be a time such as 30m, 2h or 1d/],
    [['test', 'nosuch'], /no alert rule named nosuch/],
  ] as const) {
    const refused = await flotilla(['alerts', ...args], { env })
    assert.ok((refused.code ?? 0) >= 64)
    assert.match(refused.err, message)
  }
})

test('a daily budget near its limit is told, and is over once the fleet runs with a larger one', async (t) => {
  const dataDir = scratch(t)
  const receiver = await startHttpReceiver()
  t.after(() => receiver.stop())
  const start = (fleetTokens: number): Promise<TestFleet> =>
    startTestFleet({
      dataDir,
      definition: {
        alerts: {
          ...alertsOf(receiver),
          rules: { budget_near_limit: { channels: ['hook'], renotifyMs: 1_000 } },
        },
        limits: { budgets: { fleetTokens, warnAt: 0.001, estimateTokens: 1 } },
      },
      env: { ALERT_WEBHOOK_SECRET: 'hush' },
      http: true,
    })
  const first = await start(50_000)
  const env = { FLOTILLA_URL: first.process.url as string, NO_COLOR: '1' }
  const { taskId } = await first.client.submit({ text: 'task=one' })
  assert.equal((await first.client.result(taskId, { timeoutMs: 120_000 })).status, 'succeeded')
  await eventually('it is told', () => noticesIn(receiver).includes('raised budget_near_limit'))
  const { out } = await flotilla(['alerts'], { env })
  assert.match(out, /^firing +budget_near_limit +warning +budgets_near_limit > 0 +hook$/m)
  assert.match(out, /budget is near the limit: the fleet \(50 of 50,000 tokens are used, until 20/)
  const tested = await flotilla(['alerts', 'test', 'budget_near_limit'], { env })
  assert.match(tested.out, /^ok {5}hook +200 ok$/m)
  await first.stop()

  await using _ = await start(50_000_000)
  await eventually('it is over', () => noticesIn(receiver).includes('resolved budget_near_limit'))
})

test('where no fleet runs, a test is sent by the command itself, and says what is not configured', async (t) => {
  const receiver = await startHttpReceiver()
  t.after(() => receiver.stop())
  const directory = scratch(t)
  const config = join(directory, 'flotilla.config.mjs')
  const hook = { type: 'webhook', url: receiver.url }
  writeFileSync(config, `export default ${JSON.stringify({ alerts: { channels: { slack: hook } } })}`)
  const env = {
    FLOTILLA_DATA: join(directory, 'data'),
    FLOTILLA_CONFIG: config,
    ALERT_WEBHOOK_SECRET: 'hush',
  }
  const { code, out } = await flotilla(['alerts', 'test', 'high_error_rate', '--json'], { env })
  const answers = JSON.parse(out) as TestAnswer[]
  assert.equal(code, 1)
  assert.deepEqual(
    answers.map(({ channel, status }) => [channel, status]),
    [
      ['pagerduty', 'failed'],
      ['slack', 'delivered'],
    ],
  )
  assert.match(
    answers[0]?.answer ?? '',
    /CHANNEL_NOT_CONFIGURED: no channel pagerduty; add alerts.channels.pagerduty/,
  )
})
