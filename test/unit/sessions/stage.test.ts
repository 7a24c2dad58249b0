// Turns of a session: order, one at a time, and each policy for a message that comes while one runs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure } from '../../../runtime/errors.ts'
import { LOST_MS, SETTLE_MS } from '../../../services/sessions/stage.ts'
import { ended, granted, message, sessionOf, settled, START } from './session.ts'

test('one turn at a time, in the order of arrival', () => {
  const driver = sessionOf()
  for (const task of ['a', 'b', 'c']) message(driver, task)
  assert.deepEqual(granted(driver), ['a'])
  ended(driver, 'b')
  assert.deepEqual(granted(driver), ['a'], 'a task that waits ends: nothing changes for the one that runs')
  ended(driver, 'a')
  assert.deepEqual(granted(driver), ['a', 'c'])
  ended(driver, 'c')
  message(driver, 'd')
  assert.deepEqual(granted(driver), ['a', 'c', 'd'])
})

test('events of tasks that neither run nor wait, and events that come twice, change nothing', () => {
  const driver = sessionOf()
  ended(driver, 'nobody')
  assert.deepEqual(driver.rows('s1'), {})
  message(driver, 'a')
  message(driver, 'a')
  message(driver, 'b')
  message(driver, 'b')
  ended(driver, 'a')
  ended(driver, 'a')
  assert.deepEqual(granted(driver), ['a', 'b'])
  assert.equal(driver.all('SessionProgressed').length, 1)
})

test('messages come by different lanes: an idle session waits a moment, and takes them as they were submitted', () => {
  const driver = sessionOf()
  const at = (ms: number) => ({ submittedAtMs: START + ms })
  message(driver, 'second', at(2))
  driver.advance(10)
  message(driver, 'fourth', at(4))
  message(driver, 'first', at(1))
  message(driver, 'no', { ...at(5), whenBusy: 'reject' })
  assert.deepEqual([granted(driver), settled(driver)], [[], ['no SESSION_BUSY']])
  driver.advance(SETTLE_MS)
  message(driver, 'third', at(3))
  for (const task of ['first', 'second', 'third', 'fourth']) ended(driver, task)
  assert.deepEqual(granted(driver), ['first', 'second', 'third', 'fourth'])
})

test('a message whose clock is wrong waits no longer; one that is cancelled meanwhile leaves nothing', () => {
  const driver = sessionOf({ retentionDays: 1 })
  message(driver, 'a', { submittedAtMs: START + 1e9 })
  driver.advance(SETTLE_MS)
  assert.deepEqual(granted(driver), ['a'])
  message(driver, 'b', { sessionId: 's2', submittedAtMs: driver.now })
  ended(driver, 'b', { sessionId: 's2', status: 'cancelled' })
  driver.advance(86_400_000 + SETTLE_MS)
  assert.deepEqual([driver.rows('s2'), driver.timers('s2')], [{}, {}])
})

test('sessions are apart, whatever their ids hold', () => {
  const driver = sessionOf()
  for (const sessionId of ['s1', 's1/summary', 's%2F1', 'Gespräch ✈'])
    message(driver, `of ${sessionId}`, { sessionId })
  assert.equal(granted(driver).length, 4)
})

test('a session belongs to the user that began it, also when nothing runs any more', () => {
  const driver = sessionOf()
  message(driver, 'a')
  ended(driver, 'a', { output: 'a secret' })
  for (const userId of ['bob', null, 'Ann', 'ann '])
    message(driver, `of ${userId}`, { userId, whenBusy: 'steer' })
  assert.deepEqual(granted(driver), ['a'])
  assert.ok(settled(driver).every((line) => line.endsWith('SESSION_FORBIDDEN')))
  assert.equal(settled(driver).length, 4)
  assert.ok(!JSON.stringify(driver.all('TurnSettled')).includes('secret'))
  message(driver, 'b')
  assert.match(JSON.stringify(driver.all('TurnGranted').at(-1)?.history), /a secret/)
})

test('reject: refused while a task runs, taken when none does', () => {
  const driver = sessionOf()
  message(driver, 'a', { whenBusy: 'reject' })
  message(driver, 'b', { whenBusy: 'reject' })
  assert.deepEqual(settled(driver), ['b SESSION_BUSY'])
  ended(driver, 'a')
  message(driver, 'c', { whenBusy: 'reject' })
  assert.deepEqual(granted(driver), ['a', 'c'])
})

