// Who waits for a person is listed at once, although metering, which fills the ledger, is behind.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import type { TaskView } from '../../operator/index.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({ amount: z.number() }),
  requiresApproval: true,
  run: ({ amount }) => `paid ${amount}`,
})

let fleet: TestFleet
let url: string
before(async () => {
  fleet = await startTestFleet({
    http: true,
    definition: { tools: [pay] },
    model: {
      script: ({ turn }) =>
        turn === 0 ? { toolCalls: [{ name: 'pay', arguments: { amount: 5 } }] } : { text: 'done' },
    },
  })
  url = fleet.process.url as string
})
after(() => fleet?.stop())

const post = (path: string, body: object): Promise<Response> =>
  fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

async function waiting(filter = ''): Promise<string[]> {
  const response = await fetch(`${url}/v1/tasks?waiting=true${filter}`)
  const { tasks } = (await response.json()) as { tasks: TaskView[] }
  return tasks.map(({ taskId }) => taskId)
}

const isHeld = async (taskId: string): Promise<boolean> => {
  const response = await fetch(`${url}/v1/tasks/${taskId}`)
  return ((await response.json()) as TaskView).phase === 'approval'
}

test('a call that waits is listed while metering stands still, by the filters, and until it is decided', async () => {
  await fleet.client.submit({ taskId: 'known', text: 'pay, please', userId: 'ana' })
  await eventually('the ledger has the first', async () => (await waiting()).length === 1)
  await post('/v1/fleet/pauses', { stage: 'metering', paused: true })
  await fleet.client.submit({ taskId: 'unread', text: 'Pay_the other one', userId: 'ben', sessionId: 's' })
  await eventually('it waits', () => isHeld('unread'))
  assert.deepEqual(await waiting(), ['unread', 'known'])
  for (const filter of ['&user=ben', '&agent=default', '&search=PAY_the', '&session=s', '&status=open'])
    assert.ok((await waiting(filter)).includes('unread'), filter)
  for (const filter of [
    ...['&user=ana', '&agent=other', '&search=pay%25', '&session=other', '&status=failed', '&minCost=1'],
    ...['&error=TASK_FAILED', '&doubt=true', '&minMs=900000', '&parent=x', '&profile=x', '&to=2020-01-01'],
  ])
    assert.ok(!(await waiting(filter)).includes('unread'), filter)
  const first = (await (await fetch(`${url}/v1/tasks?waiting=true&limit=1`)).json()) as { next: string }
  assert.deepEqual(await waiting(`&after=${encodeURIComponent(first.next)}`), ['known'])

  await post(`/v1/tasks/unread/approvals/${encodeURIComponent(await callOf('unread'))}`, { approved: true })
  assert.equal((await fleet.client.result('unread', { timeoutMs: 120_000 })).status, 'succeeded')
  assert.deepEqual(await waiting(), ['known'])
})

test('once metering goes on, each is there once', async () => {
  await fleet.client.submit({ taskId: 'late', text: 'pay', userId: 'ana' })
  await eventually('it waits', () => isHeld('late'))
  assert.deepEqual(await waiting(), ['late', 'known'])
  await post('/v1/fleet/pauses', { stage: 'metering', paused: false })
  await eventually('the ledger has it', async () => {
    assert.deepEqual(await waiting(), ['late', 'known'])
    const response = await fetch(`${url}/v1/approvals?task=late`)
    return ((await response.json()) as unknown[]).length === 1
  })
  assert.deepEqual(await waiting(), ['late', 'known'])
})

async function callOf(taskId: string): Promise<string> {
  const { events } = (await (await fetch(`${url}/v1/tasks/${taskId}`)).json()) as {
    events: { kind: string; detail: { callId: string } }[]
  }
  return events.find(({ kind }) => kind === 'approval_requested')?.detail.callId ?? ''
}
