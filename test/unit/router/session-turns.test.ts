// Tasks of sessions in router: they wait for their turn, and whatever ends them ends their turn.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { defaultSessions } from '../../../runtime/config/sessions.ts'
import { failure } from '../../../runtime/errors.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { TaskSubmitted, TurnGranted } from '../../../schemas/generated/events.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'
import { createRouterStage } from '../../../services/router/stage.ts'
import { fleetOf } from './fleet.ts'

function routerOf(changes: Partial<Fleet> = {}, queue: Partial<Fleet['limits']['queue']> = {}): StageDriver {
  const budgets = { ...defaultLimits.budgets, fleetTokens: null, userTokens: null, modelTokens: null }
  const rates = { ...defaultLimits.rates, userRequests: null, userTokens: null }
  const limits = { ...defaultLimits, budgets, rates, queue: { ...defaultLimits.queue, ...queue } }
  return drive(createRouterStage(fleetOf({ limits, ...changes } as Partial<Fleet>)))
}

function submit(driver: StageDriver, taskId: string, changes: Partial<TaskSubmitted> = {}) {
  const task = { ...emptyTask, text: 'Do it.', taskId, userId: 'ann', sessionId: 's 1', ...changes }
  return driver.send('tasks.submitted', 'TaskSubmitted', task, { traceparent: `trace of ${taskId}` })
}

const grant = (
  driver: StageDriver,
  taskId: string,
  history: TurnGranted['history'] = null,
  variables: TurnGranted['variables'] = null,
) =>
  driver.send('sessions.turns', 'TurnGranted', {
    taskId,
    sessionId: 's 1',
    turn: 1,
    history,
    variables,
  })
const remembered = [{ role: 'user', content: 'earlier' }]
const taskRows = (driver: StageDriver) =>
  Object.keys(driver.laneRows()).filter((row) => row.startsWith('task:'))

test('a task of a session asks for its turn and is admitted when it has come, with what the session remembers', () => {
  const driver = routerOf()
  const asked = submit(driver, 'a')
  assert.deepEqual(
    asked.map(({ type, key }) => [type, key]),
    [['TurnRequested', 's 1']],
  )
  assert.equal(driver.only('TurnRequested').whenBusy, 'queue')
  driver.reopen()
  const admitted = grant(driver, 'a', remembered)
  assert.deepEqual(driver.only('TaskAdmitted').history, remembered)
  assert.ok(
    admitted.every(({ traceparent }) => traceparent === 'trace of a'),
    'its own trace goes on',
  )
  assert.equal(driver.timers('a')['deadline'], undefined)
  assert.deepEqual(grant(driver, 'a'), [], 'a turn is taken once')
})

test('a task without a session writes what it always wrote; so does a fork and a task that touches nothing', () => {
  for (const changes of [
    { sessionId: null },
    { forkedFrom: 'other', recording: { steps: [], outcomes: [] } },
    { toolPolicy: 'refuse' as const },
  ]) {
    const driver = routerOf()
    const emitted = submit(driver, 'a', changes)
    assert.deepEqual(
      emitted.map(({ type }) => type),
      ['TaskAdmitted', 'TaskProgressed'],
    )
  }
})

test('the policy is the task’s, else its agent’s, else the fleet’s', () => {
  const sessions = { ...defaultSessions, whenBusy: 'reject' as const }
  const agents = { default: {}, eager: { whenBusy: 'steer' as const } }
  const driver = routerOf({ sessions, agents, defaultAgent: 'default' })
  submit(driver, 'a')
  submit(driver, 'b', { agent: 'eager' })
  submit(driver, 'c', { agent: 'eager', whenBusy: 'interrupt' })
  assert.deepEqual(
    driver.all('TurnRequested').map(({ whenBusy }) => whenBusy),
    ['reject', 'steer', 'interrupt'],
  )
})

test('a message for the running task brings its schema; one with a history of its own waits for its turn', () => {
  const agents = { default: {}, formal: { outputSchema: { type: 'string' } } }
  const driver = routerOf({ agents, defaultAgent: 'default' })
  submit(driver, 'b', { whenBusy: 'steer', agent: 'formal' })
  submit(driver, 'c', { whenBusy: 'queue', agent: 'formal' })
  submit(driver, 'd', { whenBusy: 'steer', history: [{ role: 'user', content: 'before' }] })
  assert.deepEqual(
    driver.all('TurnRequested').map(({ whenBusy, outputSchema }) => [whenBusy, outputSchema]),
    [
      ['steer', { type: 'string' }],
      ['queue', null],
      ['queue', null],
    ],
  )
})

test('a history that the client gives takes the place of what the session remembers', () => {
  const driver = routerOf()
  submit(driver, 'a', { history: [{ role: 'user', content: 'mine' }] })
  grant(driver, 'a', remembered)
  assert.deepEqual(driver.only('TaskAdmitted').history, [{ role: 'user', content: 'mine' }])
})

test('instructions of the application stand before what the session remembers, and part with nothing', () => {
  const sessions = { ...defaultSessions, keepVariables: true }
  const driver = routerOf({
    sessions,
    agents: { default: { overrides: { instructions: true } } },
    defaultAgent: 'default',
  })
  const instructions = { role: 'system', content: 'Be brief.' }
  submit(driver, 'a', { history: [instructions, { role: 'developer', content: 'In French.' }] })
  assert.equal(driver.only('TurnRequested').executor, 'default')
  grant(driver, 'a', remembered)
  assert.deepEqual(driver.only('TaskAdmitted').history, [
    instructions,
    { role: 'system', content: 'In French.' },
    ...remembered,
  ])
  const empty = routerOf()
  submit(empty, 'a', { history: [] })
  grant(empty, 'a', remembered)
  assert.deepEqual(empty.only('TaskAdmitted').history, [], 'asked to begin with nothing')
})