test('interrupt: the running task is cancelled once, and the message goes before those that wait', () => {
  const driver = sessionOf()
  message(driver, 'a')
  message(driver, 'b')
  message(driver, 'c', { whenBusy: 'interrupt' })
  message(driver, 'd', { whenBusy: 'interrupt' })
  message(driver, 'e', { whenBusy: 'steer' })
  assert.deepEqual(
    driver.all('TaskCancelled').map(({ taskId }) => taskId),
    ['a'],
  )
  assert.deepEqual(driver.all('TaskSteered'), [], 'nothing is given to a task that is cancelled')
  assert.deepEqual(granted(driver), ['a'], 'the turn is free when the task has ended, not before')
  ended(driver, 'a', { status: 'cancelled', output: null, error: failure('TASK_CANCELLED', 'x') })
  for (const task of ['c', 'd', 'b', 'e']) ended(driver, task)
  assert.deepEqual(granted(driver), ['a', 'c', 'd', 'b', 'e'])
})

test('steer: the running task gets the message; its answer is that of both', () => {
  const driver = sessionOf()
  message(driver, 'a')
  message(driver, 'b', { whenBusy: 'steer', outputSchema: { type: 'string' } })
  const { taskId, fromTask, text, outputSchema } = driver.only('TaskSteered')
  assert.deepEqual([taskId, fromTask, text, outputSchema], ['a', 'b', 'ask b', { type: 'string' }])
  ended(driver, 'a', { steered: ['b'], output: 'both' })
  const { output, by } = driver.only('TurnSettled')
  assert.deepEqual([output, by], ['both', 'a'])
  assert.deepEqual(granted(driver), ['a'])
  message(driver, 'c')
  assert.match(JSON.stringify(driver.all('TurnGranted').at(-1)?.history), /ask a\\n\\nask b.*both/)
})

test('steer: a message whose own task ends first is withdrawn, and is remembered only if a prompt had it', () => {
  for (const [steered, asked] of [
    [['c'], 'ask a\n\nask c'],
    [['b', 'c'], 'ask a\n\nask b\n\nask c'],
  ] as const) {
    const driver = sessionOf()
    message(driver, 'a')
    for (const task of ['b', 'c']) message(driver, task, { whenBusy: 'steer' })
    message(driver, 'd')
    ended(driver, 'b', { status: 'cancelled' })
    ended(driver, 'd', { status: 'cancelled' })
    assert.deepEqual(
      driver.all('TaskSteered').map(({ taskId, fromTask, withdrawn }) => [taskId, fromTask, withdrawn]),
      [
        ['a', 'b', false],
        ['a', 'c', false],
        ['a', 'b', true],
      ],
      'only what was given to the running task is withdrawn from it',
    )
    ended(driver, 'a', { steered: [...steered] })
    assert.deepEqual(settled(driver), ['c succeeded'])
    const [progress] = driver.all('SessionProgressed')
    assert.equal((progress?.detail as { asked: string }).asked, asked)
  }
})

test('steer: a message for another agent waits for a turn of its own', () => {
  const driver = sessionOf()
  message(driver, 'a')
  message(driver, 'b', { whenBusy: 'steer', agent: 'other' })
  assert.deepEqual(driver.all('TaskSteered'), [])
  ended(driver, 'a')
  assert.deepEqual(granted(driver), ['a', 'b'])
})

test('a session stays its user’s when a turn of it is lost', () => {
  const driver = sessionOf()
  message(driver, 'a')
  ended(driver, 'a', { userId: null, status: 'failed', agent: '' })
  assert.deepEqual(
    driver.all('SessionProgressed').map(({ kind, userId }) => [kind, userId]),
    [['turn_ended', 'ann']],
  )
})

test('steer: a message that came too late is the next turn', () => {
  const driver = sessionOf()
  message(driver, 'a')
  message(driver, 'b', { whenBusy: 'steer' })
  message(driver, 'c')
  ended(driver, 'a', { steered: [] })
  assert.deepEqual(granted(driver), ['a', 'b'])
  ended(driver, 'b', { steered: ['c'] })
  assert.deepEqual(
    granted(driver),
    ['a', 'b', 'c'],
    'only a message that was given to a task is answered by it',
  )
})

test('the queue is bounded, with a clear refusal', () => {
  const driver = sessionOf({ waiting: 2 })
  for (const task of ['a', 'b', 'c', 'd']) message(driver, task)
  assert.deepEqual(settled(driver), ['d SESSION_QUEUE_FULL'])
  assert.match(driver.only('TurnSettled').error?.message ?? '', /is full: 2 tasks \(sessions\.waiting\)/)
  ended(driver, 'a')
  message(driver, 'e')
  assert.equal(driver.all('TurnSettled').length, 1)
})

