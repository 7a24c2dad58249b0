// Priorities and turns: who of those that wait in a lane is admitted next.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import type { QueueLimits } from '../../../runtime/config/queue-limits.ts'
import { failure } from '../../../runtime/errors.ts'
import { MissingRow } from '../../../runtime/errors/missing-row.ts'
import type { StageEvent } from '../../../runtime/stage.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import { delegationHeld, held, released } from '../../support/held-events.ts'
import { ownMs } from '../../support/own-time.ts'
import type { TaskCompleted, TaskSubmitted } from '../../../schemas/generated/events.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'
import { rowOf, Schedule } from '../../../services/router/schedule.ts'
import { createRouterStage } from '../../../services/router/stage.ts'
import { fleetOf } from './fleet.ts'

const DAY_MS = 86_400_000
/** Nothing but the queue limits a task. */
const stageOf = (queue: Partial<QueueLimits>) => {
  const budgets = { ...defaultLimits.budgets, fleetTokens: null, userTokens: null, modelTokens: null }
  const rates = { ...defaultLimits.rates, userRequests: null, userTokens: null }
  const limits = { ...defaultLimits, budgets, rates, queue: { ...defaultLimits.queue, ...queue } }
  return createRouterStage(fleetOf({ limits }))
}

const routerOf = (queue: Partial<QueueLimits>) => drive(stageOf(queue))

function submit(
  driver: StageDriver,
  taskId: string,
  userId: string | null = null,
  changes: Partial<TaskSubmitted> = {},
) {
  const task = { ...emptyTask, text: 'Do it.', taskId, userId, timeoutMs: DAY_MS, ...changes }
  return driver.send('tasks.submitted', 'TaskSubmitted', task)
}

const close = (driver: StageDriver, taskId: string) =>
  driver.send('tools.requested', 'TaskClosed', { taskId, status: 'succeeded', deadlineMs: null })
const cancel = (driver: StageDriver, taskId: string) =>
  driver.send('tasks.control', 'TaskCancelled', { taskId, reason: null, requestedBy: null })
const admitted = (driver: StageDriver) => driver.all('TaskAdmitted').map(({ taskId }) => taskId)

const slotRows = (driver: StageDriver) =>
  Object.keys(driver.laneRows()).filter((row) => !row.startsWith('answered:'))

/** Ends whatever is at work until nothing is; the order in which tasks were admitted. */
function drain(driver: StageDriver): string[] {
  for (let done = 0; done < admitted(driver).length; done++) close(driver, admitted(driver)[done] as string)
  return admitted(driver)
}

test('while the window has room a task is admitted in its own turn; beyond it, it waits', () => {
  const driver = routerOf({ inFlight: 2 })
  for (const id of ['a', 'b', 'c']) submit(driver, id)
  assert.deepEqual(admitted(driver), ['a', 'b'])
  const kinds = driver.all('TaskProgressed').map(({ taskId, kind }) => `${taskId} ${kind}`)
  assert.deepEqual(kinds, ['a admitted', 'b admitted', 'c queued'])
  close(driver, 'b')
  assert.deepEqual(admitted(driver), ['a', 'b', 'c'])
  assert.equal(driver.all('TaskProgressed').at(-1)?.kind, 'admitted')
})

test('a task that waited keeps its deadline, its time of submission and its own trace', () => {
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'a')
  const submittedAtMs = driver.now
  const data = { ...emptyTask, text: 'Do it.', taskId: 'b', timeoutMs: 50_000 }
  const traceparent = `00-${'b'.repeat(32)}-${'1'.repeat(16)}-01`
  driver.send('tasks.submitted', 'TaskSubmitted', data, { traceparent })
  driver.advance(5_000)
  const [task, progress] = close(driver, 'a')
  assert.deepEqual([task?.traceparent, progress?.traceparent], [traceparent, traceparent])
  assert.ok(task?.type === 'TaskAdmitted')
  assert.deepEqual(
    [task.data.taskId, task.data.submittedAtMs, task.data.deadlineMs],
    ['b', submittedAtMs, submittedAtMs + 50_000],
  )
  const told = driver.all('TaskProgressed').at(-1)?.detail as { queuedMs: number }
  assert.equal(told.queuedMs, 5_000)
})

test('users take turns: one who comes late waits for at most one task of each other user', () => {
  const driver = routerOf({ inFlight: 1 })
  for (let n = 1; n <= 6; n++) submit(driver, `heavy${n}`, 'heavy')
  close(driver, 'heavy1')
  submit(driver, 'late1', 'late')
  submit(driver, 'other1', 'other')
  submit(driver, 'late2', 'late')
  assert.deepEqual(drain(driver), [
    ...['heavy1', 'heavy2'],
    ...['heavy3', 'late1', 'other1'],
    ...['heavy4', 'late2', 'heavy5', 'heavy6'],
  ])
})

