// The HTTP API of a running fleet: every route, and every mistake as {error: {code, message, remedy}}.
// Long because one fleet serves every route.
import assert from 'node:assert/strict'
import { request, type IncomingMessage } from 'node:http'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import type { CancelAnswer } from '../../operator/index.ts'
import type { TaskResult, TaskUpdate } from '../../client/types.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { errorTable, type ErrorCode } from '../../runtime/errors.ts'
import { assertDescribed } from '../support/described.ts'
import { eventually } from '../conformance/waiting.ts'
import { echo, startTestFleet, type TestFleet } from '../support/fleet.ts'
import { holdAnswers } from '../support/held-answers.ts'

let fleet: TestFleet
const answers = holdAnswers()
let paid = 0
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({}),
  requiresApproval: true,
  run: () => ({ paid: (paid += 1) }),
})

before(async () => {
  const turns = [{ toolCalls: [{ name: 'pay', arguments: {} }] }, { text: 'done' }]
  const conversations = [{ title: 'pay', task: 'pay the bill', mode: 'tools' as const, turns }]
  const limits = { rates: { userRequests: 1 }, budgets: { users: { spent: 100 } } }
  const definition = { tools: [echo, pay], agents: { default: { mode: 'tools' as const } }, limits }
  fleet = await startTestFleet({ http: true, definition, model: { conversations, until: answers.until } })
})
after(() => fleet.stop())

interface Answer {
  status: number
  body: unknown
  headers: Headers
}

/** Every answer is one that the API's description has. */
async function ask(
  method: string,
  path: string,
  body?: unknown,
  type = 'application/json',
  more: Record<string, string> = {},
): Promise<Answer> {
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
  const headers = method === 'GET' ? more : { 'content-type': type, ...more }
  const response = await fetch(`${fleet.process.url}${path}`, { method, headers, ...sent })
  const text = await response.text()
  const { status } = response
  const answer = { status, body: text === '' ? null : JSON.parse(text), headers: response.headers }
  assertDescribed(method, path, answer)
  return answer
}

const submit = async (task: Record<string, unknown>) =>
  ((await ask('POST', '/v1/tasks', task)).body as { taskId: string }).taskId
const resultOf = async (taskId: string) =>
  (await ask('GET', `/v1/tasks/${taskId}/result?wait=20`)).body as TaskResult

/** Of statuses that have no code of their own. */
const remedies: Readonly<Record<number, string>> = {
  413: 'Send less; put large inputs where a tool can fetch them.',
  415: 'Send the header content-type: application/json, and a JSON body.',
}

function assertError({ status, body }: Answer, expected: number, code: ErrorCode, message: RegExp): void {
  const { error } = body as { error: { code: string; message: string; remedy: string } }
  assert.deepEqual([status, error.code], [expected, code])
  assert.match(error.message, message)
  assert.equal(error.remedy, remedies[status] ?? errorTable[code].remedy)
}

