// Ids that were answered: found while they are kept, forgotten by the bucket, restored from rows in any order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import { failure } from '../../../runtime/errors.ts'
import type { StageEvent } from '../../../runtime/stage.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import { Answered, FORGET_ANSWERED } from '../../../services/router/answered.ts'
import { ANSWER_BUCKET_MS, REMEMBER_MS } from '../../../services/router/constants.ts'
import { emptyTask } from '../../../schemas/task-fields.ts'
import { rowOf, Schedule } from '../../../services/router/schedule.ts'
import { createRouterStage } from '../../../services/router/stage.ts'
import { fleetOf } from './fleet.ts'

const budgets = { ...defaultLimits.budgets, fleetTokens: null, userTokens: null, modelTokens: null }
const rates = { ...defaultLimits.rates, userRequests: null, userTokens: null }
const stage = createRouterStage(fleetOf({ limits: { ...defaultLimits, budgets, rates } }))

const submit = (driver: StageDriver, taskId: string) =>
  driver.send('tasks.submitted', 'TaskSubmitted', { ...emptyTask, text: 'Do it.', taskId })
const close = (driver: StageDriver, taskId: string) =>
  driver.send('tools.requested', 'TaskClosed', { taskId, status: 'succeeded', deadlineMs: null })
const rowsOf = (driver: StageDriver) => Object.keys(driver.laneRows())

/** A driver at the beginning of a bucket. */
const atBucket = (bucket: number) => drive(stage, { now: bucket * ANSWER_BUCKET_MS })

function keep(answered: Answered, taskId: string, atMs: number): void {
  for (const [row, value] of Object.entries(answered.keep(taskId, atMs).lane)) answered.write(row, value)
}

test('an answer is one row of the lane and no timer, but for the first of its bucket', () => {
  const driver = atBucket(81_000)
  for (const taskId of ['a', 'b', 'c:d']) {
    submit(driver, taskId)
    close(driver, taskId)
  }
  assert.deepEqual(driver.laneRows(), {
    'answered:81000:a': 1,
    'answered:81000:b': 1,
    'answered:81000:c:d': 1,
  })
  assert.deepEqual(driver.rows('a'), {})
  assert.deepEqual(driver.timers('a'), { [FORGET_ANSWERED]: 81_001 * ANSWER_BUCKET_MS + REMEMBER_MS })
  assert.deepEqual([driver.timers('b'), driver.timers('c:d')], [{}, {}])
})

test('buckets end one after the other, seven days after their last moment, also in a lane that was opened again', () => {
  const driver = atBucket(81_000)
  submit(driver, 'first')
  driver.advance(ANSWER_BUCKET_MS - 1)
  submit(driver, 'last')
  driver.advance(1)
  submit(driver, 'next')
  for (const taskId of ['first', 'last', 'next']) close(driver, taskId)
  driver.reopen()
  driver.advance(REMEMBER_MS - 1)
  for (const taskId of ['first', 'last', 'next']) assert.deepEqual(submit(driver, taskId), [])
  driver.advance(1)
  assert.deepEqual(rowsOf(driver), ['answered:81001:next'])
  driver.advance(ANSWER_BUCKET_MS)
  assert.deepEqual(rowsOf(driver), [])
  assert.equal(submit(driver, 'first').length, 2)
})

test('a bucket of many ids is forgotten some at a time, every one of them', () => {
  const lane = new Schedule()
  for (let n = 0; n < 2_500; n++) keep(lane.answered, `t-${n}`, 5)
  let event: StageEvent = {
    type: 'TimerFired',
    data: { name: FORGET_ANSWERED },
    ...{ id: 'e', key: 't-0', lane: 0, traceId: null },
    atMs: ANSWER_BUCKET_MS + REMEMBER_MS,
  }
  const deleted: number[] = []
  for (let due: number | null | undefined = event.atMs; typeof due === 'number';) {
    const decision = stage.decide(event, {}, lane)
    deleted.push(Object.keys(decision.lane ?? {}).length)
    for (const [row, value] of Object.entries(decision.lane ?? {})) lane.write(row, value)
    due = decision.timers?.[FORGET_ANSWERED]
    event = { ...event, atMs: due ?? event.atMs }
  }
  assert.deepEqual([deleted, lane.answered.size], [[1_000, 1_000, 500], 0])
})

test('what an event of an old time is remembered for is over at once, and does not stay', () => {
  const driver = atBucket(81_000)
  const answered = new Answered()
  assert.deepEqual(answered.keep('late', 0).timers, { [FORGET_ANSWERED]: ANSWER_BUCKET_MS + REMEMBER_MS })
  submit(driver, 'a')
  driver.advance(10 * REMEMBER_MS)
  assert.deepEqual(rowsOf(driver), [])
  submit(driver, 'a')
  driver.advance(10 * REMEMBER_MS)
  assert.deepEqual(rowsOf(driver), [], 'a bucket sets its timer each time that it begins')
})

