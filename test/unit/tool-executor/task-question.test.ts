// What an MCP server asks people in the middle of a task of its own: a real server, the stage, the caller between them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { encodeKey } from '../../../runtime/keys.ts'
import { quietInstruments } from '../../../runtime/telemetry/instruments.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { ApprovalDecided } from '../../../schemas/generated/events.ts'
import type { ToolCall } from '../../../services/tool-executor/call.ts'
import { createToolCaller } from '../../../services/tool-executor/caller.ts'
import { createToolExecutorStage, keyOfCall } from '../../../services/tool-executor/stage.ts'
import { decision } from '../../support/decisions.ts'
import { connectTestServers, type TestServers } from '../../support/mcp-fleet.ts'
import { startMcpServer, type TestServer } from '../../support/mcp-server.ts'

const DAY = 86_400_000
const KEY = encodeKey(keyOfCall('t1', 'c1'))
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

/** A call whose server has asked, in the middle of its task or as it begins it. */
async function held(now = false) {
  const driver = drive(createToolExecutorStage(own.fleet), { now: Date.now() })
  const keyValue = { get: () => assert.fail('not cached'), set: () => assert.fail('not cached') }
  const caller = createToolCaller({
    ...{ fleet: own.fleet, keyValue, log: quietInstruments.log },
    servers: () => Promise.resolve(own.servers),
  })
  const deadlineMs = driver.now + 60_000
  driver.send('tools.requested', 'ToolRequested', {
    ...{ taskId: 't1', callId: 'c1', tool: 'srv_report', requester: 'planner', step: 1, deadlineMs },
    ...{ arguments: { polls: 0, asks: true, now }, userId: 'ann', cacheTtlMs: null, agent: null, ask: false },
    delegation: null,
  })
  const asked: (string | undefined)[] = []
  /** Makes every call that is due, with the real server. */
  const make = async (waitMs: number) => {
    driver.advance(waitMs)
    const call = driver.pendingCallOf(KEY) ?? assert.fail('nothing is called')
    const { request } = call as { request: ToolCall }
    asked.push(request.continued?.ask)
    const signal = AbortSignal.timeout(120_000)
    const context = { key: KEY, signal, callId: 'id', traceparent: null, stream: () => {} }
    driver.answer(await caller(request, context as never))
    return call
  }
  const decide = (change: Partial<ApprovalDecided>) =>
    driver.send('tasks.control', 'ApprovalDecided', decision({ taskId: 't1', callId: 'c1', ...change }))
  await make(0)
  if (!now) await make(500)
  const task = [...server.state.tasks.values()].at(-1) ?? assert.fail('no task')
  assert.equal(task.status, 'input_required')
  const { why, arguments: shown } = driver.only('CallHeld')
  assert.deepEqual([why, (shown as { question: string }).question], ['question', 'Sure?'])
  driver.advance(3 * DAY)
  assert.equal(driver.pendingCall, null, 'the server is not asked while people think')
  return { driver, make, decide, task, deadlineMs, asked }
}

for (const now of [false, true])
  test(`the task goes on with the answer, and is begun once (asks ${now ? 'at once' : 'later'})`, async () => {
    const begun = server.state.count('report')
    const { driver, make, decide, deadlineMs, asked } = await held(now)
    decide({ answer: { sure: 'perhaps' } })
    assert.deepEqual(driver.all('CallReleased'), [])
    decide({ answer: { sure: true }, decidedBy: 'ann' })
    const { request, untilMs } = await make(0)
    assert.deepEqual([(request as ToolCall).continued?.ask, untilMs], ['answer', deadlineMs + 3 * DAY])
    while (driver.all('ToolCompleted').length === 0) await make(500)
    const { status, output, approval } = driver.only('ToolCompleted')
    assert.equal(status, 'succeeded')
    assert.deepEqual(JSON.parse(String(output)), { sure: { action: 'accept', content: { sure: true } } })
    assert.equal((approval as { outcome: string }).outcome, 'answered')
    assert.equal(driver.all('UsageRecorded').length, 1)
    assert.equal(server.state.count('report') - begun, 1)
    assert.equal(asked.filter((ask) => ask === 'answer').length, 1)
    assert.deepEqual([driver.rows(KEY), driver.timers(KEY)], [{}, {}])
  })

test('an answer that the server did not get is sent again', async () => {
  const { driver, make, decide, task } = await held()
  decide({ answer: { sure: true } })
  driver.fail('TOOL_UNAVAILABLE')
  await make(5_000)
  assert.deepEqual(task.given, { sure: { action: 'accept', content: { sure: true } } })
})

const endings: Record<string, (world: Awaited<ReturnType<typeof held>>) => unknown> = {
  refused: ({ decide }) => decide({ approved: false, reason: 'no' }),
  undecided: ({ driver }) => driver.advance(4 * DAY),
  cancelled: ({ driver }) =>
    driver.send('tools.requested', 'WorkCancelled', {
      ...{ taskId: 't1', callIds: ['c1'], reason: 'cancelled', deadlineMs: driver.now },
    }),
  none: ({ driver }) =>
    driver.send('tools.requested', 'TaskClosed', {
      taskId: 't1',
      status: 'cancelled',
      deadlineMs: driver.now,
    }),
}
for (const [wanted, end] of Object.entries(endings))
  test(`nobody answers (${wanted}): the requester learns of it once, and the server is asked to stop`, async () => {
    const world = await held()
    const { driver, make, task } = world
    end(world)
    const statuses = () => driver.all('ToolCompleted').map(({ status }) => status)
    assert.deepEqual(statuses(), wanted === 'none' ? [] : [wanted])
    assert.equal(driver.all('CallReleased').length, 1)
    assert.equal(((await make(0)).request as ToolCall).continued?.ask, 'cancel')
    assert.equal(task.status, 'cancelled')
    assert.deepEqual(statuses(), wanted === 'none' ? [] : [wanted])
    driver.advance(DAY)
    assert.deepEqual([driver.rows(KEY), driver.timers(KEY), driver.pendingCall], [{}, {}, null])
  })