/** Lines of a stream until it ends, or until `enough`. */
async function lines<T>(path: string, enough: (seen: readonly T[]) => boolean = () => false): Promise<T[]> {
  const stop = new AbortController()
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${fleet.process.url}${path}`, { headers, signal: stop.signal })
  assert.equal(response.headers.get('content-type'), 'application/x-ndjson')
  const seen: T[] = []
  let rest = ''
  for await (const chunk of response.body ?? []) {
    const parts = (rest + Buffer.from(chunk).toString()).split('\n')
    rest = parts.pop() ?? ''
    seen.push(...parts.filter((line) => line !== '').map((line) => JSON.parse(line) as T))
    if (seen.length > 0 && enough(seen)) break
  }
  stop.abort()
  return seen
}

test('submit: 202, the id and where the result will be; the result waits for it', async () => {
  const { status, body, headers } = await ask('POST', '/v1/tasks', { text: 'task=one', taskId: 'one' })
  assert.deepEqual([status, body], [202, { taskId: 'one' }])
  assert.equal(headers.get('location'), '/v1/tasks/one/result')
  const result = await resultOf('one')
  assert.deepEqual([result.status, result.output], ['succeeded', 'done one'])
  assert.deepEqual((await ask('GET', '/v1/tasks/one/result')).body, result, 'asked again: the same')
})

test('no result yet: 204, also after waiting; the shortest wait harms nobody', async () => {
  await submit({ text: 'task=slow latency=60000', taskId: 'slow' })
  for (const wait of ['', '?wait=0.2', '?wait=0.001', '?wait=-1'])
    assert.equal((await ask('GET', `/v1/tasks/slow/result${wait}`)).status, 204)
  assert.equal((await ask('GET', '/health')).status, 200)
  for (const wait of ['?wait=x', '?wait=1&wait=2'])
    assertError(
      await ask('GET', `/v1/tasks/slow/result${wait}`),
      400,
      'REQUEST_INVALID',
      /wait must be a number/,
    )
})

test('submit and wait: 200 with the result; 202 where it takes longer', async () => {
  const done = await ask('POST', '/v1/tasks?wait=20', { text: 'task=waited', taskId: 'waited' })
  assert.equal(done.status, 200)
  assert.equal((done.body as TaskResult).output, 'done waited')
  answers.hold('later')
  const later = await ask('POST', '/v1/tasks?wait=0.05', { text: 'task=later', taskId: 'later' })
  assert.deepEqual([later.status, later.body], [202, { taskId: 'later' }])
  assert.equal(later.headers.get('location'), '/v1/tasks/later/result')
  answers.release('later')
  assert.equal((await resultOf('later')).status, 'succeeded')
})

// User, what refuses the second task, and the most seconds until there is room.
const refusals: [string, ErrorCode, number][] = [
  ['hasty', 'RATE_LIMITED', 60],
  ['spent', 'BUDGET_EXCEEDED', 86_400],
]
for (const [userId, code, mostSeconds] of refusals)
  test(`submit and wait: 429 with Retry-After where a limit refuses it, ${code}`, async () => {
    if (code === 'RATE_LIMITED') await ask('POST', '/v1/tasks?wait=20', { text: 'task=first', userId })
    const taskId = `refused-${userId}`
    const { status, body, headers } = await ask('POST', '/v1/tasks?wait=20', { text: 'x', userId, taskId })
    assert.equal(status, 429)
    const { error, ...result } = body as TaskResult
    assert.deepEqual([result.taskId, result.status, error?.code], [taskId, 'rejected', code])
    const waitMs = error?.retryAfterMs ?? 0
    assert.ok(waitMs > 0 && waitMs <= mostSeconds * 1_000, String(waitMs))
    assert.equal(headers.get('retry-after'), String(Math.ceil(waitMs / 1_000)))
    const fetched = await ask('GET', `/v1/tasks/${taskId}/result`)
    assert.deepEqual([fetched.status, fetched.body], [200, body], 'who fetches it gets a result as any other')
  })

test('updates: what happens to a task, ending with its result', async () => {
  const watching = lines<TaskUpdate>('/v1/tasks/seen/updates?early=true')
  await submit({ text: 'task=seen latency=200', taskId: 'seen' })
  const updates = await watching
  const kinds = updates.flatMap((update) => (update.kind === 'progress' ? [update.event.kind] : []))
  assert.ok(kinds.includes('step_completed'), kinds.join())
  assert.equal(updates.at(-1)?.kind, 'result')
  assert.deepEqual(
    (await lines<TaskUpdate>('/v1/tasks/seen/updates')).map(({ kind }) => kind),
    ['result'],
    'later: the result alone',
  )
})

test('results: those of everybody from now on; from the earliest with a group', async () => {
  let streamed: TaskResult[] | null = null
  void lines<TaskResult>('/v1/results', () => true).then((results) => (streamed = results))
  const [first] = await eventually('a result was streamed', async () => {
    await resultOf(await submit({ text: 'task=now' }))
    return streamed as TaskResult[] | null
  })
  assert.equal(first?.output, 'done now')
  const all = await lines<TaskResult>('/v1/results?group=g1&from=earliest', (results) =>
    results.some(({ taskId }) => taskId === 'one'),
  )
  assert.ok(all.length > 0)
})

test('cancel: the result says so and why', async () => {
  const taskId = await submit({ text: 'task=c fault=hang' })
  assert.equal((await ask('POST', `/v1/tasks/${taskId}/cancel`, { reason: 'too slow' })).status, 202)
  const { status, error } = await resultOf(taskId)
  assert.equal(status, 'cancelled')
  assert.match(error?.message ?? '', /too slow/)
})

for (const approved of [true, false])
  test(`approvals: a call that needs one waits; ${approved ? 'approved it is made' : 'denied it is not'}`, async () => {
    const before = paid
    const taskId = await submit({ text: 'pay the bill', taskId: `approval-${approved}` })
    const isAsked = (update: TaskUpdate) =>
      update.kind === 'progress' && update.event.kind === 'approval_requested'
    let callId = ''
    for await (const update of fleet.client.watch(taskId)) {
      if (isAsked(update) && update.kind === 'progress')
        callId = (update.event.detail as { callId: string }).callId
      if (callId !== '' || update.kind === 'result') break
    }
    assert.notEqual(callId, '')
    assert.equal(paid, before, 'nothing is paid before a person said so')
    const decision = { approved, reason: 'said in the test', decidedBy: 'me' }
    const path = `/v1/tasks/${taskId}/approvals/${callId}`
    const unknown = () => ask('POST', `/v1/tasks/${taskId}/approvals/nosuch`, decision)
    assertError(await unknown(), 404, 'CALL_UNKNOWN', /no call nosuch of task .* is known to wait/)
    assert.equal((await ask('POST', path, decision)).status, 202)
    const result = await resultOf(taskId)
    const late = await ask('POST', path, { approved: !approved, decidedBy: 'me' })
    assertError(late, 409, 'CALL_NOT_WAITING', approved ? /no longer waits: approved/ : /waits: declined/)
    assertError(await unknown(), 404, 'CALL_UNKNOWN', /has ended \(succeeded\)/)
    assert.equal(result.status, 'succeeded')
    const call = result.steps[0]?.toolCalls[0]
    assert.equal(call?.status, approved ? 'succeeded' : 'refused')
    assert.equal(paid, approved ? before + 1 : before)
    if (!approved) assert.match(call?.error?.message ?? '', /said in the test/)
  })

test('feedback is taken, or refused with what it must be', async () => {
  assert.equal(
    (await ask('POST', '/v1/tasks/one/feedback', { satisfaction: 0.5, comment: 'fine' })).status,
    202,
  )
  for (const satisfaction of [2, 'good', undefined, null, '', [], true])
    assertError(
      await ask('POST', '/v1/tasks/one/feedback', { satisfaction }),
      400,
      'REQUEST_INVALID',
      /number from 0 to 1/,
    )
  for (const quality of [null, '', []])
    assertError(
      await ask('POST', '/v1/tasks/one/quality', { quality }),
      400,
      'REQUEST_INVALID',
      /number from/,
    )
  assertError(
    await ask('POST', '/v1/tasks/one/feedback', { satisfaction: 1, comment: 5 }),
    400,
    'REQUEST_INVALID',
    /comment must be a text, not 5/,
  )
})

test('topics and dead letters', async () => {
  const topics = (await ask('GET', '/v1/topics')).body as { name: string; records: number }[]
  assert.ok((topics.find(({ name }) => name === 'tasks.completed')?.records ?? 0) > 0)
  for (const limit of ['5', '-5', '1.5'])
    assert.deepEqual((await ask('GET', `/v1/dead-letters?limit=${limit}`)).body, [])
  for (const limit of ['x', '1&limit=2'])
    assertError(
      await ask('GET', `/v1/dead-letters?limit=${limit}`),
      400,
      'REQUEST_INVALID',
      /limit must be a number/,
    )
  assertError(await ask('GET', '/v1/dead-letters/0:99'), 404, 'NOT_FOUND', /no dead letter 0:99/)
  for (const id of ['99:0', '0:99999999999999999999', '-1:0'])
    assertError(await ask('GET', `/v1/dead-letters/${id}`), 404, 'NOT_FOUND', /no dead letter/)
  assertError(await ask('POST', '/v1/dead-letters/what/replay'), 404, 'NOT_FOUND', /no dead letter what/)
})

test('a submission that can’t be one: 400 with every mistake, and nothing is submitted', async () => {
  const refused = async (body: unknown, message: RegExp) =>
    assertError(await ask('POST', '/v1/tasks', body), 400, 'TASK_INVALID', message)
  await refused({}, /a task needs a text/)
  for (const body of [[1], '{"text": "x"', 'null,', '\u0000']) {
    const answer = await ask('POST', '/v1/tasks', body)
    assertError(answer, 400, 'REQUEST_INVALID', /JSON/)
    // Nothing was submitted: the same id will do.
    assert.doesNotMatch(JSON.stringify(answer.body), /task id/)
  }
  await refused(
    { text: 'x', maxSteps: 'ten', prioritiy: 1, taskId: 'a b' },
    /maxSteps is "ten", it must be a whole number; unknown field prioritiy; a task may have: text, .*; taskId may hold/,
  )
  await refused('{"text": "x", "__proto__": {"mode": "code"}}', /unknown field __proto__/)
  await refused({ text: 7 }, /text is 7, it must be a text/)
  await refused({ text: 'x', timeoutMs: 1e12 }, /timeoutMs is 1000000000000/)
  await refused({ text: 'x', mode: 'magic' }, /mode is "magic", it must be code or tools/)
  await refused({ text: 'x', outputSchema: 'string' }, /outputSchema is "string", it must be an object/)
})

test('Idempotency-Key is the id of the task; another text under it is refused', async () => {
  const send = (key: string, body: object) =>
    ask('POST', '/v1/tasks', body, 'application/json', { 'idempotency-key': key })
  const first = await send('key-1', { text: 'task=key' })
  assert.deepEqual([first.status, first.body], [202, { taskId: 'key-1' }])
  assert.equal((await resultOf('key-1')).output, 'done key')
  const again = await send('"key-1"', { text: 'task=key', taskId: 'key-1' })
  assert.deepEqual([again.status, again.body], [200, { taskId: 'key-1' }])
  assertError(await send('key-1', { text: 'task=other' }), 409, 'TASK_ID_REUSED', /another text/)
  assertError(
    await send('key 2', { text: 'x' }),
    400,
    'REQUEST_INVALID',
    /becomes the id of the task.*"key 2"/,
  )
  assertError(await send('key-3', { text: 'x', taskId: 'id' }), 400, 'REQUEST_INVALID', /differ/)
})

test('what a route does not know is refused, in a query and in a body', async () => {
  const refused = async (method: string, path: string, body: object | undefined, message: RegExp) =>
    assertError(await ask(method, path, body), 400, 'REQUEST_INVALID', message)
  await refused('GET', '/v1/tasks?agnet=x', undefined, /no filter agnet; there are: status, agent/)
  await refused('GET', '/v1/tasks?status=done', undefined, /status must be one of queued, .*, not "done"/)
  await refused('GET', '/v1/tasks?limit=0', undefined, /limit must be a whole number from 1 to 1000/)
  await refused(
    'GET',
    '/v1/tasks?since=soon&waiting=1',
    undefined,
    /waiting must be true or false, not "1"; since must be a day/,
  )
  await refused('GET', '/v1/topics?x=1', undefined, /no parameter x; this takes no parameter/)
  await refused('POST', '/v1/tasks/one/cancel', { raeson: 'x' }, /no field raeson; there are: reason/)
  await refused('POST', '/v1/dead-letters/purge', { limit: 0 }, /limit must be a whole number above 0, not 0/)
})

test('tasks are cancelled by a filter; a dry run cancels nothing', async () => {
  const ids = ['many-1', 'many-2', 'many-3']
  for (const taskId of ids) await submit({ text: 'task=m fault=hang', taskId, sessionId: 'many' })
  const cancel = async (body: object) => (await ask('POST', '/v1/tasks/cancel', body)).body as CancelAnswer
  await eventually('the ledger has them', async () => {
    const { matched } = await cancel({ session: 'many', dryRun: true })
    return matched.length === 3
  })
  const some = await cancel({ session: 'many', dryRun: true, limit: 2 })
  assert.deepEqual([some.matched.length, some.more], [2, true])
  const unclear = { session: 'many', reason: 'x\u0084', dryRun: true }
  assertError(await ask('POST', '/v1/tasks/cancel', unclear), 400, 'REQUEST_INVALID', /control character/)
  assertError(await ask('POST', '/v1/tasks/cancel', {}), 400, 'REQUEST_INVALID', /say which tasks/)
  assertError(
    await ask('POST', '/v1/tasks/cancel', { status: 'failed' }),
    400,
    'REQUEST_INVALID',
    /status must be one of open, queued/,
  )
  const found = await cancel({ session: 'many', reason: 'enough' })
  assert.deepEqual([found.matched.toSorted(), found.more], [ids, false])
  for (const taskId of ids) {
    const { status, error } = await resultOf(taskId)
    assert.equal(status, 'cancelled')
    assert.match(error?.message ?? '', /enough/)
  }
})

test('the API describes itself: as OpenAPI, and as a page that runs nothing', async () => {
  const { status, body } = await ask('GET', '/openapi.json')
  assert.deepEqual([status, (body as { openapi: string }).openapi], [200, '3.1.0'])
  const page = await fetch(`${fleet.process.url}/docs`)
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  assert.match(await page.text(), /<code>\/v1\/tasks\/{id}\/result<\/code>/)
})

test('what the router refuses is a result: rejected, with the remedy', async () => {
  const taskId = await submit({ text: 'hello', profile: 'nope' })
  const { status, error } = await resultOf(taskId)
  assert.deepEqual([status, error?.code], ['rejected', 'PROFILE_UNKNOWN'])
})

test('mistakes of HTTP itself', async () => {
  assertError(
    await ask('GET', '/v1/nope'),
    404,
    'NOT_FOUND',
    /^no route GET \/v1\/nope; GET \/docs describes every route$/,
  )
  assertError(
    await ask('POST', '/v1/tasks', 'text=x', 'application/x-www-form-urlencoded'),
    415,
    'REQUEST_INVALID',
    /content-type: application\/json/,
  )
  assertError(
    await ask('POST', '/v1/tasks', { text: 'x'.repeat(1_100_000) }),
    413,
    'REQUEST_INVALID',
    /longer than 1,000,000 bytes/,
  )
  assertError(
    await ask('POST', '/v1/tasks/one/approvals/c', { approved: 'yes' }),
    400,
    'REQUEST_INVALID',
    /true or false/,
  )
})

test('what a web page of another site could send is refused, on every route', async () => {
  const url = fleet.process.url as string
  const json = { 'content-type': 'application/json' }
  const send = async (path: string, headers: Record<string, string>, method = 'GET'): Promise<Answer> => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    request(url + path, { method, headers }, resolve)
      .on('error', reject)
      .end()
    const response = await promise
    const text = Buffer.concat(await response.toArray()).toString()
    return { status: response.statusCode ?? 0, body: JSON.parse(text), headers: new Headers() }
  }
  const rebound = { host: `evil.example:${new URL(url).port}` }
  for (const path of ['/health', '/ready', '/metrics', '/v1/results', '/v1/nothing'])
    assertError(await send(path, rebound), 421, 'HOST_REFUSED', /not known as "evil.example"/)
  assertError(await send('/v1/tasks', { ...rebound, ...json }, 'POST'), 421, 'HOST_REFUSED', /evil/)
  const cross = { 'sec-fetch-site': 'cross-site' }
  assertError(await send('/v1/results', cross), 403, 'ORIGIN_REFUSED', /another site/)
  const other = { origin: 'http://evil.example', ...json }
  assertError(await send('/v1/tasks/one/cancel', other, 'POST'), 403, 'ORIGIN_REFUSED', /evil/)
  const effects = [
    '/v1/tasks/one/cancel',
    '/v1/limits/rebuild',
    '/v1/alerts/x/test',
    '/v1/dead-letters/0:0/replay',
  ]
  for (const path of effects)
    for (const type of [{}, { 'content-type': 'text/plain' }])
      assertError(await send(path, type, 'POST'), 415, 'REQUEST_INVALID', /content-type: application.json/)
  assertError(
    await send('/v1/results?group=g2', {}),
    415,
    'REQUEST_INVALID',
    /content-type: application.json/,
  )
})

test("a readers' group has a plain name; from is earliest or latest", async () => {
  const refused = async (query: string, message: RegExp) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${fleet.process.url}/v1/results?${query}`, { headers })
    const answer = { status: response.status, body: await response.json(), headers: response.headers }
    assertError(answer, 400, 'REQUEST_INVALID', message)
  }
  for (const group of ['', '..', 'a/b', 'x'.repeat(5_000)])
    await refused(`group=${group}`, /may be named with/)
  await refused('from=newest', /earliest or latest/)
})

test('an id of 128 characters is reached by every route', async () => {
  const taskId = 'i'.repeat(128)
  await submit({ text: 'task=long', taskId })
  assert.equal((await resultOf(taskId)).output, 'done long')
  assert.equal((await ask('POST', `/v1/tasks/${taskId}/cancel`)).status, 202, 'and needs no body')
})

test('health, readiness and metrics', async () => {
  assert.deepEqual((await ask('GET', '/health')).body, {
    status: 'ok',
    service: 'test',
    unhandledRejections: 0,
  })
  const { status, body } = await ask('GET', '/ready')
  assert.equal(status, 200)
  assert.ok((body as { parts: { problem: unknown }[] }).parts.every(({ problem }) => problem === null))
  const metrics = await (await fetch(`${fleet.process.url}/metrics`)).text()
  assert.match(metrics, /^# TYPE flotilla_/m)
})
