// The OpenAI-compatible routes of a fleet whose HTTP API is closed: real keys, and errors in OpenAI's shape.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { CreatedKey, NewKey } from '../../api/keys.ts'
import { openaiError } from '../../api/openai/fields.ts'
import { openai as routes } from '../../api/routes.ts'
import { roles } from '../../api/scopes.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const ADMIN = 'an admin key of this test'.replaceAll(' ', '-').padEnd(40, 'x')

let fleet: TestFleet
let ann: CreatedKey
let bob: CreatedKey

before(async () => {
  const tools = { mode: 'tools' as const }
  fleet = await startTestFleet({
    http: true,
    env: { FLOTILLA_ADMIN_KEY: ADMIN },
    definition: { agents: { default: tools, other: tools } },
  })
  ann = await create({ name: 'ann-laptop', userId: 'ann', scopes: [...roles.user] })
  bob = await create({ name: 'bob-laptop', userId: 'bob', scopes: [...roles.user] })
})
after(() => fleet.stop())

interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Headers
}

interface Ask {
  readonly key: string | null
  readonly path: string
  /** Default: POST with a body, else GET. */
  readonly method?: string
  readonly body?: unknown
  readonly idempotencyKey?: string
}

async function ask({ key, path, method, body, idempotencyKey }: Ask): Promise<Answer> {
  const response = await fetch(`${fleet.process.url}${path}`, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

const jsonOf = ({ text }: Answer) => JSON.parse(text) as Record<string, unknown>
const create = async (key: NewKey) =>
  jsonOf(await ask({ key: ADMIN, path: '/v1/keys', body: key })) as unknown as CreatedKey
/** Of OpenAI's shape, and of no other. */
const errorOf = (answer: Answer) => openaiError.strict().parse(jsonOf(answer)).error
const chat = (content: string, model = 'flotilla/default') => ({
  model,
  messages: [{ role: 'user', content }],
})

test('errors of access have OpenAI’s shape on every one of its routes', async () => {
  const monitor = await create({ name: 'monitor', userId: 'm', scopes: ['ops:read'] })
  for (const { method, path } of Object.values(routes)) {
    const request = {
      path: path.replaceAll(/:\w+/g, 'x'),
      method,
      ...(method === 'POST' ? { body: {} } : {}),
    }
    const nobody = await ask({ key: null, ...request })
    assert.deepEqual([nobody.status, errorOf(nobody).type], [401, 'authentication_error'], path)
    assert.equal(nobody.headers.get('www-authenticate'), 'Bearer realm="flotilla"')
    const refused = await ask({ key: monitor.key, ...request })
    assert.deepEqual([refused.status, errorOf(refused).type], [403, 'permission_error'], path)
  }
})

test('a key with agents sees and uses these alone', async () => {
  const { key } = await create({ name: 'narrow', userId: 'ann', scopes: [...roles.user], agents: ['other'] })
  const listed = jsonOf(await ask({ key, path: '/v1/models' }))
  assert.deepEqual(
    (listed['data'] as { id: string }[]).map(({ id }) => id),
    ['flotilla/other'],
  )
  for (const path of ['/v1/models/flotilla%2Fother', '/v1/models/flotilla/other', '/v1/models/other'])
    assert.equal((await ask({ key, path })).status, 200, path)
  const hidden = await ask({ key, path: '/v1/models/default' })
  assert.deepEqual([hidden.status, errorOf(hidden).code], [404, 'model_not_found'])
  for (const [path, body] of [
    ['/v1/chat/completions', chat('x')],
    ['/v1/responses', { model: 'default', input: 'x', background: true }],
  ] as const) {
    const refused = await ask({ key, path, body, idempotencyKey: `narrow-${path.length}` })
    assert.deepEqual([refused.status, errorOf(refused).code], [403, 'forbidden'])
    const nothing = await ask({ key: ADMIN, path: `/v1/tasks/narrow-${path.length}` })
    assert.equal(nothing.status, 404, 'nothing was submitted')
  }
  const unknown = await ask({ key, path: '/v1/chat/completions', body: chat('x', 'nope') })
  assert.deepEqual([unknown.status, errorOf(unknown).code], [404, 'model_not_found'])
  assert.equal((await ask({ key, path: '/v1/chat/completions', body: chat('x', 'other') })).status, 200)
})

test('the response of another user does not exist: read, streamed, cancelled, gone on with', async () => {
  const created = await ask({
    key: bob.key,
    path: '/v1/responses',
    body: { model: 'default', input: 'task=b' },
  })
  const id = String(jsonOf(created)['id'])
  const running = await ask({
    key: bob.key,
    path: '/v1/responses',
    body: { model: 'default', input: 'task=b2 latency=60000', background: true },
  })
  for (const each of [id, String(jsonOf(running)['id'])]) {
    const tries: Pick<Ask, 'path' | 'body'>[] = [
      { path: `/v1/responses/${each}` },
      { path: `/v1/responses/${each}?stream=true` },
      { path: `/v1/responses/${each}/cancel`, body: {} },
      { path: '/v1/responses', body: { model: 'default', input: 'and?', previous_response_id: each } },
    ]
    for (const request of tries) {
      const answer = await ask({ key: ann.key, ...request })
      assert.deepEqual([answer.status, errorOf(answer).code], [404, 'not_found'], request.path)
    }
    assert.equal((await ask({ key: bob.key, path: `/v1/responses/${each}` })).status, 200)
  }
  const cancelled = await ask({
    key: bob.key,
    path: `/v1/responses/${String(jsonOf(running)['id'])}/cancel`,
    body: {},
  })
  assert.equal(jsonOf(cancelled)['status'], 'cancelled')
})

/** The id is in the log alone: metering, which fills the ledger, is paused, and no gateway has seen the id. */
test('an idempotency key of another user is taken, also where only the log knows it', async () => {
  const pause = (paused: boolean) =>
    ask({ key: ADMIN, path: '/v1/fleet/pauses', body: { stage: 'metering', paused } })
  assert.equal((await pause(true)).status, 200)
  const text = 'task=secret answer=bobs-secret'
  const requests = [
    ['/v1/chat/completions', chat(text)],
    ['/v1/chat/completions', { ...chat(text), stream: true }],
    ['/v1/responses', { model: 'default', input: text }],
    ['/v1/responses', { model: 'default', input: text, background: true }],
  ] as const
  for (const [index, [path, body]] of requests.entries()) {
    const taskId = `order-${index}`
    await fleet.client.submit({ text, taskId, userId: 'bob', agent: 'default' })
    await fleet.client.result(taskId, { timeoutMs: 120_000 })
    for (let repeat = 0; repeat < 2; repeat++) {
      const answer = await ask({ key: ann.key, path, body, idempotencyKey: taskId })
      assert.deepEqual([answer.status, errorOf(answer).code], [409, 'task_id_reused'], path)
    }
    assert.equal((await ask({ key: bob.key, path, body, idempotencyKey: taskId })).status, 200)
  }
  const own = await ask({
    key: ann.key,
    path: '/v1/chat/completions',
    body: chat('task=own'),
    idempotencyKey: '"anns-own"',
  })
  assert.deepEqual([own.status, own.headers.get('flotilla-task-id')], [200, 'anns-own'])
  assert.equal((await pause(false)).status, 200)
})

/** The last one: it uses up what this address may fail. */
test('too many wrong keys are a 429 with Retry-After', async () => {
  let answer = await ask({ key: 'wrong', path: '/v1/models' })
  for (let failures = 1; answer.status === 401 && failures < 20; failures++)
    answer = await ask({ key: 'wrong', path: '/v1/models' })
  assert.deepEqual([answer.status, errorOf(answer).type], [429, 'rate_limit_error'])
  assert.ok(Number(answer.headers.get('retry-after')) > 0)
})
