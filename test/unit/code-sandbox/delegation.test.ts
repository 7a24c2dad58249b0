// Calls of other agents from Python.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { CodeRequested, ToolCompleted } from '../../../schemas/generated/events.ts'
import type { Paused, PendingCall } from '../../../services/code-sandbox/executors/port.ts'
import { createCodeSandboxStage } from '../../../services/code-sandbox/stage.ts'
import { fleetOf } from '../router/fleet.ts'

const NOW = 1_750_000_000_000
const agents = { lead: { delegates: ['helper', { agent: 'writer', handoff: true }] }, helper: {}, writer: {} }

function begin(change: Partial<CodeRequested> = {}): StageDriver {
  const driver = drive(createCodeSandboxStage(fleetOf({ agents })), { now: NOW })
  driver.send('code.requested', 'CodeRequested', {
    taskId: 't',
    requestId: 't.1',
    step: 1,
    code: 'x',
    executor: 'default',
    tools: ['get_weather', 'ask_helper', 'hand_off_to_writer'],
    toolCacheTtlMs: null,
    userId: null,
    timeoutMs: 1_000,
    deadlineMs: NOW + 60_000,
    agent: 'lead',
    toolPolicy: null,
    policyTools: null,
    recording: null,
    prior: null,
    keepLog: false,
    delegation: { agents: ['lead'], maxCost: 1, priority: 2 },
    ...change,
  })
  return driver
}

const pause = (first: number, ...names: string[]): Paused => ({
  status: 'paused',
  computeMs: 1,
  calls: names.map((name, index): PendingCall => {
    return { seq: first + index, name, arguments: { task: 'x' }, argsHash: `h${first + index}` }
  }),
})

function reply(
  driver: StageDriver,
  seq: number,
  toolName: string,
  cost: number | null,
  change: Partial<ToolCompleted> = {},
) {
  const child =
    cost === null
      ? null
      : ({ taskId: `c${seq}`, agent: 'helper', status: 'succeeded', cost, costIsGuess: false } as const)
  return driver.send('tools.completed', 'ToolCompleted', {
    taskId: 't',
    callId: `t.1.${seq}`,
    tool: toolName,
    requester: 'code-sandbox',
    step: 1,
    status: 'succeeded',
    output: `answer ${seq}`,
    error: null,
    startedAtMs: NOW,
    durationMs: 1,
    cached: false,
    approval: null,
    child,
    ...change,
  })
}

const shares = (driver: StageDriver) =>
  driver.all('ToolRequested').map(({ tool, delegation }) => [tool, delegation?.maxCost])

test('what the step has left is shared out among the calls of a group that ask an agent; those go out first', () => {
  const driver = begin()
  const tools = driver.pendingCall?.request as { tools: { name: string }[] }
  assert.deepEqual(
    tools.tools.map(({ name }) => name),
    ['get_weather', 'ask_helper', 'hand_off_to_writer'],
  )
  driver.answer(pause(0, 'get_weather', 'ask_helper', 'ask_helper'))
  assert.deepEqual(shares(driver), [
    ['ask_helper', 0.5],
    ['ask_helper', 0.5],
    ['get_weather', undefined],
  ])
  reply(driver, 0, 'get_weather', null)
  reply(driver, 1, 'ask_helper', 0.1)
  reply(driver, 2, 'ask_helper', 0.15)
  driver.answer(pause(3, 'ask_helper'))
  assert.deepEqual(shares(driver).at(-1), ['ask_helper', 0.75])
})

test('the end of a step has what its agents cost, also of those that failed, and the task of each call', () => {
  const driver = begin()
  driver.answer(pause(0, 'ask_helper', 'ask_helper'))
  reply(driver, 0, 'ask_helper', 0.1)
  reply(driver, 1, 'ask_helper', 0.2, { status: 'failed', output: null })
  driver.fail('SANDBOX_UNAVAILABLE')
  while (driver.all('CodeCompleted').length === 0) {
    driver.advance(40_000)
    if (driver.pendingCall) driver.fail('SANDBOX_UNAVAILABLE')
  }
  const { childrenCost, toolCalls } = driver.only('CodeCompleted')
  assert.ok(Math.abs((childrenCost ?? 0) - 0.3) < 1e-9)
  assert.deepEqual(
    (toolCalls as { child: { taskId: string } }[]).map(({ child }) => child.taskId),
    ['c0', 'c1'],
  )
})

test('a handoff that succeeded ends the step with its answer, once all calls are answered', () => {
  const driver = begin()
  driver.answer(pause(0, 'hand_off_to_writer', 'ask_helper'))
  reply(driver, 0, 'hand_off_to_writer', 0.1)
  assert.deepEqual(driver.all('CodeCompleted'), [])
  reply(driver, 1, 'ask_helper', 0.2)
  assert.equal(driver.pendingCall?.kind, 'discard', 'its Python is not resumed')
  driver.answer(null)
  const { isFinal, finalAnswer, status, childrenCost } = driver.only('CodeCompleted')
  assert.deepEqual([isFinal, finalAnswer, status], [true, 'answer 0', 'finished'])
  assert.ok(Math.abs((childrenCost ?? 0) - 0.3) < 1e-9)
  assert.equal(driver.rows('t')['active'], undefined)
})

test('a handoff that failed raises in Python like any other call', () => {
  const driver = begin()
  driver.answer(pause(0, 'hand_off_to_writer'))
  reply(driver, 0, 'hand_off_to_writer', 0.1, { status: 'failed', output: null })
  assert.equal(driver.pendingCall?.kind, 'code')
})

test('a request of an older planner has nothing to go by: calls have no share', () => {
  const driver = begin({ delegation: null })
  driver.answer(pause(0, 'ask_helper'))
  assert.equal(driver.only('ToolRequested').delegation, null)
})

test('a fork that asks a person for its calls refuses those of other agents', () => {
  const driver = begin({
    toolPolicy: 'ask',
    tools: [],
    policyTools: ['get_weather', 'ask_helper'],
  })
  driver.answer(pause(0, 'ask_helper', 'get_weather'))
  assert.deepEqual(
    driver.all('ToolRequested').map(({ tool, ask }) => [tool, ask]),
    [['get_weather', true]],
  )
  reply(driver, 1, 'get_weather', null)
  const { results } = driver.pendingCall?.request as { results: { error: { code: string } | null }[] }
  assert.deepEqual(
    results.map(({ error }) => error?.code ?? null),
    ['TOOL_NOT_RECORDED', null],
  )
})
