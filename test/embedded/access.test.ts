// A fleet whose HTTP API is closed: what each key may do, whose tasks it sees, and when it stops working.
// Long because one fleet serves every key.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { routeScopes } from '../../api/route-scopes.ts'
import { roles } from '../../api/scopes.ts'
import { createdKey, keyView, type CreatedKey, type KeyView, type NewKey } from '../../api/keys.ts'
import { HttpClient } from '../../client/http/client.ts'
import type { TaskResult, TaskUpdate } from '../../client/types.ts'
import { httpOperator } from '../../operator/http.ts'
import type { TaskView } from '../../operator/index.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { eventually } from '../conformance/waiting.ts'
import { echo, startTestFleet, type TestFleet } from '../support/fleet.ts'

const ADMIN = 'an admin key of this test'.replaceAll(' ', '-').padEnd(40, 'x')
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: { type: 'object', properties: {} },
  requiresApproval: true,
  run: () => 'paid',
})

let fleet: TestFleet
let ann: CreatedKey
let bob: CreatedKey
let boss: CreatedKey

before(async () => {
  const turns = [{ toolCalls: [{ name: 'pay', arguments: {} }] }, { text: 'done' }]
  const conversations = [{ title: 'pay', task: 'pay the bill', mode: 'tools' as const, turns }]
  fleet = await startTestFleet({
    http: true,
    env: { FLOTILLA_ADMIN_KEY: ADMIN },
    definition: {
      tools: [echo, pay],
      agents: { default: { mode: 'tools' }, other: { mode: 'tools' } },
    },
    model: { conversations },
  })
  ann = await create({ name: 'ann-laptop', userId: 'ann', scopes: [...roles.user] })
  bob = await create({ name: 'bob-laptop', userId: 'bob', scopes: [...roles.user] })
  boss = await create({ name: 'boss-laptop', userId: 'boss', scopes: [...roles.operator, 'tasks:submit'] })
})
after(() => fleet.stop())

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers: Headers
}

