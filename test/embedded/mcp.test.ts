// Agents as tools of the MCP server, over HTTP: by the protocol's own client, of both revisions, and by hand.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { after, before, test } from 'node:test'
import { taskStates } from './mcp-states.ts'
import { writeState } from '../../services/gateway/mcp/request-state.ts'
import { eventually } from '../conformance/waiting.ts'
import { startMcpFleet, TASKS, type McpTestFleet } from './mcp-fleet.ts'

let mcp: McpTestFleet
let ann: string
let bob: string
let rpc: McpTestFleet['rpc']
before(async () => {
  mcp = await startMcpFleet()
  rpc = mcp.rpc
  ann = await mcp.key({ name: 'ann', userId: 'ann', scopes: [...taskStates.decider] })
  bob = await mcp.key({ name: 'bob', userId: 'bob', scopes: [...taskStates.decider] })
})
after(() => mcp.fleet.stop())

const textOf = (result: unknown): string => (result as { content: { text: string }[] }).content[0]?.text ?? ''
const taskOf = (result: unknown): string =>
  String((result as { _meta?: Record<string, unknown> })._meta?.['flotilla/taskId'])

for (const legacy of [false, true])
  test(`${legacy ? '2025-11-25' : '2026-07-28'}: agents are listed with their schemas, called, and report progress`, async () => {
    const client = await mcp.connect({ key: ann, legacy })
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map(({ name, title }) => [name, title]),
      [
        ['default', 'default'],
        ['clerk', 'clerk'],
        ['ganz_gro_', 'ganz groß'],
      ],
    )
    const [first, clerk] = tools
    assert.deepEqual(first?.inputSchema['required'], ['text'])
    assert.deepEqual(clerk?.outputSchema?.['required'], ['order'])
    const lines: string[] = []
    const asked = { name: 'default', arguments: { text: 'task=one' } }
    const answer = await client.callTool(asked, { onprogress: ({ message }) => lines.push(message ?? '') })
    assert.equal(textOf(answer), 'done one')
    assert.ok(lines.includes('step 1: calls echo'), lines.join('\n'))
    const result = await mcp.fleet.client.find(taskOf(answer))
    assert.deepEqual([result?.userId, result?.agent, result?.status], ['ann', 'default', 'succeeded'])
    const structured = await client.callTool({ name: 'clerk', arguments: { order: 7 } })
    assert.deepEqual(structured.structuredContent, { order: 7, asked: { order: 7 } })
    await client.close()
  })

test('arguments that do not fit are a result that a model can react to; an unknown tool is an error', async () => {
  const wrong = await rpc(ann, 'tools/call', { name: 'clerk', arguments: { order: 'seven' } })
  assert.deepEqual([wrong.result['isError'], /order/.test(textOf(wrong.result))], [true, true])
  for (const name of ['hidden', 'nope']) {
    const { error } = await rpc(ann, 'tools/call', { name, arguments: { text: 'x' } })
    assert.deepEqual([error.code, error.message], [-32_602, `Unknown tool: ${name}`])
  }
  const refused = await rpc(ann, 'tools/call', { name: 'default', arguments: { text: 'exec (1)' } })
  assert.equal(refused.result['isError'], true)
  assert.match(textOf(refused.result), /^TASK_TEXT_FORBIDDEN: /)
})

test('a client with Tasks polls: our task is its task, with its result, its cancel and its error', async () => {
  const created = await rpc(
    ann,
    'tools/call',
    { name: 'default', arguments: { text: 'task=two' } },
    { capabilities: TASKS },
  )
  const { taskId, resultType, status, createdAt } = created.result as Record<string, string>
  assert.deepEqual([resultType, status, 'content' in created.result], ['task', 'working', false])
  const get = async () => (await rpc(ann, 'tasks/get', { taskId }, { capabilities: TASKS })).result
  await eventually('the task has that state', async () => (await get())['status'] === 'completed')
  const ended = await get()
  assert.deepEqual([textOf(ended['result']), ended['createdAt']], ['done two', createdAt])
  // Acknowledged, without effect.
  assert.equal(
    (await rpc(ann, 'tasks/cancel', { taskId }, { capabilities: TASKS })).result['resultType'],
    'complete',
  )
  assert.equal((await get())['status'], 'completed')
  const without = await rpc(ann, 'tasks/get', { taskId })
  assert.deepEqual([without.status, without.error.code], [400, -32_021])
  for (const other of [{ taskId: 'no-such-task' }, { taskId: '../x' }]) {
    const { error } = await rpc(ann, 'tasks/get', other, { capabilities: TASKS })
    assert.equal(error.code, -32_602)
  }
})