test('a task that would wait for its own parent is refused', () => {
  const driver = sessionOf()
  message(driver, 'a')
  message(driver, 'child', { parent: 'a' })
  assert.deepEqual(settled(driver), ['child SESSION_BUSY'])
  assert.equal(driver.only('TurnSettled').error?.retryable, false)
})

test('a running task that is lost does not hang its session', () => {
  const driver = sessionOf()
  message(driver, 'a')
  message(driver, 'b', { deadlineMs: driver.now + 600_000 })
  driver.advance(60_000 + LOST_MS - 1)
  assert.deepEqual(driver.all('TurnQueried'), [])
  driver.advance(1)
  assert.equal(driver.only('TurnQueried').taskId, 'a')
  driver.advance(LOST_MS)
  assert.equal(driver.all('TurnQueried').length, 2, 'it is asked again, in case the task still ran')
  ended(driver, 'a', { status: 'failed', output: null, error: failure('TURN_LOST', 'x') })
  assert.deepEqual(granted(driver), ['a', 'b'])
})

test('a session that is deleted: what waits is refused, what runs is cancelled, nothing is remembered', () => {
  const driver = sessionOf()
  const remove = (requestedBy = 'ann') =>
    driver.send(
      'sessions.requested',
      'SessionDeleted',
      { sessionId: 's1', requestedBy, atMs: driver.now },
      { key: 's1' },
    )
  message(driver, 'a')
  ended(driver, 'a')
  message(driver, 'b')
  message(driver, 'c')
  remove()
  assert.deepEqual(settled(driver), ['c SESSION_DELETED'])
  assert.equal(driver.only('TaskCancelled').taskId, 'b')
  message(driver, 'd')
  assert.equal(settled(driver).at(-1), 'd SESSION_BUSY')
  ended(driver, 'b', { status: 'cancelled', output: null })
  assert.deepEqual(driver.rows('s1'), {})
  message(driver, 'e', { userId: 'bob' })
  assert.deepEqual([granted(driver).at(-1), driver.all('TurnGranted').at(-1)?.history], ['e', null])
  ended(driver, 'e', { userId: 'bob' })
  remove('ann')
  assert.ok(driver.rows('s1')['session'], 'the id is another user’s session by now')
  remove('bob')
  assert.deepEqual([driver.rows('s1'), driver.timers('s1')], [{}, {}])
  const kinds = driver.all('SessionProgressed').map(({ kind }) => kind)
  assert.deepEqual(kinds, ['turn_ended', 'deleted', 'turn_ended', 'deleted'])
})

test('a session that nobody uses is forgotten when its retention ends, and not while a task runs', () => {
  const driver = sessionOf({ retentionDays: 1 })
  message(driver, 'a')
  ended(driver, 'a')
  message(driver, 'b', { deadlineMs: driver.now + 20 * 86_400_000 })
  driver.advance(2 * 86_400_000)
  assert.ok(driver.rows('s1')['session'])
  ended(driver, 'b')
  driver.advance(86_400_000)
  assert.deepEqual([driver.rows('s1'), driver.timers('s1')], [{}, {}])
  assert.equal(driver.all('SessionProgressed').at(-1)?.kind, 'expired')
})

test('an event that can not be handled: its task has a result, or its turn is free, and the others go on', () => {
  const driver = sessionOf()
  message(driver, 'a')
  message(driver, 'b')
  const reason = failure('HANDLER_FAILED', 'x')
  const [request] = [
    {
      sessionId: 's1',
      task: 'c',
      userId: 'ann',
      agent: 'x',
      whenBusy: 'queue',
      text: '',
      parent: null,
      submittedAtMs: 0,
      deadlineMs: 0,
      outputSchema: null,
      executor: null,
    } as const,
  ]
  driver.poison('sessions.requested', 'TurnRequested', request, reason, { key: 's1' })
  assert.deepEqual(settled(driver), ['c HANDLER_FAILED'])
  const end = {
    sessionId: 's1',
    task: 'a',
    userId: 'ann',
    agent: 'x',
    model: null,
    status: 'succeeded',
    text: '',
    output: null,
    error: null,
    steered: [],
    variables: null,
    endedAtMs: 0,
  } as const
  driver.poison('sessions.requested', 'TurnEnded', { ...end, steered: [] }, reason, { key: 's1' })
  assert.deepEqual(granted(driver), ['a', 'b'])
})
