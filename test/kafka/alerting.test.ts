// Alerts and ledgers of a fleet on Kafka, Redis and PostgreSQL: told once by a channel that failed first, seen by the command.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AlertView, TestAnswer } from '../../operator/direct/alerts.ts'
import type { SummaryLine } from '../../runtime/ledger/summary.ts'
import type { Notice } from '../../services/alerting/events.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startTestFleet } from '../support/fleet.ts'
import { startHttpReceiver } from '../support/receivers.ts'
import { fleetEnvironment } from '../support/servers.ts'

test('tasks that fail are told to the channel, and are in the books', async (t) => {
  const receiver = await startHttpReceiver((count) => ({ status: count === 0 ? 503 : 200, body: 'ok' }))
  t.after(() => receiver.stop())
  const failures = {
    measure: 'error_rate' as const,
    threshold: 0.5,
    windowMs: 600_000,
    minTasks: 3,
    severity: 'critical' as const,
    channels: ['hook'],
  }
  const alerts = {
    rules: { high_error_rate: false as const, failures },
    channels: { hook: { type: 'webhook' as const, url: `${receiver.url}/hook` } },
    groupWaitMs: 10,
    groupIntervalMs: 10,
    retryMs: 50,
  }
  const env = fleetEnvironment('alerting', { ALERT_WEBHOOK_SECRET: 'hush' })
  await using fleet = await startTestFleet({
    env,
    definition: { alerts, agents: { default: { mode: 'tools' } } },
    model: { script: () => ({ text: '' }) },
  })
  const userId = `user-${env['FLOTILLA_PREFIX']}`
  const ids = await Promise.all(
    [1, 2, 3].map(async () => (await fleet.client.submit({ text: 'fail', userId })).taskId),
  )
  for (const id of ids) assert.equal((await fleet.client.result(id, { timeoutMs: 120_000 })).status, 'failed')
  await eventually('the channel took it', () => receiver.received.length >= 2)
  const kinds = receiver.received.map(({ body }) => {
    const { data } = JSON.parse(body) as { data: { notices: Notice[] } }
    return data.notices.map(({ kind, rule }) => `${kind} ${rule}`)
  })
  assert.deepEqual(kinds, [['raised failures'], ['raised failures']])

  const directory = mkdtempSync(join(tmpdir(), 'flotilla-alerting-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const config = join(directory, 'flotilla.config.mjs')
  writeFileSync(config, `export default ${JSON.stringify({ alerts })}`)
  const asked = { env: { ...env, FLOTILLA_CONFIG: config } }
  const listed = await flotilla(['alerts', '--json'], asked)
  const rule = (JSON.parse(listed.out) as AlertView[]).find((each) => each.rule === 'failures')
  assert.equal(rule?.state, 'firing', listed.err)
  const tested = await flotilla(['alerts', 'test', 'failures', '--json'], asked)
  const answers = JSON.parse(tested.out || '[]') as TestAnswer[]
  assert.deepEqual(
    answers.map(({ channel, status }) => [channel, status]).toSorted(),
    [
      ['hook', 'delivered'],
      ['log', 'delivered'],
    ],
    tested.err,
  )
  const line = await eventually('the books have its tasks', async () => {
    const { out } = await flotilla(['usage', '--by', 'user', '--json'], asked)
    const mine = (JSON.parse(out) as SummaryLine[]).find(({ group }) => group === userId)
    return mine?.executions === 3 && mine
  })
  assert.deepEqual([line.successRate, line.inputTokens > 0], [0, true])
})