async function ask(key: string | null, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${fleet.process.url}${path}`, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = text !== '' && response.headers.get('content-type')?.includes('json')
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
}

const errorOf = ({ body }: Answer) =>
  (body as { error: { code: string; message: string; remedy: string } }).error
const create = async (key: NewKey, by = ADMIN) => (await ask(by, 'POST', '/v1/keys', key)).body as CreatedKey
const resultOf = async (key: string, taskId: string) =>
  (await ask(key, 'GET', `/v1/tasks/${taskId}/result?wait=20`)).body as TaskResult
const submit = async ({ key }: CreatedKey, task: object) =>
  ((await ask(key, 'POST', '/v1/tasks', task)).body as { taskId: string }).taskId

test('without a key only the probes answer; everything else says what is missing', async () => {
  for (const path of ['/health', '/ready']) assert.equal((await ask(null, 'GET', path)).status, 200)
  for (const line of Object.entries(routeScopes).flatMap(([route, scope]) =>
    scope === 'open' ? [] : [route],
  )) {
    const [method = '', path = ''] = line.split(' ')
    const answer = await ask(null, method, path.replaceAll(/:\w+/g, 'x'))
    assert.equal(answer.status, 401, line)
    // MCP has its own form of an error, with ours in its data.
    const { code, data } = errorOf(answer) as { code: unknown; data?: { code: unknown } }
    assert.match(String(data?.code ?? code), /^unauthenticated$/i, line)
    assert.match(JSON.stringify(answer.body), /FLOTILLA_API_KEY/)
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="flotilla"')
  }
  assert.equal((await ask(null, 'HEAD', '/v1/tasks')).status, 401)
  assert.equal((await ask(null, 'GET', '/v1/nothing')).status, 404)
})

test('each scope opens its routes, and no other', async () => {
  const probes: [string, string, object?][] = [
    ['GET', '/v1/tasks'],
    ['GET', '/v1/usage'],
    ['GET', '/metrics'],
    ['GET', '/v1/topics'],
    ['GET', '/v1/fleet/config'],
    ['POST', '/v1/limits/rebuild', {}],
    ['GET', '/v1/keys'],
  ]
  const expected: Record<string, number[]> = {
    user: [200, 403, 403, 403, 403, 403, 403],
    service: [200, 200, 403, 403, 403, 403, 403],
    monitor: [403, 403, 200, 200, 200, 403, 403],
    operator: [200, 200, 200, 200, 200, 200, 403],
    admin: [200, 200, 200, 200, 200, 200, 200],
  }
  for (const [role, statuses] of Object.entries(expected)) {
    const { key } = await create({ name: role, userId: 'x', scopes: [...roles[role as keyof typeof roles]] })
    const answers = await Promise.all(probes.map(([method, path, body]) => ask(key, method, path, body)))
    assert.deepEqual(
      answers.map(({ status }) => status),
      statuses,
      role,
    )
    const refused = answers.find(({ status }) => status === 403)
    if (refused) assert.match(errorOf(refused).message, /needs the scope \w+:[\w:]+; .* has /)
    if (refused) assert.match(refused.headers.get('www-authenticate') ?? '', /insufficient_scope", scope="/)
  }
})

test('a key submits in its user’s name, whatever the body says', async () => {
  const taskId = await submit(ann, { text: 'task=mine', userId: 'bob' })
  assert.equal((await resultOf(ann.key, taskId)).userId, 'ann')
  const forOthers = await create({ name: 'backend', scopes: [...roles.service] })
  const other = await submit(forOthers, { text: 'task=theirs', userId: 'carol' })
  assert.equal(
    (await resultOf(forOthers.key, other)).userId,
    'carol',
    'a key without a user acts for every user',
  )
  const carol = await create({ name: 'carol', userId: 'carol', scopes: [...roles.user] })
  assert.equal((await ask(carol.key, 'GET', `/v1/tasks/${other}`)).status, 200, 'and the task is that user’s')
  assert.equal((await ask(ann.key, 'GET', `/v1/tasks/${other}`)).status, 404)
})

test('a cancel without a filter is refused for a key that has only its own tasks, too', async () => {
  const taskId = await submit(ann, { text: 'task=stays latency=60000' })
  for (const body of [{}, { dryRun: true, limit: 5, reason: 'all of them' }]) {
    const answer = await ask(ann.key, 'POST', '/v1/tasks/cancel', body)
    assert.deepEqual([answer.status, errorOf(answer).code], [400, 'REQUEST_INVALID'])
    assert.match(errorOf(answer).message, /say which tasks to cancel/)
  }
  const others = await ask(ann.key, 'POST', '/v1/tasks/cancel', { user: 'bob' })
  assert.deepEqual([others.status, errorOf(others).code], [403, 'FORBIDDEN'])
  await eventually('it is among the open tasks', async () => {
    const { body } = await ask(ann.key, 'POST', '/v1/tasks/cancel', { status: 'open', dryRun: true })
    return (body as { matched: string[] }).matched.includes(taskId)
  })
  assert.equal((await ask(ann.key, 'POST', '/v1/tasks/cancel', { status: 'open' })).status, 202)
  assert.equal((await resultOf(ann.key, taskId)).status, 'cancelled')
})

test('the task of another user does not exist: read, followed, cancelled, rated, listed', async () => {
  const taskId = await submit(bob, { text: 'task=secret latency=60000', taskId: 'bobs' })
  const unknown = (id: string) => ({ code: 'TASK_UNKNOWN', message: `there is no task ${id}` })
  const tries: [string, string, object?][] = [
    ['GET', ''],
    ['GET', '/result'],
    ['GET', '/result?wait=0.1'],
    ['GET', '/updates'],
    ['GET', '/updates?early=true'],
    ['POST', '/cancel', {}],
    ['POST', '/feedback', { satisfaction: 1 }],
    ['POST', '/quality', { quality: 1 }],
    ['POST', '/fork', {}],
    ['GET', '/replay'],
    ['GET', '/recording'],
    ['GET', '/compare/bobs'],
  ]
  for (const [method, path, body] of tries)
    for (const id of [taskId, 'never-submitted']) {
      const answer = await ask(ann.key, method, `/v1/tasks/${id}${path}`, body)
      const { code, message } = errorOf(answer)
      assert.deepEqual([answer.status, { code, message }], [404, unknown(id)], `${method} ${path}`)
    }
  const { taskId: own } = await resultOf(ann.key, await submit(ann, { text: 'task=own' }))
  const beside = await ask(ann.key, 'GET', `/v1/tasks/${own}/compare/${taskId}`)
  assert.deepEqual([beside.status, errorOf(beside).code], [404, 'TASK_UNKNOWN'])
  // A submission may not pass as a fork of a task that its user can't read.
  for (const id of [taskId, 'never-submitted']) {
    const forged = { text: 'task=forged', forkedFrom: id, forkedFromStep: 1 }
    const answer = await ask(ann.key, 'POST', '/v1/tasks', forged)
    assert.deepEqual([answer.status, errorOf(answer).code], [404, 'TASK_UNKNOWN'])
  }
  const forked = await ask(ann.key, 'POST', `/v1/tasks/${own}/fork`, { userId: 'bob' })
  assert.equal((await resultOf(ann.key, (forked.body as { taskId: string }).taskId)).userId, 'ann')
  const seen = (await ask(ann.key, 'GET', '/v1/tasks')).body as { tasks: TaskView[] }
  assert.deepEqual(
    [...new Set(seen.tasks.map(({ userId }) => userId))].filter((user) => user !== 'ann'),
    [],
  )
  const named = await ask(ann.key, 'GET', '/v1/tasks?user=bob')
  assert.deepEqual([named.status, errorOf(named).code], [403, 'FORBIDDEN'])
  assert.equal(
    (await ask(bob.key, 'GET', `/v1/tasks/${taskId}/result`)).status,
    204,
    'its owner finds it at once',
  )
  assert.equal((await ask(boss.key, 'GET', `/v1/tasks/${taskId}`)).status, 200, 'tasks:read:all')
  assert.equal((await ask(bob.key, 'POST', `/v1/tasks/${taskId}/cancel`, {})).status, 202)
  assert.equal((await resultOf(bob.key, taskId)).status, 'cancelled')
})

test('an id that another user chose before is taken, and stays that user’s', async () => {
  const first = await submit(bob, { text: 'task=same', taskId: 'order-1' })
  assert.equal((await resultOf(bob.key, first)).status, 'succeeded')
  for (const task of [
    { text: 'task=same', taskId: 'order-1' },
    { text: 'task=other', taskId: 'order-1' },
  ])
    for (const wait of ['', '?wait=20']) {
      const answer = await ask(ann.key, 'POST', `/v1/tasks${wait}`, task)
      assert.equal(JSON.stringify(answer.body).includes('bob'), false)
      assert.deepEqual([answer.status, errorOf(answer).code], [409, 'TASK_ID_REUSED'])
      // Whether it is the other's text, nobody learns.
      assert.match(errorOf(answer).message, /^task order-1 was .* with another text or by another user$/)
    }
  assert.equal((await ask(ann.key, 'GET', '/v1/tasks/order-1/result')).status, 404)
  const again = await ask(bob.key, 'POST', '/v1/tasks', { text: 'task=same', taskId: 'order-1' })
  assert.equal(again.status, 200, 'its own repetition is recognised')
})

test('the stream of results has a user’s own; groups are for those who read all', async () => {
  const client = new HttpClient(fleet.process.url ?? '', { apiKey: ann.key })
  const results = client.results({ from: 'earliest' })[Symbol.asyncIterator]()
  await resultOf(bob.key, await submit(bob, { text: 'task=bobs' }))
  const own = await submit(ann, { text: 'task=anns' })
  for (;;) {
    const { value } = (await results.next()) as { value: TaskResult }
    assert.equal(value.userId, 'ann')
    if (value.taskId === own) break
  }
  await client.close()
  const response = await fetch(`${fleet.process.url}/v1/results?group=g`, {
    headers: { authorization: `Bearer ${ann.key}`, 'content-type': 'application/json' },
  })
  assert.equal(response.status, 403)
  assert.match(await response.text(), /a group of readers needs the scope tasks:read:all/)
})

test('a key with agents submits tasks of these only', async () => {
  const { key } = await create({ name: 'narrow', userId: 'ann', scopes: [...roles.user], agents: ['other'] })
  for (const task of [{ text: 'x' }, { text: 'x', agent: 'default' }, { text: 'x', agent: 'nope' }]) {
    const answer = await ask(key, 'POST', '/v1/tasks', task)
    assert.deepEqual([answer.status, errorOf(answer).code], [403, 'FORBIDDEN'])
    assert.match(errorOf(answer).message, /may not submit tasks of the agent \w+; it may use other/)
  }
  assert.equal((await ask(key, 'POST', '/v1/tasks', { text: 'x', agent: 'other' })).status, 202)
  const { taskId: ofDefault } = await resultOf(ann.key, await submit(ann, { text: 'task=forked' }))
  const forkOf = async (body: object) => (await ask(key, 'POST', `/v1/tasks/${ofDefault}/fork`, body)).status
  assert.deepEqual([await forkOf({}), await forkOf({ agent: 'other' })], [403, 202])
})

test('a decision bears the user of its key, and a setting the name of the key, not what the body says', async () => {
  const taskId = await submit(boss, { text: 'pay the bill' })
  let callId = ''
  for await (const update of fleet.client.watch(taskId)) {
    if (update.kind === 'progress' && update.event.kind === 'approval_requested')
      callId = (update.event.detail as { callId: string }).callId
    if (callId !== '' || update.kind === 'result') break
  }
  const decisions: TaskUpdate[] = []
  const watching = (async () => {
    for await (const update of fleet.client.watch(taskId)) decisions.push(update)
  })()
  const denied = await ask(ann.key, 'POST', `/v1/tasks/${taskId}/approvals/${callId}`, { approved: true })
  assert.equal(denied.status, 403)
  const path = `/v1/tasks/${taskId}/approvals/${callId}`
  assert.equal((await ask(boss.key, 'POST', path, { approved: true, decidedBy: 'the king' })).status, 202)
  await watching
  assert.match(
    JSON.stringify(decisions),
    new RegExp(`"by":"boss","credential":"key boss-laptop .${boss.id}.`),
  )
  assert.doesNotMatch(JSON.stringify(decisions), /the king/)
  const paused = await ask(boss.key, 'POST', '/v1/fleet/pauses', {
    stage: 'metering',
    paused: true,
    by: 'the king',
  })
  assert.equal((paused.body as { by: string }[])[0]?.by, 'boss-laptop')
  await ask(boss.key, 'POST', '/v1/fleet/pauses', { stage: 'metering', paused: false })
})