test('a task that waits for a person is cancelled by its client', async () => {
  const created = await rpc(
    ann,
    'tools/call',
    { name: 'default', arguments: { text: 'pay the bill' } },
    { capabilities: TASKS },
  )
  const { taskId } = created.result
  const get = async () => (await rpc(ann, 'tasks/get', { taskId }, { capabilities: TASKS })).result
  await eventually('the task has that state', async () => (await get())['status'] === 'input_required')
  await rpc(ann, 'tasks/cancel', { taskId }, { capabilities: TASKS })
  await eventually('the task has that state', async () => (await get())['status'] === 'cancelled')
})

test('tasks/update decides: an answer that is no decision is refused, a dismissed one leaves the call waiting', async () => {
  const created = await rpc(
    ann,
    'tools/call',
    { name: 'default', arguments: { text: 'pay the rent' } },
    { capabilities: TASKS },
  )
  const { taskId } = created.result
  const get = async () => (await rpc(ann, 'tasks/get', { taskId }, { capabilities: TASKS })).result
  await eventually('the task has that state', async () => (await get())['status'] === 'input_required')
  const requests = (await get())['inputRequests'] as Record<string, { params: { message: string } }>
  const [callId = ''] = Object.keys(requests)
  assert.match(requests[callId]?.params.message ?? '', /call pay with[^]*"amount": 5/)
  const update = (response: object) =>
    rpc(
      ann,
      'tasks/update',
      { taskId, inputResponses: { [callId]: response, unknown: {} } },
      { capabilities: TASKS },
    )
  for (const content of [{}, { confirm: 'yes' }, { approve: true }])
    assert.equal((await update({ action: 'accept', content })).error.code, -32_602)
  assert.equal((await update({ action: 'cancel' })).result['resultType'], 'complete')
  assert.equal((await get())['status'], 'input_required')
  await update({ action: 'accept', content: { confirm: true, reason: 'go on' } })
  await eventually('the task has that state', async () => (await get())['status'] === 'completed')
  const answer = (await get())['result']
  assert.match(textOf(answer), /paid 5/)
})

test('approvals are asked of the person at the client, one round after another, and lead back to the same task', async () => {
  const asked: string[] = []
  const client = await mcp.connect({
    key: ann,
    ask: (message) => (asked.push(message), { action: 'accept', content: { confirm: true } }),
  })
  const answer = await client.callTool({ name: 'default', arguments: { text: 'pay twice' } })
  assert.match(textOf(answer), /paid 1[^]*paid 2/)
  assert.equal(asked.length, 2)
  const result = await mcp.fleet.client.find(taskOf(answer))
  assert.equal(result?.steps.length, 3)
  await client.close()
})

test('a question of the agent is asked in its own words; an answer that does not fit is asked for again', async () => {
  const asked: string[] = []
  const client = await mcp.connect({
    key: ann,
    ask: (message) => (
      asked.push(message),
      { action: 'accept', content: { name: asked.length < 2 ? 'x' : 'Ann' } }
    ),
  })
  const answer = await client.callTool({ name: 'default', arguments: { text: 'ask for a name' } })
  assert.match(textOf(answer), /"name":\s*"Ann"/)
  assert.equal(asked[0], 'Who?')
  assert.match(asked[1] ?? '', /did not count/)
  await client.close()
})

test('who declines is believed', async () => {
  const client = await mcp.connect({ key: ann, ask: () => ({ action: 'decline' }) })
  const answer = await client.callTool({ name: 'default', arguments: { text: 'pay nothing' } })
  assert.match(textOf(answer), /declined/)
  await client.close()
})

test('a state is good for its own call, of its own user, unchanged', async () => {
  const asked = { name: 'default', arguments: { text: 'pay later' } }
  const capabilities = { elicitation: {} }
  const { result } = await rpc(ann, 'tools/call', asked, { capabilities })
  assert.equal(result['resultType'], 'input_required')
  const requestState = String(result['requestState'])
  const retry = (key: string, params: object) =>
    rpc(key, 'tools/call', { ...asked, ...params }, { capabilities })
  const states: [string, object][] = [
    [ann, { requestState: `${requestState}x` }],
    [ann, { requestState: requestState.replace(/^./, 'f') }],
    [ann, { requestState: 'nonsense' }],
    [ann, { requestState, arguments: { text: 'pay more' } }],
    [bob, { requestState }],
  ]
  for (const [key, params] of states) {
    const { error } = await retry(key, params)
    assert.deepEqual([error.code, error.message], [-32_602, 'Invalid or expired requestState'])
  }
  // Nothing was decided, so it asks again.
  const again = await retry(ann, { requestState, inputResponses: {} })
  assert.equal(again.result['resultType'], 'input_required')
  const [callId = ''] = Object.keys(again.result['inputRequests'] as object)
  const inputResponses = { [callId]: { action: 'accept', content: { confirm: true } } }
  assert.match(textOf((await retry(ann, { requestState, inputResponses })).result), /paid 5/)
})

