// What a running fleet answers about its tasks, its configuration and its lanes, over HTTP as on the log.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { HttpClient } from '../../client/http/client.ts'
import { httpOperator, type Operator, type TaskView } from '../../operator/index.ts'
import { directOperator, openParts } from '../../operator/direct/index.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import { eventually } from '../conformance/waiting.ts'
import { echo, startTestFleet, type TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
let http: HttpClient
let operators: [string, Operator][]
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({}),
  requiresApproval: true,
  run: () => 'paid',
})
const definition = {
  tools: [echo, pay],
  agents: { default: { mode: 'tools' as const }, other: { mode: 'tools' as const, tools: ['echo'] } },
}

before(async () => {
  const turns = [{ toolCalls: [{ name: 'pay', arguments: {} }] }, { text: 'done' }]
  const conversations = [{ title: 'pay', task: 'pay the bill', mode: 'tools' as const, turns }]
  fleet = await startTestFleet({ http: true, definition, model: { conversations } })
  const url = fleet.process.url as string
  http = new HttpClient(url)
  const environment = readEnvironment({ FLOTILLA_PREFIX: 'shown' })
  const { log, codec, stores } = fleet.process
  const parts = openParts({
    log,
    codec,
    ...stores,
    environment,
    fleet: completeFleet(definition, environment, 'test'),
  })
  operators = [
    ['direct', directOperator(parts)],
    ['http', httpOperator(url)],
  ]
})
after(async () => {
  await http.close()
  await fleet.stop()
})