test('the client and the operator send their key; without it they say how to get one', async () => {
  const url = fleet.process.url ?? ''
  await assert.rejects(new HttpClient(url).submit({ text: 'x' }), { code: 'UNAUTHENTICATED' })
  await assert.rejects(httpOperator(url).topics.list(), { code: 'UNAUTHENTICATED' })
  const follow = async () => {
    for await (const _ of new HttpClient(url).watch('x')) return
  }
  await assert.rejects(follow(), { code: 'UNAUTHENTICATED' })
  const client = new HttpClient(url, { apiKey: ann.key })
  const { taskId } = await client.submit({ text: 'task=client' })
  for await (const update of client.watch(taskId))
    if (update.kind === 'result') assert.equal(update.result.userId, 'ann')
  assert.equal((await client.result(taskId, { timeoutMs: 120_000 })).status, 'succeeded')
  const operator = httpOperator(url, { apiKey: ADMIN })
  assert.ok((await operator.topics.list()).length > 0)
  let exported = ''
  for await (const piece of operator.usage.export({ table: 'calls', format: 'csv' })) exported += piece
  assert.match(exported, /task_id/)
  const made = await operator.keys.create({
    name: 'through the operator',
    userId: 'x',
    scopes: ['tasks:read'],
  })
  assert.equal((await operator.keys.revoke(made.id)).id, made.id)
  const { key: _, ...view } = made
  const listed = (await operator.keys.list()).find(({ id }) => id === made.id) as KeyView
  assert.deepEqual({ ...keyView.parse(listed), revokedAtMs: null }, view)
  assert.notEqual(listed.revokedAtMs, null)
})