test('a client that can ask nobody, or whose key may not decide, waits until somebody else has decided', async () => {
  const submitter = await mcp.key({ name: 'cy', userId: 'cy', scopes: [...taskStates.submitter] })
  for (const [key, capabilities] of [
    [ann, {}],
    [submitter, { elicitation: {} }],
  ] as const) {
    const meta = { 'flotilla/idempotencyKey': `waits-${key.slice(-6)}` }
    const taskId = meta['flotilla/idempotencyKey']
    const answer = rpc(
      key,
      'tools/call',
      { name: 'default', arguments: { text: 'pay soon' } },
      { capabilities, meta },
    )
    const waiting = async () => (await taskStates.waiting(mcp.fleet, taskId))[0]
    await eventually('the call waits', async () => (await waiting()) !== undefined)
    await mcp.fleet.client.approve({ taskId, callId: (await waiting()) ?? '', approved: true })
    assert.match(textOf((await answer).result), /paid 5/)
  }
})

test('a key that may not decide decides nothing, whatever state and answers it sends', async () => {
  const submitter = await mcp.key({ name: 'fay', userId: 'fay', scopes: [...taskStates.submitter] })
  const taskId = 'decides-for-itself'
  const asked = { name: 'default', arguments: { text: 'pay myself' } }
  const meta = { 'flotilla/idempotencyKey': taskId }
  const answer = rpc(submitter, 'tools/call', asked, { meta })
  const waiting = async () => (await taskStates.waiting(mcp.fleet, taskId))[0]
  await eventually('the call waits', async () => (await waiting()) !== undefined)
  const callId = (await waiting()) ?? ''
  const { error } = await rpc(
    submitter,
    'tools/call',
    {
      ...asked,
      requestState: writeState({ task: taskId, calls: [callId] }),
      inputResponses: { [callId]: { action: 'accept', content: { confirm: true } } },
    },
    { capabilities: { elicitation: {} } },
  )
  assert.equal((error.data as { code: string }).code, 'FORBIDDEN')
  assert.equal(await waiting(), callId)
  await mcp.fleet.client.approve({ taskId, callId, approved: false })
  assert.match(textOf((await answer).result), /declined/)
})

test('a decision has the scopes of its key, for tools whose approvers need one', async () => {
  const client = await mcp.connect({
    key: ann,
    ask: () => ({ action: 'accept', content: { confirm: true } }),
  })
  const answer = await client.callTool({ name: 'default', arguments: { text: 'wire it' } })
  assert.match(textOf(answer), /wired 5/)
  await client.close()
})

test('a key sees the agents and tasks that are its own; each method needs its scope', async () => {
  const one = await mcp.key({
    name: 'dan',
    userId: 'dan',
    agents: ['clerk'],
    scopes: [...taskStates.decider],
  })
  const { result } = await rpc(one, 'tools/list')
  assert.deepEqual(
    (result['tools'] as { name: string }[]).map(({ name }) => name),
    ['clerk'],
  )
  assert.equal(
    (await rpc(one, 'tools/call', { name: 'default', arguments: { text: 'x' } })).error.code,
    -32_602,
  )
  const created = await rpc(
    ann,
    'tools/call',
    { name: 'default', arguments: { text: 'task=mine' } },
    { capabilities: TASKS },
  )
  const { taskId } = created.result
  for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
    const { error } = await rpc(bob, method, { taskId, inputResponses: {} }, { capabilities: TASKS })
    assert.deepEqual([error.code, (error.data as { code: string }).code], [-32_602, 'TASK_UNKNOWN'], method)
  }
  const reader = await mcp.key({ name: 'eve', userId: 'eve', scopes: ['tasks:read'] })
  for (const [method, params] of [
    ['tools/list', {}],
    ['tools/call', { name: 'default', arguments: { text: 'x' } }],
    ['tasks/cancel', { taskId }],
  ] as const) {
    const { error } = await rpc(reader, method, params, { capabilities: TASKS })
    assert.equal((error.data as { code: string }).code, 'FORBIDDEN', method)
  }
})

test('a call with an idempotency key runs once', async () => {
  const meta = { 'flotilla/idempotencyKey': 'order-4711' }
  const call = (text: string) => rpc(ann, 'tools/call', { name: 'default', arguments: { text } }, { meta })
  const [first, second] = await Promise.all([call('once'), call('once')])
  assert.deepEqual([textOf(first.result), textOf(second.result)], ['answer to once', 'answer to once'])
  assert.deepEqual([taskOf(first.result), taskOf(second.result)], ['order-4711', 'order-4711'])
  assert.equal(((await call('another text')).error.data as { code: string }).code, 'TASK_ID_REUSED')
})

