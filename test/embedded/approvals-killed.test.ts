// Python pauses at calls inside its loop for a person, the fleet is killed while they wait, and each call that is
// approved is made once, as approved. Decided by HTTP and by the command.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { httpOperator } from '../../operator/http.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import type { Conversation } from '../../runtime/scripted-model/conversations.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'

const loop = `
paid = [refund(amount=amount)["refunded"] for amount in (50, 500, 20)]
colour = ask_person(question="Which colour?", options=["red", "blue"])
final_answer({"paid": paid, "colour": colour})
`
const twice = [
  { name: 'refund', arguments: { amount: 300 } },
  { name: 'refund', arguments: { amount: 301 } },
]
const conversations: Conversation[] = [
  {
    title: 'code',
    task: 'refund in a loop',
    mode: 'code',
    turns: [{ text: `So:\n\`\`\`python${loop}\`\`\`` }],
  },
  { title: 'tools', task: 'refund twice', mode: 'tools', turns: [{ toolCalls: twice }, { text: 'done' }] },
]

test('kill -9 while calls wait for people: each is made once, as approved', async (t) => {
  const directory = testDirectory(t, 'approvals')
  const refunds = join(directory, 'refunds')
  writeFileSync(refunds, '')
  const made = () => readFileSync(refunds, 'utf8').split('\n').filter(Boolean).map(Number)
  const model = await startScriptedModel({ conversations })
  t.after(() => model.stop())
  const fleet = await startKillable(t, directory, {
    FLOTILLA_CONFIG: join(import.meta.dirname, '../support/approvals.config.ts'),
    FLOTILLA_PARTITIONS: '3',
    FLOTILLA_SCRIPTED_URL: model.url,
    REFUNDS: refunds,
  })
  const { client } = fleet
  const { approvals } = httpOperator(fleet.url)
  const waits = (taskId: string, tool: string, count = 1) =>
    eventually(`${count} calls of ${tool} in ${taskId} wait`, async () => {
      const found = (await approvals.list({ task: taskId })).filter((call) => call.tool === tool)
      return found.length === count ? found : null
    })

  await client.submit({ taskId: 'loop', text: 'refund in a loop', agent: 'code' })
  await client.submit({ taskId: 'twice', text: 'refund twice', agent: 'tools' })
  const [big] = await waits('loop', 'refund')
  assert.ok(big)
  assert.deepEqual([big.why, big.arguments, big.agent], ['approval', { amount: 500 }, 'code'])
  const [first, second] = await waits('twice', 'refund', 2)
  assert.ok(first && second)
  assert.deepEqual(made(), [50], 'the rule let the small one pass')
  await fleet.killAndStart()

  await client.approve({ taskId: 'loop', callId: big.callId, approved: true, decidedBy: 'eve' })
  await client.approve({
    ...{ taskId: 'loop', callId: big.callId, approved: true, decidedBy: 'ann', reason: 'a part of it' },
    arguments: { amount: 400 },
  })
  const [question] = await waits('loop', 'ask_person')
  assert.equal(question?.why, 'question')
  assert.deepEqual(made(), [50, 400, 20])
  await fleet.killAndStart()

  const url = { ...fleet.env, FLOTILLA_URL: fleet.url }
  const listed = await flotilla(['approvals', 'list', '--json'], { env: url })
  const tools = (JSON.parse(listed.out) as { tool: string }[]).map(({ tool }) => tool).toSorted()
  assert.deepEqual(tools, ['ask_person', 'refund', 'refund'], listed.err)
  const answered = await flotilla(['approvals', 'approve', 'loop', '--answer', 'blue', '--by', 'bo'], {
    env: url,
  })
  assert.equal(answered.code, 0, answered.err)
  const denied = await flotilla(
    ['approvals', 'deny', 'twice', first.callId, '--by', 'bo', '--reason', 'no'],
    {
      env: url,
    },
  )
  assert.equal(denied.code, 0, denied.err)
  const unknown = await flotilla(['approvals', 'approve', 'twice', 'nocall'], { env: url })
  assert.equal(unknown.code, 66, unknown.out)
  assert.match(unknown.err, /CALL_UNKNOWN: task twice has no call nocall that waits for a person/)
  await client.approve({ taskId: 'twice', callId: second.callId, approved: true, decidedBy: 'ann' })

  const result = await client.result('loop', { timeoutMs: 120_000 })
  assert.deepEqual(result.output, { paid: [50, 400, 20], colour: 'blue' })
  const calls = result.steps[0]?.toolCalls.map(
    ({ approval }) => approval as { outcome: string; edited?: unknown },
  )
  assert.deepEqual(
    calls?.map((approval) => approval.outcome),
    ['not needed', 'approved', 'not needed', 'answered'],
  )
  assert.deepEqual(calls?.[1]?.edited, { amount: 400 })
  const other = await client.result('twice', { timeoutMs: 120_000 })
  assert.deepEqual(other.steps[0]?.toolCalls.map(({ status }) => status).toSorted(), ['refused', 'succeeded'])
  assert.equal(made().length, 4, `made ${made().join()}`)
  const over = await eventually('the ledger has them all', async () => {
    const all = await approvals.list({ status: 'all' })
    return all.every(({ status }) => status !== 'waiting') ? all : null
  })
  assert.deepEqual(over.map(({ status }) => status).toSorted(), [
    'answered',
    'approved',
    'approved',
    'declined',
  ])
  assert.equal(await fleet.process().drain(), 0, fleet.process().output())
})