test('nobody gives a key more than it has; the answer is not to be stored', async () => {
  const keeper = await create({
    name: 'keeper',
    userId: 'k',
    scopes: ['keys:write', 'tasks:read'],
    agents: ['other'],
  })
  const tryIt = (key: object) => ask(keeper.key, 'POST', '/v1/keys', { name: 'n', userId: 'k', ...key })
  const wider = await tryIt({ scopes: ['tasks:read', 'ops:write'] })
  assert.deepEqual([wider.status, errorOf(wider).code], [403, 'FORBIDDEN'])
  for (const agents of [undefined, ['default'], null])
    assert.equal((await tryIt({ scopes: ['tasks:read'], agents })).status, 403)
  const made = await tryIt({ scopes: ['tasks:read'], agents: ['other'] })
  assert.deepEqual([made.status, made.headers.get('cache-control')], [201, 'no-store'])
  assert.equal(createdKey.parse(made.body).createdBy, 'keeper')
  const wrong = await tryIt({ scopes: ['nonsense'], agents: ['other'] })
  assert.deepEqual([wrong.status, errorOf(wrong).code], [400, 'REQUEST_INVALID'])
  const none = await ask(ADMIN, 'DELETE', '/v1/keys/ffffffffffff')
  assert.deepEqual([none.status, errorOf(none).code], [404, 'NOT_FOUND'])
})

