// Finding tasks over HTTP by what a console offers: text, cost, time; all of a submission; who the client is.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { allScopes } from '../../api/scopes.ts'
import { DirectKeys } from '../../operator/direct/keys.ts'
import { eventually } from '../conformance/waiting.ts'
import { ledgerTasks } from '../support/console-fleet.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
before(async () => {
  fleet = await startTestFleet({ http: true, env: { FLOTILLA_TRACE_URL: 'http://jaeger/{traceId}' } })
  await ledgerTasks(fleet, 50)
})
after(() => fleet?.stop())

interface Row {
  readonly taskId: string
  readonly text: string
  readonly cost: number
  readonly submittedAtMs: number
  readonly completedAtMs: number | null
  readonly sessionId: string | null
  readonly parent: string | null
}

const ask = async (path: string, init: RequestInit = {}) => {
  const response = await fetch(fleet.process.url + path, init)
  return { status: response.status, body: (await response.json()) as never }
}
const list = async (query: string): Promise<Row[]> => {
  const { status, body } = await ask(`/v1/tasks?limit=1000&${query}`)
  assert.equal(status, 200, JSON.stringify(body))
  return (body as { tasks: Row[] }).tasks
}
const post = (path: string, body: object) =>
  ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

test('search: in the id or the text, whatever the case; signs of patterns stand for themselves', async () => {
  const byId = await list('search=TICKET-0001')
  assert.deepEqual(byId.map(({ taskId }) => taskId).length, 10)
  const byText = await list('search=complaint')
  assert.ok(byText.length > 0 && byText.every(({ text }) => text.includes('complaint')))
  for (const query of ['%25', '_icket', 'ticket-0001_', '%5C'])
    assert.deepEqual(await list(`search=${query}`), [], query)
  assert.equal((await ask('/v1/tasks?search=')).status, 400)
})

test('cost and time, of ended and of open tasks', async () => {
  const dear = await list('minCost=0.2')
  assert.ok(dear.length > 0 && dear.every(({ cost }) => cost >= 0.2))
  const slow = await list('minMs=50000')
  assert.ok(slow.length > 0)
  for (const { submittedAtMs, completedAtMs } of slow)
    assert.ok((completedAtMs ?? 0) - submittedAtMs >= 50_000)
  await fleet.client.submit({ taskId: 'open', text: 'task=open fault=hang' })
  await eventually('it is listed', async () => (await list('status=open')).length === 1)
  assert.deepEqual(await list('status=open&minMs=3600000'), [])
  assert.deepEqual(await list('status=open&minCost=1'), [])
  for (const wrong of ['minMs=-1', 'minCost=much'])
    assert.equal((await ask(`/v1/tasks?${wrong}`)).status, 400)
  const search = { search: 'OPEN', dryRun: true }
  assert.deepEqual((await post('/v1/tasks/cancel', search)).body, { matched: ['open'], more: false })
  for (const wide of [{ search: '' }, { minMs: 0 }, { minCost: -1 }])
    assert.equal(
      (await post('/v1/tasks/cancel', { ...wide, dryRun: true })).status,
      400,
      JSON.stringify(wide),
    )
  await fleet.client.cancel('open')
})

test('a submission is given back whole, before and after the end of its task', async () => {
  const text = `task=whole ${'long '.repeat(300)}`.trim()
  const given = {
    taskId: 'whole',
    text,
    sessionId: 's',
    parent: 'open',
    maxSteps: 4,
    outputSchema: { type: 'string' },
  }
  await fleet.client.submit(given)
  for (const isOver of [false, true]) {
    if (isOver) await fleet.client.result('whole', { timeoutMs: 120_000 })
    const { status, body } = await ask('/v1/tasks/whole/submission')
    assert.equal(status, 200)
    const { submittedAtMs, agent, ...more } = body as Record<string, unknown>
    assert.equal(typeof submittedAtMs, 'number')
    assert.equal(agent, null)
    for (const [name, value] of Object.entries(given)) assert.deepEqual(more[name], value, name)
  }
  await eventually('the ledger has it', async () => (await list('session=s')).length === 1)
  const [row] = await list('session=s')
  assert.deepEqual([row?.sessionId, row?.parent], ['s', 'open'])
  assert.equal((await ask('/v1/tasks/nobodys/submission')).status, 404)
})

test('me: everything while the API is open; then what the key has, and no more', async () => {
  const open = (await ask('/v1/me')).body as { access: string; scopes: string[]; traceUrl: string }
  assert.deepEqual([open.access, open.traceUrl, open.scopes], ['open', 'http://jaeger/{traceId}', allScopes])
  const keys = new DirectKeys(fleet.process.stores.sql)
  const { key } = await keys.create(
    { name: 'ana-laptop', userId: 'ana', scopes: ['tasks:submit'], agents: ['default'] },
    null,
  )
  await eventually('it is closed', async () => (await ask('/v1/me')).status === 401)
  const mine = await ask('/v1/me', { headers: { authorization: `Bearer ${key}` } })
  assert.deepEqual(mine.body, {
    access: 'closed',
    name: 'ana-laptop',
    userId: 'ana',
    scopes: ['tasks:submit'],
    agents: ['default'],
    traceUrl: 'http://jaeger/{traceId}',
  })
})