test('one who submits again and again gets no more than a turn', () => {
  const driver = routerOf({ inFlight: 1 })
  for (let n = 1; n <= 4; n++) submit(driver, `heavy${n}`, 'heavy')
  for (let n = 1; n <= 6; n++) {
    if (n <= 4) submit(driver, `eager${n}`, 'eager')
    close(driver, admitted(driver).at(-1) as string)
  }
  assert.deepEqual(admitted(driver).slice(1, 7), ['heavy2', 'eager1', 'heavy3', 'eager2', 'heavy4', 'eager3'])
})

test('a higher priority goes first, whoever it belongs to', () => {
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'first', 'a')
  submit(driver, 'low', 'a', { priority: 0 })
  submit(driver, 'middle', 'a', { priority: 4 })
  submit(driver, 'high', 'a', { priority: 9 })
  submit(driver, 'middle2', 'b', { priority: 4 })
  assert.deepEqual(drain(driver), ['first', 'high', 'middle', 'middle2', 'low'])
})

test('a task that waits is ended by a cancel or its deadline, with one result; one at work is not', () => {
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'work', null, { timeoutMs: 1_000 })
  submit(driver, 'cancelled', 'ann')
  submit(driver, 'late', null, { timeoutMs: 2_000 })
  submit(driver, 'waits', null, { timeoutMs: 9_000 })
  driver.advance(500)
  cancel(driver, 'cancelled')
  cancel(driver, 'cancelled')
  cancel(driver, 'work')
  driver.advance(2_500)
  const results = driver
    .all('TaskCompleted')
    .map(({ taskId, status, executionTime }) => [taskId, status, executionTime])
  assert.deepEqual(results, [
    ['cancelled', 'cancelled', 500],
    ['late', 'timed_out', 2_000],
  ])
  assert.deepEqual(drain(driver), ['work', 'waits'])
  driver.advance(60_000)
  assert.equal(driver.all('TaskCompleted').length, 2, 'the deadline of a task at work is the planner’s')
})

test('a lane that is opened again goes on where it was: nothing lost, nothing twice', () => {
  const driver = routerOf({ inFlight: 2 })
  for (const id of ['h1', 'h2', 'h3', 'h4', 'h5']) submit(driver, id, 'heavy')
  submit(driver, 'l1', 'late')
  driver.reopen()
  close(driver, 'h1')
  close(driver, 'h1')
  driver.reopen()
  assert.deepEqual(drain(driver), ['h1', 'h2', 'h3', 'l1', 'h4', 'h5'])
  assert.deepEqual(slotRows(driver), [], 'no slot is kept')
})

test('a larger window fills with the next end of a task; a smaller one lets it run empty first', () => {
  const driver = routerOf({ inFlight: 1 })
  for (const id of ['a', 'b', 'c', 'd', 'e']) submit(driver, id)
  driver.reopen(stageOf({ inFlight: 3 }) as never)
  close(driver, 'a')
  assert.deepEqual(admitted(driver), ['a', 'b', 'c', 'd'])
  driver.reopen(stageOf({ inFlight: 1 }) as never)
  close(driver, 'b')
  close(driver, 'c')
  assert.deepEqual(admitted(driver), ['a', 'b', 'c', 'd'])
  close(driver, 'd')
  assert.deepEqual(admitted(driver), ['a', 'b', 'c', 'd', 'e'])
})

test('what router rejects takes no place; an end that nobody waits for changes nothing', () => {
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'empty', null, { text: ' ' })
  close(driver, 'stranger')
  submit(driver, 'a')
  assert.deepEqual(admitted(driver), ['a'])
})

test('a task is handled again after it was given its place: it keeps that place', () => {
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'a')
  const task = { ...emptyTask, text: 'Do it.', taskId: 'a' }
  const reason = failure('HANDLER_FAILED', 'threw')
  driver.poison('tasks.submitted', 'TaskSubmitted', task, reason)
  assert.deepEqual(slotRows(driver), [], 'a submission that went to dead-letters holds no slot')
})

test('more than may wait is rejected: of one user, and of all', () => {
  const driver = routerOf({ inFlight: 1, waiting: 3, waitingPerUser: 2 })
  for (const id of ['h1', 'h2', 'h3', 'h4']) submit(driver, id, 'heavy')
  for (const id of ['a1', 'a2']) submit(driver, id, 'ann')
  const refused = driver.all('TaskCompleted').map(({ taskId, error }) => [taskId, error?.code])
  assert.deepEqual(refused, [
    ['h4', 'QUEUE_FULL'],
    ['a2', 'QUEUE_FULL'],
  ])
  assert.match(driver.all('TaskCompleted')[0]?.error?.message ?? '', /user "heavy".*waitingPerUser/)
})

test('7 days later even a place whose task was never heard of again is free', () => {
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'lost')
  driver.advance(6 * DAY_MS + DAY_MS / 2)
  submit(driver, 'waits')
  driver.advance(DAY_MS)
  assert.deepEqual(admitted(driver), ['lost', 'waits'])
})

