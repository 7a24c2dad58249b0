import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { EventMap } from '../../../runtime/stage.ts'
import { createToolExecutorStage } from '../../../services/tool-executor/stage.ts'

const START = 1_750_000_000_000
const look = defineTool({
  name: 'look_up',
  description: 'Reads.',
  input: { type: 'object' },
  run: () => null,
})

const agents = {
  lead: { delegates: ['helper', { agent: 'critic', maxCost: 0.05 }] },
  helper: { delegates: ['lead', 'critic'] },
  critic: {},
}
const start = (delegation = { depth: 2, tasks: 3 }) =>
  drive(createToolExecutorStage({ tools: [look], agents, limits: { delegation } }), { now: START })
type Driver = ReturnType<typeof start>

function ask(
  driver: Driver,
  callId: string,
  change: Partial<EventMap['ToolRequested']> = {},
  options: { id?: string } = {},
) {
  const data: EventMap['ToolRequested'] = {
    taskId: 't1',
    callId,
    tool: 'ask_helper',
    arguments: { task: ' find it ' },
    requester: 'planner',
    step: 1,
    deadlineMs: START + 60_000,
    userId: 'ann',
    cacheTtlMs: null,
    agent: 'lead',
    ask: false,
    delegation: { agents: ['lead'], maxCost: 0.2, priority: 4 },
    ...change,
  }
  return driver.send('tools.requested', 'ToolRequested', data, options)
}

function end(
  driver: Driver,
  callId: string,
  childId: string,
  change: Partial<EventMap['DelegationEnded']> = {},
) {
  const child = {
    taskId: childId,
    agent: 'helper',
    status: 'succeeded',
    cost: 0.03,
    costIsGuess: false,
  } as const
  const data = { taskId: 't1', callId, child, output: 'found', error: null, ...change }
  return driver.send('tasks.delegated', 'DelegationEnded', data)
}

const refusal = (driver: Driver) => {
  const { status, error } = driver.only('ToolCompleted')
  return [status, error?.code, error?.message] as const
}

test('a call becomes one task, named by the event that asked, and its end answers the call', () => {
  const driver = start()
  ask(driver, 'c1', {}, { id: 'e1' })
  assert.deepEqual(driver.only('TaskDelegated'), {
    taskId: 'e1',
    askedBy: { taskId: 't1', callId: 'c1', agents: ['lead'] },
    agent: 'helper',
    text: 'find it',
    userId: 'ann',
    priority: 4,
    deadlineMs: START + 60_000,
    maxCost: 0.2,
  })
  assert.equal(driver.emitted.find(({ type }) => type === 'TaskDelegated')?.key, 'e1')
  assert.deepEqual(driver.all('ToolCompleted'), [])
  driver.advance(500)
  const emitted = end(driver, 'c1', 'e1')
  const { status, output, child, durationMs } = driver.only('ToolCompleted')
  assert.deepEqual([status, output, child?.cost, durationMs], ['succeeded', 'found', 0.03, 500])
  assert.equal(emitted.find(({ type }) => type === 'ToolCompleted')?.requester, 'planner')
  end(driver, 'c1', 'e1')
  assert.equal(driver.all('ToolCompleted').length, 1, 'a call is answered once')
})

test('the end of any other task answers nothing, whatever it says', () => {
  const driver = start()
  ask(driver, 'c1', {}, { id: 'e1' })
  end(driver, 'c1', 'forged')
  end(driver, 'c2', 'e1')
  assert.deepEqual(driver.all('ToolCompleted'), [])
})

test('an agent asks its delegates only, with a task, and nobody who is above', () => {
  const cases: [Partial<EventMap['ToolRequested']>, string, RegExp][] = [
    [{ agent: 'critic' }, 'TOOL_DENIED', /not among the delegates of critic/],
    [{ agent: null }, 'TOOL_DENIED', /not among the delegates/],
    [{ arguments: { task: '  ' } }, 'TOOL_ARGUMENTS_INVALID', /task must be a text/],
    [{ arguments: ['task'] }, 'TOOL_ARGUMENTS_INVALID', /task must be a text/],
    [
      {
        agent: 'helper',
        tool: 'ask_lead',
        delegation: { agents: ['lead', 'helper'], maxCost: null, priority: 0 },
      },
      'DELEGATION_LIMIT',
      /lead → helper → lead/,
    ],
    [
      {
        agent: 'helper',
        tool: 'ask_critic',
        delegation: { agents: ['a', 'lead', 'helper'], maxCost: null, priority: 0 },
      },
      'DELEGATION_LIMIT',
      /at most 2 levels .*a → lead → helper → critic/,
    ],
    [
      { delegation: { agents: ['lead'], maxCost: 0, priority: 0 } },
      'DELEGATION_LIMIT',
      /nothing is left of the maxCost/,
    ],
  ]
  for (const [change, code, message] of cases) {
    const driver = start()
    ask(driver, 'c1', change)
    const [status, found, said] = refusal(driver)
    assert.deepEqual([status, found], ['failed', code])
    assert.match(said ?? '', message)
    assert.deepEqual(driver.all('TaskDelegated'), [])
  }
})