test('whether a task keeps its variables is said with its request, and what it is given goes to planner', () => {
  const sessions = { ...defaultSessions, keepVariables: true }
  const agents = { default: {}, plain: { keepVariables: false }, caller: { mode: 'tools' as const } }
  const driver = routerOf({ sessions, agents, defaultAgent: 'default' })
  submit(driver, 'a')
  submit(driver, 'b', { agent: 'plain' })
  submit(driver, 'c', { agent: 'caller' })
  submit(driver, 'd', { history: [{ role: 'user', content: 'mine' }] })
  const asked = driver.all('TurnRequested').map(({ executor }) => executor)
  assert.deepEqual(asked, ['default', null, null, null])
  const variables = { after: null, steps: [], gone: 'too large' }
  grant(driver, 'a', null, variables)
  assert.deepEqual(driver.only('TaskAdmitted').variables, variables)
  const off = routerOf({ agents: { default: {}, one: { keepVariables: true } }, defaultAgent: 'default' })
  submit(off, 'a')
  submit(off, 'b', { agent: 'one' })
  assert.deepEqual(
    off.all('TurnRequested').map(({ executor }) => executor),
    [null, 'default'],
  )
})

test('a cancel and the deadline end a task that waits for its session, and its turn', () => {
  const driver = routerOf()
  submit(driver, 'a')
  submit(driver, 'b', { timeoutMs: 5_000 })
  driver.send('tasks.control', 'TaskCancelled', { taskId: 'a', reason: null, requestedBy: null })
  driver.advance(5_000)
  assert.deepEqual(
    driver.all('TaskCompleted').map(({ taskId, status }) => `${taskId} ${status}`),
    ['a cancelled', 'b timed_out'],
  )
  assert.match(driver.all('TaskCompleted')[1]?.error?.message ?? '', /waited for its session/)
  assert.deepEqual(
    driver.all('TurnEnded').map(({ task, status }) => `${task} ${status}`),
    ['a cancelled', 'b timed_out'],
  )
  assert.deepEqual(taskRows(driver), [])
  grant(driver, 'b')
  assert.deepEqual(driver.all('TaskAdmitted'), [], 'a grant that crosses its end admits nothing')
  assert.equal(driver.all('TurnEnded').at(-1)?.error?.code, 'TURN_LOST')
})

test('a turn that has come waits for a slot like any task, and ends its turn if it is cancelled there', () => {
  const driver = routerOf({}, { inFlight: 1 })
  submit(driver, 'other', { sessionId: null })
  submit(driver, 'a')
  grant(driver, 'a', remembered)
  assert.equal(driver.all('TaskAdmitted').length, 1)
  driver.send('tasks.control', 'TaskCancelled', { taskId: 'a', reason: null, requestedBy: null })
  assert.equal(driver.only('TurnEnded').task, 'a')
  submit(driver, 'b')
  grant(driver, 'b', remembered)
  driver.send('tools.requested', 'TaskClosed', { taskId: 'other', status: 'succeeded', deadlineMs: null })
  const last = driver.all('TaskAdmitted').at(-1)
  assert.deepEqual([last?.taskId, last?.history], ['b', remembered])
})

test('a session refuses a task, or another task answers it: one result', () => {
  const driver = routerOf()
  submit(driver, 'a')
  submit(driver, 'b')
  const settle = { sessionId: 's 1', output: null, error: failure('SESSION_BUSY', 'busy'), by: null }
  driver.send('sessions.turns', 'TurnSettled', { ...settle, taskId: 'a', status: 'rejected' })
  driver.send('sessions.turns', 'TurnSettled', {
    ...settle,
    taskId: 'b',
    status: 'succeeded',
    output: { n: 1 },
    error: null,
    by: 'x',
  })
  driver.send('sessions.turns', 'TurnSettled', { ...settle, taskId: 'b', status: 'rejected' })
  const [refused, answered, ...more] = driver.all('TaskCompleted')
  assert.deepEqual([refused?.status, refused?.error?.code], ['rejected', 'SESSION_BUSY'])
  assert.deepEqual([answered?.status, answered?.output, answered?.error], ['succeeded', { n: 1 }, null])
  assert.match(answered?.modelReason ?? '', /task x/)
  assert.deepEqual([more, taskRows(driver)], [[], []])
})

test('tasks that wait for sessions count against the queue of the lane', () => {
  const driver = routerOf({}, { waiting: 2 })
  for (const taskId of ['a', 'b', 'c']) submit(driver, taskId)
  assert.equal(driver.only('TaskCompleted').error?.code, 'QUEUE_FULL')
  assert.equal(driver.all('TurnRequested').length, 2)
})

test('an answer of the session that can not be handled ends the task and its turn', () => {
  const driver = routerOf()
  submit(driver, 'a')
  const data = { taskId: 'a', sessionId: 's 1', turn: 1, history: null, variables: null }
  driver.poison('sessions.turns', 'TurnGranted', data, failure('HANDLER_FAILED', 'x'))
  assert.equal(driver.only('TaskCompleted').error?.code, 'HANDLER_FAILED')
  assert.equal(driver.only('TurnEnded').task, 'a')
  assert.deepEqual(taskRows(driver), [])
})