test('50,000 tasks of one user wait: another one’s is second, and each is found without walking them', () => {
  const lane = new Schedule()
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'a')
  const sample = driver.only('TaskAdmitted')
  const enter = (taskId: string, userId: string) =>
    lane.write(rowOf(taskId), lane.queuedRow({ ...sample, taskId, userId }, null))
  for (let n = 0; n < 50_000; n++) enter(`h${n}`, 'heavy')
  enter('late', 'late')
  const order: string[] = []
  const startedMs = ownMs()
  for (let [next] = lane.next(1); next; [next] = lane.next(1)) {
    order.push(next.task.taskId)
    lane.write(rowOf(next.task.taskId), { at: 'work' })
  }
  const tookMs = ownMs() - startedMs
  assert.deepEqual(order.slice(0, 3), ['h0', 'late', 'h1'])
  assert.equal(order.length, 50_001)
  assert.ok(tookMs < 5_000, `${tookMs} ms: walking the queue for each would take minutes`)
})

test('a waiting task whose row is lost gets a result all the same: by its deadline, or by a cancel', () => {
  const stage = stageOf({})
  const lane = new Schedule()
  lane.write(rowOf('lost'), new MissingRow('0'.repeat(64)))
  lane.write(rowOf('well'), { at: 'work' })
  assert.deepEqual([lane.waiting, lane.running], [0, 1])
  const meta = { id: 'e', key: 'lost', lane: 0, atMs: 5, traceId: null }
  const rows = { task: { answer: 'admitted', atMs: 1 } } as const
  const events: StageEvent[] = [
    { type: 'TimerFired', data: { name: 'deadline' }, ...meta },
    { type: 'TaskCancelled', data: { taskId: 'lost', reason: null, requestedBy: null }, ...meta },
  ]
  for (const event of events) {
    const { emit = [], lane: changed, timers } = stage.decide(event, rows, lane)
    const results = emit.filter(({ type }) => type === 'TaskCompleted')
    const [result] = results.map(({ data }) => data as TaskCompleted)
    assert.deepEqual(
      [results.length, result?.taskId, result?.status, result?.error?.code],
      [1, 'lost', 'failed', 'PAYLOAD_MISSING'],
    )
    assert.deepEqual([{ ...changed }, timers], [{ [rowOf('lost')]: null }, { deadline: null }])
  }
  lane.write(rowOf('lost'), null)
  assert.equal(lane.isLost('lost'), false)
})

test('a task whose call waits for a person frees its slot, and takes it again even if none is free', () => {
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'a')
  submit(driver, 'b')
  submit(driver, 'c')
  const call = { taskId: 'a', callId: 'a.1.0', requester: 'planner' } as const
  const second = { ...call, callId: 'a.1.1' }
  for (const one of [call, second, call]) driver.send('tools.completed', 'CallHeld', held(one, driver.now))
  assert.deepEqual(admitted(driver), ['a', 'b'], 'one slot, however many calls wait')
  driver.send('tools.completed', 'CallReleased', released(call, driver.now))
  close(driver, 'b')
  assert.deepEqual(admitted(driver), ['a', 'b', 'c'])
  driver.send('tools.completed', 'CallReleased', released(second, driver.now))
  submit(driver, 'd')
  close(driver, 'c')
  assert.deepEqual(admitted(driver), ['a', 'b', 'c'], 'a runs again')
  close(driver, 'a')
  assert.deepEqual(admitted(driver), ['a', 'b', 'c', 'd'])
  // From another topic, after the end.
  driver.send('tools.completed', 'CallReleased', released(call, driver.now))
  driver.send('tools.completed', 'CallHeld', held(call, driver.now))
  assert.deepEqual(slotRows(driver), ['task:d'])
})

test('a task that waits with one that it delegated frees its slot too', () => {
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'a')
  submit(driver, 'b')
  const call = { taskId: 'a', callId: 'a.1.0' }
  driver.send('tools.completed', 'DelegationHeld', delegationHeld(call, driver.now))
  assert.deepEqual(admitted(driver), ['a', 'b'])
  driver.send('tools.completed', 'DelegationHeld', delegationHeld(call, 0, driver.now))
  submit(driver, 'c')
  close(driver, 'b')
  assert.deepEqual(admitted(driver), ['a', 'b'], 'a runs again')
  close(driver, 'a')
  assert.deepEqual(admitted(driver), ['a', 'b', 'c'])
})

test('a task that waits for a person can be cancelled', () => {
  const driver = routerOf({ inFlight: 1 })
  submit(driver, 'a')
  driver.send(
    'tools.completed',
    'CallHeld',
    held({ taskId: 'a', callId: 'a.1.0', requester: 'planner' }, driver.now),
  )
  assert.equal(cancel(driver, 'a').length, 1, 'it is passed on to the planner')
})
