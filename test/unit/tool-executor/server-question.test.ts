// Questions of MCP servers to people: a real server, the stage, and the caller between them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Call } from '../../../runtime/stage.ts'
import { encodeKey } from '../../../runtime/keys.ts'
import { quietInstruments } from '../../../runtime/telemetry/instruments.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { Json } from '../../../schemas/json.ts'
import type { ApprovalDecided } from '../../../schemas/generated/events.ts'
import { AskingCall, type ToolCall } from '../../../services/tool-executor/call.ts'
import { createToolCaller } from '../../../services/tool-executor/caller.ts'
import { createToolExecutorStage, keyOfCall } from '../../../services/tool-executor/stage.ts'
import { decision } from '../../support/decisions.ts'
import { connectTestServers, type TestServers } from '../../support/mcp-fleet.ts'
import { forms, startMcpServer, type TestServer } from '../../support/mcp-server.ts'

const DAY = 86_400_000
const sure = forms['sure'] ?? null
let server: TestServer
let own: TestServers
before(async () => {
  server = await startMcpServer()
  own = await connectTestServers({ srv: { url: server.url } })
})
after(async () => {
  await own[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

function begin(asks?: { [name: string]: Json }) {
  const driver = drive(createToolExecutorStage(own.fleet), { now: Date.now() })
  const keyValue = { get: () => assert.fail('not cached'), set: () => assert.fail('not cached') }
  const caller = createToolCaller({
    ...{ fleet: own.fleet, keyValue, log: quietInstruments.log },
    servers: () => Promise.resolve(own.servers),
  })
  const key = encodeKey(keyOfCall('t1', 'c1'))
  const deadlineMs = driver.now + 60_000
  driver.send('tools.requested', 'ToolRequested', {
    ...{ taskId: 't1', callId: 'c1', tool: 'srv_ask', requester: 'planner', step: 1, deadlineMs },
    ...{ arguments: asks ? { asks } : {}, userId: null, cacheTtlMs: null, agent: null, ask: false },
    delegation: null,
  })
  /** Makes the call that the stage wants, with the real server. */
  const make = async (): Promise<Call> => {
    const call = driver.pendingCallOf(key) ?? assert.fail('nothing is called')
    const signal = AbortSignal.timeout(120_000)
    const context = { key, signal, callId: 'id', traceparent: null, stream: () => {} }
    driver.answer(await caller(call.request as ToolCall, context as never))
    return call
  }
  const decide = (change: Partial<ApprovalDecided>) =>
    driver.send('tasks.control', 'ApprovalDecided', decision({ taskId: 't1', callId: 'c1', ...change }))
  return { driver, make, decide, key, deadlineMs }
}

test('a question of a server waits for a person, and its call goes on with the answer', async () => {
  const { driver, make, decide, key, deadlineMs } = begin()
  await make()
  const { why, arguments: shown, terms } = driver.only('CallHeld')
  assert.deepEqual([why, shown], ['question', { question: 'Sure?', server: 'srv', call: {} }])
  const { answer, rule } = terms as { answer: { required: unknown }; rule: string }
  assert.deepEqual([answer.required, rule], [['sure'], 'server'])
  driver.advance(3 * DAY)
  decide({ answer: { sure: 'perhaps' } })
  decide({ answer: { sure: true, code: `${'a'.repeat(50_000)}!` } })
  assert.deepEqual(driver.all('CallReleased'), [], 'an answer that does not fit leaves it waiting')
  decide({ answer: { sure: true }, arguments: { other: 1 }, decidedBy: 'ann' })
  assert.equal(driver.only('CallReleased').outcome, 'answered')
  assert.equal(driver.pendingCallOf(key)?.untilMs, deadlineMs + 3 * DAY)
  const { arguments: made } = (await make()).request as ToolCall
  assert.deepEqual(made, {}, 'the arguments are those that were asked for')
  const { status, output, approval } = driver.only('ToolCompleted')
  assert.equal(status, 'succeeded')
  assert.deepEqual(JSON.parse(String(output)), { sure: { action: 'accept', content: { sure: true } } })
  const { outcome, decisions } = approval as { outcome: string; decisions: { by: string }[] }
  assert.deepEqual([outcome, decisions[0]?.by], ['answered', 'ann'])
  assert.equal(driver.all('UsageRecorded').length, 2, 'the server was called twice')
})

test('several forms are one question, and each gets its part of the answer', async () => {
  const { driver, make, decide } = begin({ one: sure, two: sure })
  await make()
  decide({ answer: { one: { sure: true } } })
  assert.deepEqual(driver.all('CallReleased'), [], 'one of two')
  decide({ answer: { one: { sure: true }, two: { sure: false } } })
  await make()
  assert.deepEqual(JSON.parse(String(driver.only('ToolCompleted').output)), {
    one: { action: 'accept', content: { sure: true } },
    two: { action: 'accept', content: { sure: false } },
  })
})

test('who declines ends the call; so does nobody', async () => {
  const declined = begin()
  await declined.make()
  declined.decide({ approved: false, reason: 'no' })
  const { status, error } = declined.driver.only('ToolCompleted')
  assert.deepEqual([status, error?.message], ['refused', 'A person declined to answer: no'])
  const silent = begin()
  await silent.make()
  silent.driver.advance(7 * DAY)
  assert.equal(silent.driver.only('ToolCompleted').error?.code, 'APPROVAL_EXPIRED')
})

test('a retry brings the answer too', async () => {
  const { driver, make, decide, key } = begin()
  await make()
  decide({ answer: { sure: true } })
  driver.fail('BREAKER_OPEN')
  driver.advance(10_000)
  assert.ok((driver.pendingCallOf(key)?.request as ToolCall).given)
  await make()
  assert.equal(driver.only('ToolCompleted').status, 'succeeded')
})

test('a server may ask what people can answer: of tools only, and by its own name for it', async () => {
  const call = await own.run('srv_ask')
  assert.ok(call instanceof AskingCall)
  const { server: of, text, names, state } = call.question
  assert.deepEqual([of, text, names, state], ['srv', 'Sure?', ['sure'], 's'])
  const { meta } = server.state.calls.at(-1) ?? assert.fail('no call')
  const capabilities = meta['io.modelcontextprotocol/clientCapabilities'] as Record<string, unknown>
  assert.deepEqual(Object.keys(capabilities).sort(), ['elicitation', 'extensions'])
})

test('what no person can be asked is refused, with what it is', async () => {
  const pattern = { type: 'object', properties: { a: { type: 'string', pattern: '(?=a)' } } }
  const params = { message: 'Well?', requestedSchema: pattern }
  const refused: [object, RegExp][] = [
    [{ a: { method: 'sampling/createMessage', params: {} } }, /srv asks .*by sampling\/createMessage/],
    [{ a: { method: 'elicitation/create', params: { mode: 'url', url: 'https://x' } } }, /than a form/],
    [{ a: { method: 'elicitation/create', params } }, /by a form that can't be used: .*pattern/],
    [Object.fromEntries(Array.from({ length: 17 }, (_, n) => [n, sure])), /17 questions/],
  ]
  for (const [asks, message] of refused)
    await assert.rejects(own.run('srv_ask', { asks }), { code: 'MCP_INPUT_REQUIRED', message })
})

test('what people answered is in no cache', async () => {
  const tools = own.fleet.tools.map((tool) => ({
    ...tool,
    spec: { ...tool.spec, idempotent: true, cacheTtlMs: DAY },
  }))
  const used: string[] = []
  const keyValue = {
    get: (key: string) => (used.push(key), Promise.resolve(null)),
    set: (key: string) => (used.push(key), Promise.resolve()),
  }
  const caller = createToolCaller({
    ...{ fleet: { tools }, keyValue, log: quietInstruments.log },
    servers: () => Promise.resolve(own.servers),
  })
  const given = { responses: { sure: { action: 'accept' as const, content: { sure: true } } }, state: 's' }
  const call = { taskId: 't1', tool: 'srv_ask', arguments: {}, cacheTtlMs: null, userId: null, agent: null }
  const context = { key: 't1', signal: AbortSignal.timeout(120_000), callId: 'id', traceparent: null }
  const stream = () => {}
  const request = { ...call, deadlineMs: Date.now() + 60_000, given }
  const { output } = await caller(request, { ...context, stream } as never)
  assert.match(String(output), /accept/)
  assert.deepEqual(used, [])
})
