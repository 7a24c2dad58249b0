// A call of a delegated task waits for a person, the fleet is killed, and the tasks above go on once it is decided, or
// end with everything below them.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { httpOperator } from '../../operator/http.ts'
import type { Turn } from '../../runtime/scripted-model/conversations.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'

function script({ task, turn, mode, toolNames }: Exchange): Turn {
  if (mode === 'code') return { text: `\`\`\`python\nfinal_answer('code: ' + ask_clerk('${task}'))\n\`\`\`` }
  if (turn > 0) return { text: `done ${task}` }
  const [name, args] = toolNames.includes('pay') ? ['pay', { to: task }] : ['ask_clerk', { task }]
  return { toolCalls: [{ name, arguments: args }] }
}

test('a child’s call waits for a person, through kill -9; the parent answers, or its cancel reaches the call', async (t) => {
  const directory = testDirectory(t, 'held-child')
  const payments = join(directory, 'payments')
  writeFileSync(payments, '')
  const made = () => readFileSync(payments, 'utf8').split('\n').filter(Boolean).toSorted()
  const model = await startScriptedModel({ script })
  t.after(() => model.stop())
  const { url, client, killAndStart } = await startKillable(t, directory, {
    FLOTILLA_CONFIG: join(import.meta.dirname, '../support/held-child.config.ts'),
    FLOTILLA_SCRIPTED_URL: model.url,
    PAYMENTS: payments,
  })
  const { approvals, tasks } = httpOperator(url)
  const callFor = (to: string, status: string) =>
    eventually(`the call for ${to} is ${status}`, async () => {
      const all = await approvals.list({ status: 'all' })
      return all.find((call) => (call.arguments as { to: string }).to === to && call.status === status)
    })
  const decide = async (to: string) => {
    const { taskId, callId } = await callFor(to, 'waiting')
    await client.approve({ taskId, callId, approved: true, decidedBy: 'ann' })
  }

  for (const [taskId, agent] of [
    ['one', 'lead'],
    ['two', 'coder'],
    ['three', 'lead'],
    ['four', 'coder'],
  ] as const)
    await client.submit({ taskId, text: taskId, agent })
  for (const to of ['one', 'two', 'three', 'four']) await callFor(to, 'waiting')
  await killAndStart()
  assert.deepEqual(made(), [])
  assert.deepEqual((await approvals.list({})).length, 4)

  await client.cancel('three')
  await client.cancel('four')
  await decide('one')
  await decide('two')
  const one = await client.result('one', { timeoutMs: 120_000 })
  assert.deepEqual([one.status, one.output], ['succeeded', 'done one'])
  assert.equal((await client.result('two', { timeoutMs: 120_000 })).output, 'code: done two')
  for (const root of ['three', 'four']) {
    assert.equal((await client.result(root, { timeoutMs: 120_000 })).status, 'cancelled')
    const { taskId, callId } = await callFor(root, 'withdrawn')
    // The end of its task comes into the ledger before what became of the call.
    const { approval } = await eventually('the call has its record', async () => {
      const all = await approvals.list({ status: 'all' })
      return all.find((call) => call.callId === callId && call.approval !== null)
    })
    assert.deepEqual((approval as { decisions: unknown[] }).decisions, [])
    assert.equal((await client.result(taskId, { timeoutMs: 120_000 })).status, 'cancelled')
    const late = client.approve({ taskId, callId, approved: true, decidedBy: 'ann' })
    await assert.rejects(late, { code: 'CALL_NOT_WAITING' })
    assert.equal((await tasks.tree(root)).tasks.length, 2)
  }
  await eventually('nobody is asked any more', async () => (await approvals.list({})).length === 0)
  assert.deepEqual(made(), ['one', 'two'])
})
