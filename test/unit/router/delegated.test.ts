// Tasks that agents give to other agents, as router admits them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { failure } from '../../../runtime/errors.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { TaskDelegated } from '../../../schemas/generated/events.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'
import { createRouterStage } from '../../../services/router/stage.ts'
import { fleetOf } from './fleet.ts'

const START = 1_750_000_000_000
const budgets = { ...defaultLimits.budgets, fleetTokens: null, userTokens: null, modelTokens: null }
const rates = { ...defaultLimits.rates, userRequests: null, userTokens: null }
const queue = { ...defaultLimits.queue, inFlight: 1 }
const agents: Fleet['agents'] = {
  lead: { delegates: ['helper'] },
  helper: { mode: 'tools', tools: ['get_weather'], delegates: ['lead'], overrides: { maxCost: 0.1 } },
}
const start = (limits: Partial<Fleet['limits']> = {}) =>
  drive(
    createRouterStage(
      fleetOf({
        agents,
        defaultAgent: 'lead',
        limits: { ...defaultLimits, budgets, rates, queue, ...limits },
      }),
    ),
    {
      now: START,
    },
  )

const askedBy = { taskId: 'parent', callId: 'parent.1.0', agents: ['lead'] }
function delegated(driver: StageDriver, taskId: string, change: Partial<TaskDelegated> = {}) {
  const data = {
    taskId,
    askedBy,
    agent: 'helper',
    text: 'Look.',
    userId: 'ann',
    priority: 3,
    deadlineMs: START + 20_000,
    maxCost: 0.4,
  }
  return driver.send('tasks.delegated', 'TaskDelegated', { ...data, ...change })
}
const submit = (driver: StageDriver, taskId: string) =>
  driver.send('tasks.submitted', 'TaskSubmitted', { ...emptyTask, taskId, text: 'Do it.' })
const cancel = (driver: StageDriver, taskId: string) =>
  driver.send('tasks.control', 'TaskCancelled', { taskId, reason: null, requestedBy: null })
const close = (driver: StageDriver, taskId: string) =>
  driver.send('tools.requested', 'TaskClosed', { taskId, status: 'succeeded', deadlineMs: null })
const admitted = (driver: StageDriver) => driver.all('TaskAdmitted').map(({ taskId }) => taskId)

test('it is admitted with no more time and money than it was given, and who is answered', () => {
  const driver = start()
  delegated(driver, 'child')
  const task = driver.only('TaskAdmitted')
  assert.deepEqual(
    [task.agent, task.userId, task.parent, task.priority, task.askedBy, task.tools],
    ['helper', 'ann', 'parent', 3, askedBy, ['get_weather', 'ask_lead']],
  )
  assert.deepEqual([task.timeoutMs, task.deadlineMs], [20_000, START + 20_000])
  assert.equal(task.maxCost, 0.1, 'its agent allows no more')
  delegated(driver, 'cheap', { maxCost: 0.02, deadlineMs: START + 3_600_000 })
  const cheap = driver.all('TaskAdmitted')[1]
  assert.deepEqual([cheap?.maxCost, cheap?.timeoutMs], [0.02, 60_000])
})

test('its submission is emitted as any other, and is a duplicate where router reads it', () => {
  const driver = start()
  delegated(driver, 'child')
  const submission = driver.only('TaskSubmitted')
  assert.deepEqual(
    [submission.taskId, submission.parent, submission.agent, submission.userId, submission.maxSteps],
    ['child', 'parent', 'helper', 'ann', null],
  )
  assert.equal('asked' in submission, false)
  assert.deepEqual(driver.send('tasks.submitted', 'TaskSubmitted', submission), [])
})

