// What people read of a notification; test/embedded/alert-channels.test.ts has the channels with real servers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { Notice } from '../../../services/alerting/events.ts'
import { serviceLog } from '../../../services/alerting/channels/log.ts'
import { headline, subject } from '../../../services/alerting/channels/text.ts'
import { createToolExecutorStage } from '../../../services/tool-executor/stage.ts'

const NOW = 1_750_000_000_000
const notice: Notice = {
  ...{ kind: 'raised', alertId: 'a', rule: 'high_latency', severity: 'critical', value: 2, threshold: 1 },
  ...{ message: 'it is slow', runbook: null, atMs: NOW },
}

/** As tool-executor asks for them: a call begins to wait, and is approved. */
function ofCall(): Notice[] {
  const requiresApproval = { notify: ['team'] }
  const pay = defineTool({
    ...{ name: 'pay', description: 'Pays.', input: { type: 'object' }, run: () => null },
    requiresApproval,
  })
  const driver = drive(createToolExecutorStage({ tools: [pay] }), { now: NOW })
  driver.send('tools.requested', 'ToolRequested', {
    ...{ taskId: 't', callId: 't.1.0', tool: 'pay', arguments: {}, requester: 'planner', step: 1 },
    ...{ deadlineMs: NOW + 60_000, userId: null, cacheTtlMs: null, agent: 'lead', ask: false },
    delegation: null,
  })
  driver.send('tasks.control', 'ApprovalDecided', {
    ...{ taskId: 't', callId: 't.1.0', approved: true, reason: null, decidedBy: 'ann', scopes: null },
    ...{ arguments: null, answer: null, tookEffect: null, credential: null, madeBy: null, heldAtMs: null },
  })
  return driver.all('NotificationRequested').flatMap(({ notices }) => notices as unknown as Notice[])
}

test('the headline says what happened, of each kind', () => {
  const [waits, decided] = ofCall()
  assert.ok(waits && decided)
  const kinds = [
    notice,
    { ...notice, kind: 'test' },
    { ...notice, kind: 'resolved' },
    waits,
    decided,
  ] as const
  assert.deepEqual(kinds.map(headline), [
    'FIRING (critical) it is slow',
    'TEST (critical) it is slow',
    'RESOLVED it is slow',
    'WAITING A call of pay waits for approval (task t, agent lead)',
    'RESOLVED A call of pay waits for approval (task t, agent lead): approved by ann',
  ])
})

test('the subject of several counts each kind as what it is', () => {
  const [waits, decided] = ofCall()
  assert.ok(waits && decided)
  assert.equal(subject([waits]), headline(waits))
  assert.equal(subject([notice, waits, waits, decided]), '1 firing, 1 resolved, 2 waiting: high_latency, pay')
})

test('the log has a call that waits as a warning, and its end as information', async () => {
  const lines: string[] = []
  const write = (level: string) => (_: unknown, message?: string) => void lines.push(`${level} ${message}`)
  const log = serviceLog({ error: write('error'), warn: write('warn'), info: write('info') })
  await log.send({ id: 'n', channel: 'log', notices: [notice, ...ofCall()] }, new AbortController().signal)
  assert.deepEqual(
    lines.map((line) => line.split(' ')[0]),
    ['error', 'warn', 'info'],
  )
})