test('a task delegates so many tasks and no more, also when some have ended', () => {
  const driver = start()
  for (const call of ['c1', 'c2', 'c3']) ask(driver, call, {}, { id: call })
  end(driver, 'c1', 'c1')
  ask(driver, 'c4')
  const { callId, error } = driver.all('ToolCompleted').at(-1) ?? {}
  assert.deepEqual([callId, error?.code], ['c4', 'DELEGATION_LIMIT'])
  assert.match(error?.message ?? '', /limits\.delegation\.tasks/)
})

test('the share is the least of what is left, what is configured, and what the model says', () => {
  const shares: [Partial<EventMap['ToolRequested']>, number | null][] = [
    [{}, 0.2],
    [{ tool: 'ask_critic' }, 0.05],
    [{ tool: 'ask_critic', arguments: { task: 'x', max_cost: 0.01 } }, 0.01],
    [{ arguments: { task: 'x', max_cost: 7 } }, 0.2],
    [{ delegation: { agents: ['lead'], maxCost: null, priority: 0 } }, null],
    [{ tool: 'ask_critic', delegation: null }, 0.05],
  ]
  for (const [change, share] of shares) {
    const driver = start()
    ask(driver, 'c1', change)
    assert.equal(driver.only('TaskDelegated').maxCost, share)
  }
})

test('a cancel of calls, and the end of the task, cancel the tasks that they became', () => {
  const driver = start()
  for (const call of ['c1', 'c2', 'c3']) ask(driver, call, {}, { id: `child of ${call}` })
  const data = { taskId: 't1', reason: 'cancelled', deadlineMs: START + 60_000 }
  driver.send('tools.requested', 'WorkCancelled', { ...data, callIds: ['c1'] })
  assert.deepEqual(
    driver.all('TaskCancelled').map(({ taskId }) => taskId),
    ['child of c1'],
  )
  const { callId, status } = driver.only('ToolCompleted')
  assert.deepEqual([callId, status], ['c1', 'cancelled'])
  driver.send('tools.requested', 'WorkCancelled', { ...data, callIds: [] })
  driver.send('tools.requested', 'TaskClosed', {
    taskId: 't1',
    status: 'cancelled',
    deadlineMs: START + 60_000,
  })
  assert.deepEqual(
    driver.emitted.filter(({ type }) => type === 'TaskCancelled').map(({ key }) => key),
    ['child of c1', 'child of c2', 'child of c3'],
    'each once, at the home of the task that is cancelled',
  )
  end(driver, 'c2', 'child of c2')
  assert.equal(driver.all('ToolCompleted').length, 3)
})

test('a task that ends while one that it asked for runs cancels it, if no cancel came before', () => {
  const driver = start()
  ask(driver, 'c1', {}, { id: 'e1' })
  driver.send('tools.requested', 'TaskClosed', {
    taskId: 't1',
    status: 'timed_out',
    deadlineMs: START + 60_000,
  })
  assert.equal(driver.only('TaskCancelled').taskId, 'e1')
  ask(driver, 'c2')
  assert.equal(driver.all('TaskDelegated').length, 1, 'nothing begins after the end of its task')
})

test('a failure of the task is told with its code', () => {
  const driver = start()
  ask(driver, 'c1', {}, { id: 'e1' })
  const error = {
    code: 'COST_LIMIT',
    severity: 'recoverable',
    retryable: false,
    message: 'spent',
    retryAfterMs: null,
  } as const
  const child = { taskId: 'e1', agent: 'helper', status: 'failed', cost: 0.2, costIsGuess: false } as const
  end(driver, 'c1', 'e1', { child, output: null, error })
  const [status, code, message] = refusal(driver)
  assert.deepEqual(
    [status, code, message],
    ['failed', 'DELEGATE_FAILED', 'helper did not succeed (failed): COST_LIMIT: spent'],
  )
  assert.equal(driver.only('ToolCompleted').child?.cost, 0.2)
})
