// A whole fleet: whoever reads an answer from /updates and cancels before its end has paid for it, in the result, the
// ledger and the budget; and so has a task whose provider hangs until its deadline.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { delta, events, startProvider, type Handler } from '../unit/planner/model/provider-server.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const PROMPT = 'a prompt of some length '.repeat(200)
const WORDS = 'word '.repeat(400)

async function start(t: TestContext, handler: Handler): Promise<TestFleet> {
  const provider = await startProvider(t, handler)
  const models = {
    default: 'test/m-1',
    providers: { test: { baseUrl: provider.url } },
    prices: [{ model: 'test/m-1', input: 1, output: 2 }],
  }
  const limits = { budgets: { userTokens: 1_000_000 } }
  const fleet = await startTestFleet({ http: true, definition: { models, limits } })
  t.after(() => fleet.stop())
  return fleet
}

async function assertPaid(fleet: TestFleet, taskId: string, leastOutput: number): Promise<void> {
  const { usage } = await fleet.client.result(taskId, { timeoutMs: 120_000 })
  const { inputTokens, outputTokens, cost, modelCalls } = usage
  assert.ok(inputTokens >= 1_200 && outputTokens >= leastOutput, JSON.stringify(usage))
  assert.ok(modelCalls >= 1)
  assert.ok(Math.abs(cost - (inputTokens + 2 * outputTokens) / 1_000_000) < 1e-9)
  const row = await eventually('the ledger has the call', () => callsOf(fleet, taskId, modelCalls))
  assert.deepEqual(row, { inputTokens, outputTokens, cost })
  const budgets = await fleet.process.stores.limits.budgets('')
  const [ann] = budgets.filter(({ key }) => key.endsWith(':user:ann'))
  assert.deepEqual([ann?.settled, ann?.reserved], [inputTokens + outputTokens, 0])
}

async function callsOf({ process }: TestFleet, taskId: string, calls: number) {
  const rows = await process.stores.sql
    .selectFrom('usage_ledger')
    .selectAll()
    .where('task_id', '=', taskId)
    .where('kind', '=', 'model')
    .execute()
  if (rows.length < calls) return null
  const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + of(row), 0)
  return {
    inputTokens: sum((row) => row.input_tokens),
    outputTokens: sum((row) => row.output_tokens),
    cost: sum((row) => row.cost),
  }
}

test('read from /updates, cancelled before the end: paid', async (t) => {
  const fleet = await start(t, (_, response) => events(response, [delta({ content: WORDS })], false))
  const { taskId } = await fleet.client.submit({ text: PROMPT, userId: 'ann' })
  const updates = await fetch(`${fleet.process.url}/v1/tasks/${taskId}/updates`)
  let read = ''
  for await (const part of updates.body ?? []) {
    read += Buffer.from(part as Uint8Array).toString()
    if (read.includes('word word')) break
  }
  const cancelled = await fetch(`${fleet.process.url}/v1/tasks/${taskId}/cancel`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(cancelled.ok, true)
  assert.equal((await fleet.client.result(taskId, { timeoutMs: 120_000 })).status, 'cancelled')
  await assertPaid(fleet, taskId, 500)
})

test('a provider that hangs until the deadline of the task: the prompt is paid', async (t) => {
  const fleet = await start(t, () => {})
  const { taskId } = await fleet.client.submit({ text: PROMPT, userId: 'ann', timeoutMs: 1_000 })
  assert.equal((await fleet.client.result(taskId, { timeoutMs: 120_000 })).status, 'timed_out')
  await assertPaid(fleet, taskId, 0)
})

test('the cost limit of a task counts what its stopped calls cost', async (t) => {
  let asked = 0
  const fleet = await start(t, (_, response) => {
    asked++
    response.destroy()
  })
  // Less than a prompt costs: the retry that would follow is not made.
  const { taskId } = await fleet.client.submit({ text: PROMPT, userId: 'ann', maxCost: 0.000_5 })
  const { status, error } = await fleet.client.result(taskId, { timeoutMs: 120_000 })
  assert.deepEqual([status, error?.code, asked], ['failed', 'COST_LIMIT', 1])
  await assertPaid(fleet, taskId, 0)
})