const post = (path: string, body: object) =>
  fetch(`${fleet.process.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

test('a task is listed while it runs, with what it does, and after its end', async () => {
  await http.submit({
    text: 'task=long latency=3000 and\nmore',
    taskId: 'long',
    userId: 'ann',
    agent: 'other',
  })
  await http.submit({ text: 'pay the bill', taskId: 'bill', userId: 'ben' })
  for (const [name, { tasks }] of operators) {
    const open = async () => (await tasks.list({ status: 'open' })).tasks
    const find = async (id: string) => (await open()).find(({ taskId }) => taskId === id)
    await eventually(`${name}: one waits for a person`, async () => {
      const task = await find('bill')
      return task?.phase === 'approval' && task.modelCalls === 1
    })
    const bill = (await find('bill')) as TaskView
    assert.deepEqual(
      [bill.status, bill.detail, bill.agent, bill.userId, bill.step],
      ['waiting', 'pay', 'default', 'ben', 1],
    )
    assert.deepEqual([bill.text, bill.modelCalls, bill.completedAtMs], ['pay the bill', 1, null])
  }
  assert.equal((await http.result('long', { timeoutMs: 120_000 })).status, 'succeeded')
  await post('/v1/tasks/bill/cancel', {})
  await http.result('bill', { timeoutMs: 120_000 })
  for (const [name, { tasks }] of operators) {
    await eventually(
      `${name}: nothing is open`,
      async () => (await tasks.list({ status: 'open' })).tasks.length === 0,
    )
    const ended = await tasks.list({ agent: 'other' })
    assert.deepEqual(
      ended.tasks.map(({ taskId, status, phase, text }) => [taskId, status, phase, text]),
      [['long', 'succeeded', null, 'task=long latency=3000 and more']],
    )
    assert.deepEqual(
      (await tasks.list({ user: 'ben' })).tasks.map(({ status }) => status),
      ['cancelled'],
    )
    assert.deepEqual((await tasks.list({ status: 'failed' })).tasks, [])
  }
})

test('pages have every task once, the latest first', async () => {
  const ids = Array.from({ length: 5 }, (_, n) => `page-${n}`)
  for (const taskId of ids) await http.submit({ text: `task=${taskId}`, taskId, userId: 'pager' })
  await Promise.all(ids.map((id) => http.result(id, { timeoutMs: 120_000 })))
  for (const taskId of ['page-5', 'page-6', 'page-7']) {
    const hour = { text: `task=${taskId} latency=3600000`, timeoutMs: 3_600_000 }
    await http.submit({ ...hour, taskId, userId: 'pager' })
    // Listed by when they were submitted, in milliseconds.
    await pause(2)
  }
  for (const [name, { tasks }] of operators) {
    const pages = async (limit: number) => {
      const seen: string[] = []
      for (let after: string | null | undefined; after !== null;) {
        const page = await tasks.list({ user: 'pager', limit, ...(after === undefined ? {} : { after }) })
        assert.ok(page.tasks.length <= limit)
        seen.push(...page.tasks.map(({ taskId }) => taskId))
        after = page.next
      }
      return seen
    }
    await eventually(`${name}: the ledger has them, and the ends of five`, async () => {
      const open = await tasks.list({ user: 'pager', status: 'open' })
      return open.tasks.length === 3 && (await pages(100)).length === 8
    })
    const whole = await pages(100)
    assert.deepEqual(whole.slice(0, 3), ['page-7', 'page-6', 'page-5'])
    assert.deepEqual(whole.toSorted(), [...ids, 'page-5', 'page-6', 'page-7'])
    for (const limit of [1, 2, 3, 5]) assert.deepEqual(await pages(limit), whole, `pages of ${limit}`)
  }
})

test('one task, as it runs and afterwards', async () => {
  for (const [name, { tasks }] of operators) {
    const taskId = `one-${name}`
    await http.submit({ text: 'pay the bill', taskId })
    // Known at once, before the ledger has it.
    assert.equal((await tasks.get(taskId)).text, 'pay the bill')
    await eventually('it waits for a person', async () => (await tasks.get(taskId)).phase === 'approval')
    const { events, eventsWhole } = await tasks.get(taskId)
    assert.ok(eventsWhole)
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['admitted', 'model_called', 'tool_requested', 'approval_requested'],
    )
    await http.cancel(taskId)
    await http.result(taskId, { timeoutMs: 120_000 })
    await eventually('it has ended', async () => (await tasks.get(taskId)).status === 'cancelled')
    await assert.rejects(tasks.get('nosuch'), { code: 'TASK_UNKNOWN', message: /no task nosuch/ })
    await assert.rejects(tasks.get('no/such'), { code: 'TASK_UNKNOWN' })
  }
})

test('every route below an unknown task is 404, and one that was submitted a moment ago is known', async () => {
  const { url } = fleet.process
  for (const path of ['', '/result', '/result?wait=5', '/updates']) {
    const answer = await fetch(`${url}/v1/tasks/nosuch${path}`)
    assert.equal(answer.status, 404, path)
    assert.equal(((await answer.json()) as { error: { code: string } }).error.code, 'TASK_UNKNOWN')
  }
  const decisions = {
    cancel: {},
    feedback: { satisfaction: 1 },
    quality: { quality: 1 },
    'approvals/c': { approved: true },
  }
  for (const [path, body] of Object.entries(decisions))
    assert.equal((await post(`/v1/tasks/nosuch/${path}`, body)).status, 404, path)
  // Submitted on the log, so that the gateway has not seen it.
  for (let n = 0; n < 5; n++) {
    const { taskId } = await fleet.client.submit({ text: `task=just-${n} latency=60000` })
    assert.equal((await post(`/v1/tasks/${taskId}/cancel`, {})).status, 202)
  }
  await assert.rejects(http.result('nosuch'), { code: 'TASK_UNKNOWN' })
  assert.equal(await http.find('nosuch'), null)
})

test('an id that comes again: 200 with the same text, 409 with another, as it runs and afterwards', async () => {
  const first = { text: 'task=again latency=1500', taskId: 'again' }
  const submit = async (change: object) => (await post('/v1/tasks', { ...first, ...change })).status
  assert.equal(await submit({}), 202)
  assert.deepEqual([await submit({}), await submit({ text: 'other' })], [200, 409])
  assert.equal((await http.result('again', { timeoutMs: 120_000 })).output, 'done again')
  assert.deepEqual([await submit({}), await submit({ text: 'other' })], [200, 409])
  const answer = (await (await post('/v1/tasks?wait=5', { ...first, text: 'other' })).json()) as object
  assert.match(JSON.stringify(answer), /"TASK_ID_REUSED".*again was submitted before/)
  await assert.rejects(http.submit({ ...first, text: 'other' }), { code: 'TASK_ID_REUSED' })
})

test('filters that are wrong are refused with what they may be', async () => {
  for (const [query, message] of [
    ['status=finished', /status must be one of queued, .*open/],
    ['state=open', /no filter state; there are: status/],
    ['limit=0', /limit must be a whole number/],
    ['since=soon', /since must be a day/],
    ['since=0.5', /since must be a day/],
    ['after=x', /after must be the/],
    ['user=a&user=b', /user is given more than once/],
  ] as const) {
    const answer = await fetch(`${fleet.process.url}/v1/tasks?${query}`)
    assert.equal(answer.status, 400, query)
    assert.match(JSON.stringify(await answer.json()), message)
  }
  assert.equal((await fetch(`${fleet.process.url}/v1/tasks?since=2h&limit=1`)).status, 200)
})

test('agents, tools, models, settings and lanes', async () => {
  for (const [name, { configuration, lanes }] of operators) {
    const agents = await configuration.agents()
    assert.deepEqual(
      agents.map((agent) => [agent.name, agent.isDefault, agent.tools]),
      [
        ['default', true, ['echo', 'pay']],
        ['other', false, ['echo']],
      ],
    )
    const tools = await configuration.tools()
    assert.deepEqual(tools.find((tool) => tool.name === 'pay')?.agents, ['default'])
    assert.equal(tools.find((tool) => tool.name === 'pay')?.requiresApproval, true)
    const gpt4 = (await configuration.models()).find(({ model }) => model === 'gpt-4o')
    assert.match(gpt4?.missing ?? '', /OPENAI_API_KEY/)
    const settings = await configuration.config()
    const source = (setting: string) => settings.find((each) => each.name === setting)?.source
    assert.deepEqual(
      [source('agents.other.mode'), source('limits.concurrency'), source('LOG_LEVEL')].slice(0, 2),
      ['file', 'default'],
    )
    const all = await lanes.list()
    assert.equal(all.length, 7 * fleet.process.log.partitions, name)
    assert.ok(all.every(({ owner }) => owner?.startsWith(String(process.pid))))
    const behind = async (stage: string) =>
      (await lanes.list()).reduce((sum, lane) => sum + (lane.stage === stage ? lane.lag : 0), 0)
    await eventually(`${name}: router is up to date`, async () => (await behind('router')) === 0)
    assert.ok((await behind('planner')) > 0, 'tasks under way are unfinished')
  }
})