test('ids are told apart by all of their characters, whatever bucket they are in; other rows are not its own', () => {
  const answered = new Answered()
  keep(answered, 'a', 0)
  keep(answered, '1:a', 3 * ANSWER_BUCKET_MS)
  assert.deepEqual(
    ['a', '1:a', 'A', ':a', ''].map((id) => answered.has(id)),
    [true, true, false, false, false],
  )
  assert.equal(answered.write('task:a', { at: 'work' }), false)
  answered.write('answered:0:a', null)
  answered.write('answered:7:a', null)
  assert.deepEqual([answered.has('a'), answered.size], [false, 1])
})

test('an answer of an earlier version counts as one, and its own timer ends it with the place that it holds', () => {
  const lane = new Schedule()
  lane.write(rowOf('old'), { at: 'work' })
  const rows = { task: { answer: 'admitted', atMs: 1 } } as const
  const meta = { id: 'e', key: 'old', lane: 0, atMs: REMEMBER_MS + 1, traceId: null }
  const again = { ...emptyTask, text: 'Do it.', taskId: 'old' }
  assert.deepEqual(stage.decide({ type: 'TaskSubmitted', data: again, ...meta }, rows, lane), {})
  const ended = stage.decide({ type: 'TimerFired', data: { name: 'forget' }, ...meta }, rows, lane)
  assert.deepEqual([ended.rows, { ...ended.lane }], [{ task: null, granted: null }, { [rowOf('old')]: null }])
})

test('the timer of a cancel that made room for others frees no place of its task, and forgets no answer', () => {
  const lane = new Schedule()
  lane.write(rowOf('t'), { at: 'work' })
  keep(lane.answered, 't', 0)
  const meta = { id: 'e', key: 't', lane: 0, atMs: 1, traceId: null }
  const ended = stage.decide({ type: 'TimerFired', data: { name: 'forget' }, ...meta }, {}, lane)
  assert.deepEqual(Object.keys(ended.lane ?? {}), [])
})

test('an estimate whose return was given up is not kept for good', () => {
  const meta = { id: 'e', key: 't', lane: 0, atMs: 1, traceId: null }
  const rows = { granted: { userId: null, submittedAtMs: 0 } }
  const reason = failure('INTERNAL', 'no')
  const event = { type: 'TimerFired', data: { name: 'give back' }, ...meta } as const
  assert.deepEqual(stage.poisoned?.(event, rows, reason, new Schedule()), { rows: { granted: null } })
})

test('ids whose timer was given up are forgotten by a later one, and a cancel at once', () => {
  const meta = { id: 'e', key: 't', lane: 0, atMs: 1, traceId: null }
  const given = (name: string, lane: Schedule) =>
    stage.poisoned?.({ type: 'TimerFired', data: { name }, ...meta }, {}, failure('PROCESS_DIED', 'no'), lane)
  assert.deepEqual(given('forget answered', new Schedule()), { timers: { 'forget answered': 3_600_001 } })
  const lane = new Schedule()
  for (const [name, row] of Object.entries(lane.cancels.keep('t', { reason: 'no', atMs: 0 })))
    lane.write(name, row)
  assert.deepEqual(Object.values(given('forget', lane)?.lane ?? {}), [null])
})

const DAY_MS = 86_400_000

test('an id is remembered until a day after the deadline of its task, however long that may run', () => {
  const driver = atBucket(81_000)
  const submitLong = () =>
    driver.send('tasks.submitted', 'TaskSubmitted', {
      ...emptyTask,
      text: 'Do it.',
      taskId: 'long',
      maxSteps: 10_000,
      timeoutMs: 30 * DAY_MS,
    })
  submitLong()
  assert.equal(driver.all('TaskAdmitted').length, 1)
  driver.advance(8 * DAY_MS)
  submitLong()
  assert.equal(driver.all('TaskAdmitted').length, 1, 'a running task was begun twice')
  driver.advance(22 * DAY_MS)
  close(driver, 'long')
  submitLong()
  assert.equal(driver.all('TaskAdmitted').length, 1)
  driver.advance(DAY_MS + 2 * ANSWER_BUCKET_MS)
  assert.deepEqual(driver.laneRows(), {})
})

test('a task with a long time limit keeps its slot, or its place in the queue, beyond seven days', () => {
  const queue = { ...defaultLimits.queue, inFlight: 1 }
  const limits = { ...defaultLimits, budgets, rates, queue }
  const driver = drive(createRouterStage(fleetOf({ limits })), { now: 81_000 * ANSWER_BUCKET_MS })
  for (const taskId of ['runs', 'waits'])
    driver.send('tasks.submitted', 'TaskSubmitted', {
      ...emptyTask,
      text: 'Do it.',
      taskId,
      timeoutMs: 30 * DAY_MS,
    })
  driver.advance(20 * DAY_MS)
  assert.deepEqual(
    driver.all('TaskAdmitted').map(({ taskId }) => taskId),
    ['runs'],
  )
  driver.send('tasks.control', 'TaskCancelled', { taskId: 'runs', reason: null, requestedBy: null })
  assert.equal(driver.all('TaskCancelled').length, 1, 'a cancel of a running task is passed on')
  close(driver, 'runs')
  assert.deepEqual(
    driver.all('TaskAdmitted').map(({ taskId }) => taskId),
    ['runs', 'waits'],
  )
})