test('a key that sees its own tasks only manages the keys of its own user only', async () => {
  const keeper = await create({ name: 'own', userId: 'ann', scopes: ['keys:write', 'tasks:read'] })
  for (const userId of ['bob', null, undefined]) {
    const key = { name: 'n', userId, scopes: userId === 'bob' ? ['tasks:read'] : ['keys:write'] }
    const answer = await ask(keeper.key, 'POST', '/v1/keys', key)
    assert.deepEqual([answer.status, errorOf(answer).code], [403, 'FORBIDDEN'], String(userId))
  }
  const listed = (await ask(keeper.key, 'GET', '/v1/keys')).body as KeyView[]
  assert.deepEqual(new Set(listed.map(({ userId }) => userId)), new Set(['ann']))
  const [others, none] = await Promise.all(
    [bob.id, 'ffffffffffff'].map((id) => ask(keeper.key, 'DELETE', `/v1/keys/${id}`)),
  )
  assert.deepEqual([others?.status, none?.status], [404, 404])
  assert.equal(
    errorOf(others as Answer).message.replace(bob.id, 'ffffffffffff'),
    errorOf(none as Answer).message,
  )
  assert.equal((await ask(bob.key, 'GET', '/v1/tasks')).status, 200, 'it was not revoked')
  const made = await ask(keeper.key, 'POST', '/v1/keys', { name: 'n', userId: 'ann', scopes: ['tasks:read'] })
  assert.equal(made.status, 201)
  const { id } = createdKey.parse(made.body)
  assert.equal((await ask(keeper.key, 'DELETE', `/v1/keys/${id}`)).status, 200)
})

test(
  'a revoked key is refused, and ends the streams that it has open, within 5 s',
  { timeout: 240_000 },
  async () => {
    const guest = await create({ name: 'guest', userId: 'guest', scopes: [...roles.user] })
    const taskId = await submit(guest, { text: 'task=long latency=60000' })
    const headers = { authorization: `Bearer ${guest.key}` }
    const stream = await fetch(`${fleet.process.url}/v1/tasks/${taskId}/updates`, { headers })
    assert.equal(stream.status, 200)
    const ended = (async () => {
      for await (const _ of stream.body ?? []);
    })().catch(() => undefined)
    const startedMs = performance.now()
    // On the database, as another gateway or the command does it.
    await fleet.process.stores.sql
      .updateTable('api_keys')
      .set({ revoked_at_ms: Date.now() })
      .where('id', '=', guest.id)
      .execute()
    await eventually('it is refused', async () => (await ask(guest.key, 'GET', '/v1/tasks')).status === 401)
    await ended
    // A busy machine adds to it.
    assert.ok(performance.now() - startedMs < 30_000, `${performance.now() - startedMs} ms`)
    await ask(ADMIN, 'POST', `/v1/tasks/${taskId}/cancel`, {})
  },
)

test('wrong keys are refused for a minute after ten of them; right ones are not', async () => {
  assert.equal((await ask(ann.key, 'GET', '/v1/tasks')).status, 200)
  const wrong = (index: number) => `flk_${'0'.repeat(10)}${String(index).padStart(2, '0')}_${'f'.repeat(64)}`
  const answers = []
  for (let index = 0; index < 15; index++) answers.push(await ask(wrong(index), 'GET', '/v1/tasks'))
  const statuses = answers.map(({ status }) => status)
  assert.equal(statuses.at(0), 401)
  assert.equal(answers[0]?.headers.get('www-authenticate'), 'Bearer realm="flotilla", error="invalid_token"')
  assert.equal(statuses.at(-1), 429)
  const last = answers.at(-1) as Answer
  assert.equal(errorOf(last).code, 'TOO_MANY_ATTEMPTS')
  assert.ok(Number(last.headers.get('retry-after')) > 0)
  for (const credentials of ['x', 'a.b.c', `${ADMIN}x`])
    assert.equal((await ask(credentials, 'GET', '/v1/tasks')).status, 429, credentials)
  assert.equal(
    (await ask(ann.key, 'GET', '/v1/tasks')).status,
    200,
    'a key that was right before is no guess',
  )
  const unused = await create({ name: 'unused', userId: 'ann', scopes: ['tasks:read'] })
  assert.equal((await ask(unused.key, 'GET', '/v1/tasks')).status, 200, 'its first use')
  assert.equal((await ask(ADMIN, 'GET', '/v1/topics')).status, 200)
})