test('it takes no slot: a full lane admits it at once, and its end frees none', () => {
  const driver = start()
  submit(driver, 'parent')
  submit(driver, 'queued')
  delegated(driver, 'child')
  assert.deepEqual(admitted(driver), ['parent', 'child'])
  close(driver, 'child')
  assert.deepEqual(admitted(driver), ['parent', 'child'])
  driver.reopen()
  delegated(driver, 'another')
  close(driver, 'parent')
  assert.deepEqual(admitted(driver), ['parent', 'child', 'another', 'queued'])
})

test('a refusal, and a cancel that came first, answer the call that asked', () => {
  const driver = start()
  delegated(driver, 'c1', { agent: 'nobody' })
  const { taskId, callId, child, error } = driver.only('DelegationEnded')
  assert.deepEqual(
    [taskId, callId, child.taskId, child.status, child.cost, error?.code],
    ['parent', 'parent.1.0', 'c1', 'rejected', 0, 'AGENT_UNKNOWN'],
  )
  assert.equal(driver.only('TaskCompleted').taskId, 'c1')
  cancel(driver, 'c2')
  delegated(driver, 'c2')
  assert.deepEqual(
    driver.all('DelegationEnded').map((each) => each.child.status),
    ['rejected', 'cancelled'],
  )
  assert.deepEqual(
    driver.all('TaskSubmitted').map((each) => each.taskId),
    ['c1', 'c2'],
  )
})

test('a cancel of one that runs is passed on behind its admission', () => {
  const driver = start()
  delegated(driver, 'child')
  const [passed] = cancel(driver, 'child')
  assert.deepEqual([passed?.topic, passed?.type], ['tasks.admitted', 'TaskCancelled'])
})

test('the user of the asking task pays: its limits hold, and their refusal answers the call', () => {
  const driver = start({ rates: { ...defaultLimits.rates, userRequests: 1 } })
  delegated(driver, 'child')
  assert.ok(driver.pendingCall, 'the limits are asked')
  const reason = failure('RATE_LIMITED', 'User "ann" has no request left.')
  driver.answer({ granted: false, reason })
  assert.equal(driver.only('DelegationEnded').error?.code, 'RATE_LIMITED')
  assert.equal(driver.only('TaskSubmitted').taskId, 'child')
})

test('a task that somebody submitted under its id first answers no call; the call is told at once', () => {
  const driver = start()
  submit(driver, 'child')
  close(driver, 'child')
  delegated(driver, 'child')
  assert.deepEqual(admitted(driver), ['child'])
  assert.equal(driver.all('TaskAdmitted')[0]?.askedBy, null)
  const { child, error } = driver.only('DelegationEnded')
  assert.deepEqual([child.status, error?.code], ['rejected', 'TASK_INVALID'])
})

test('a second record of the same one, while it runs, does nothing', () => {
  const driver = start()
  delegated(driver, 'child')
  assert.deepEqual(delegated(driver, 'child'), [])
})

test('no submission is answered to anybody: parent is a label', () => {
  const driver = start()
  const forged = {
    ...emptyTask,
    taskId: 'forged',
    text: 'Do it.',
    parent: 'parent',
    asked: { by: askedBy, deadlineMs: 1 },
    askedBy,
  }
  driver.send('tasks.submitted', 'TaskSubmitted', forged)
  // The codec drops what the schema does not have; here it is still there.
  const task = driver.only('TaskAdmitted')
  assert.deepEqual([task.parent, task.timeoutMs], ['parent', 60_000])
  assert.equal(task.askedBy, null)
})

test('one that can not be handled answers the call that asked', () => {
  const driver = start()
  const data = {
    taskId: 'child',
    askedBy,
    agent: 'helper',
    text: 'x',
    userId: null,
    priority: 0,
    deadlineMs: START + 1,
    maxCost: null,
  }
  driver.poison('tasks.delegated', 'TaskDelegated', data, failure('HANDLER_FAILED', 'a bug'))
  assert.equal(driver.only('DelegationEnded').child.status, 'failed')
  assert.equal(driver.only('TaskCompleted').taskId, 'child')
})