test('an idempotency key or a user that is no text is refused, and not left out', async () => {
  for (const name of ['flotilla/idempotencyKey', 'flotilla/userId'])
    for (const value of [4711, { id: 'x' }, ['x']]) {
      const asked = { name: 'default', arguments: { text: 'once' } }
      const { error } = await rpc(ann, 'tools/call', asked, { meta: { [name]: value } })
      assert.equal((error.data as { code: string }).code, 'REQUEST_INVALID')
      assert.match(error.message, /must be a text, not/)
    }
})

test('a client that leaves before the answer cancels its task', async () => {
  const left = new AbortController()
  const meta = { 'flotilla/idempotencyKey': 'left-alone' }
  const asked = { name: 'default', arguments: { text: 'pay never' } }
  const answer = rpc(ann, 'tools/call', asked, { meta, signal: left.signal })
  await eventually(
    'the call waits',
    async () => (await taskStates.waiting(mcp.fleet, 'left-alone')).length > 0,
  )
  left.abort()
  await assert.rejects(answer)
  const result = await mcp.fleet.client.result('left-alone', { timeoutMs: 120_000 })
  assert.equal(result.status, 'cancelled')
})

test('of two clients that wait for one task, one leaves: the other gets its answer', async () => {
  const meta = { 'flotilla/idempotencyKey': 'left-by-one' }
  const asked = { name: 'default', arguments: { text: 'pay together' }, _meta: meta }
  const left = new AbortController()
  const follow = async (signal?: AbortSignal) => {
    const client = await mcp.connect({ key: ann })
    const waits = Promise.withResolvers<void>()
    const onprogress = ({ message = '' }) => void (/waits for a person/.test(message) && waits.resolve())
    const answer = client.callTool(asked, { onprogress, ...(signal && { signal }) })
    answer.catch(() => {})
    await waits.promise
    return { answer, close: () => client.close() }
  }
  const [first, second] = await Promise.all([follow(left.signal), follow()])
  left.abort()
  await assert.rejects(first.answer)
  await first.close()
  await rpc(ann, 'tools/list')
  const [callId = ''] = await taskStates.waiting(mcp.fleet, 'left-by-one')
  await mcp.fleet.client.approve({ taskId: 'left-by-one', callId, approved: true })
  assert.match(textOf(await second.answer), /paid 5/)
  await second.close()
})

test('a client that wants its connection closed sees its end', async () => {
  const accept = 'application/json, text/event-stream'
  const headers = { authorization: `Bearer ${ann}`, 'content-type': 'application/json', accept }
  const asked = request(mcp.url, { method: 'POST', headers, agent: false })
  asked.end('{"jsonrpc":"2.0","id":1,"method":"ping"}')
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  assert.equal(answer.headers.connection, 'close')
  answer.destroy()
})

const hostile: [string, number, RequestInit][] = [
  ['no key', 401, { headers: { authorization: '' } }],
  ['a foreign origin', 403, { headers: { origin: 'http://evil.example' } }],
  ['no JSON', 415, { headers: { 'content-type': 'text/plain' } }],
  ['broken JSON', 400, { body: '{"jsonrpc": ' }],
  ['a batch', 400, { body: '[]' }],
  ['no message', 400, { body: '{}' }],
  ['depth', 400, { body: '{"a":'.repeat(300) + '1' + '}'.repeat(300) }],
  [
    'a long body',
    413,
    { body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'x', params: { text: 'x'.repeat(1_000_001) } }) },
  ],
  ['a name twice', 400, { body: '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}' }],
]
for (const [what, status, init] of hostile)
  test(`refused in the protocol's form: ${what}`, async () => {
    const headers = {
      authorization: `Bearer ${ann}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(init.headers as Record<string, string>),
    }
    if (headers.authorization === '') Reflect.deleteProperty(headers, 'authorization')
    const response = await fetch(mcp.url, { method: 'POST', body: '{}', ...init, headers })
    const body = (await response.json()) as { jsonrpc: string; error: { code: number; message: string } }
    assert.deepEqual([response.status, body.jsonrpc, typeof body.error.code], [status, '2.0', 'number'])
  })

test('there is no stream and no session', async () => {
  for (const method of ['GET', 'DELETE']) {
    const headers = { authorization: `Bearer ${ann}`, 'content-type': 'application/json' }
    const response = await fetch(mcp.url, { method, headers })
    assert.equal(response.status, 405)
  }
})
