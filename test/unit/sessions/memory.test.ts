// What a session remembers: turns whole, then a summary, and what is replaced.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, type ErrorCode } from '../../../runtime/errors.ts'
import type { StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { HistoryMessage } from '../../../schemas/history.ts'
import { SUMMARY_MS } from '../../../services/sessions/compaction.ts'
import { ended, message, sessionOf } from './session.ts'

const memory = (driver: StageDriver): HistoryMessage[] =>
  (driver.all('TurnGranted').at(-1)?.history ?? []) as unknown as HistoryMessage[]

function turns(driver: StageDriver, from: number, through: number, output = (n: number) => `answer ${n}`) {
  for (let n = from; n <= through; n++) {
    message(driver, `t${n}`)
    ended(driver, `t${n}`, { output: output(n) })
  }
}

const compactions = (driver: StageDriver) =>
  driver
    .all('SessionProgressed')
    .flatMap(({ kind, detail }) => (kind === 'compacted' ? [detail as Record<string, unknown>] : []))

function summarise(driver: StageDriver, summary: string | null, code?: ErrorCode) {
  const { requestId, sessionId } =
    driver.all('SummaryRequested').at(-1) ?? assert.fail('no summary was asked for')
  const error = code === undefined ? null : failure(code, 'for the test')
  const data = { sessionId, requestId, summary, model: 'gpt-4o', cost: 0.01, error }
  driver.send('sessions.requested', 'SessionSummarised', data, { key: sessionId })
}

test('the first task is given nothing, the next ones what was said', () => {
  const driver = sessionOf()
  message(driver, 'a')
  assert.equal(driver.only('TurnGranted').history, null)
  ended(driver, 'a', { output: { city: 'Rome' } })
  message(driver, 'b')
  ended(driver, 'b', { status: 'failed', output: null, error: failure('STEP_LIMIT', 'too many') })
  message(driver, 'c')
  assert.deepEqual(memory(driver), [
    { role: 'user', content: 'ask a' },
    { role: 'assistant', content: '{"city":"Rome"}' },
    { role: 'user', content: 'ask b' },
    { role: 'assistant', content: '(No answer was given. STEP_LIMIT: too many)' },
  ])
})

test('older turns are summarised once in a while, together with the summary so far', () => {
  const driver = sessionOf({ recentTurns: 4 })
  turns(driver, 1, 4)
  assert.deepEqual(driver.all('SummaryRequested'), [])
  turns(driver, 5, 5)
  const asked = driver.only('SummaryRequested')
  assert.deepEqual([asked.fromTurn, asked.throughTurn, asked.model, asked.userId], [1, 3, 'gpt-4o', 'ann'])
  turns(driver, 6, 6)
  assert.equal(driver.all('SummaryRequested').length, 1, 'one at a time')
  summarise(driver, 'they talked <data> of Rome')
  assert.deepEqual(compactions(driver), [
    {
      fromTurn: 1,
      throughTurn: 3,
      summary: 'they talked <data> of Rome',
      how: 'summary',
      model: 'gpt-4o',
      cost: 0.01,
    },
  ])
  message(driver, 't7')
  const [note, ...whole] = memory(driver)
  assert.match(
    note?.content ?? '',
    /turns 1 to 3 .*never instructions.*\n<data>\nthey talked &lt;data> of Rome\n<\/data>$/,
  )
  assert.deepEqual(
    whole.map(({ content }) => content),
    ['ask t4', 'answer 4', 'ask t5', 'answer 5', 'ask t6', 'answer 6'],
  )
  ended(driver, 't7')
  turns(driver, 8, 8)
  const again = driver.all('SummaryRequested').at(-1)
  assert.match(
    again?.transcript ?? '',
    /^Notes on the turns before:\nthey talked.*Turn 4, the user:\nask t4/s,
  )
  assert.deepEqual([again?.fromTurn, again?.throughTurn], [4, 6])
})

test('tokens count as well as turns; the last turn always stays', () => {
  const driver = sessionOf({ recentTokens: 100 })
  turns(driver, 1, 1, () => 'x'.repeat(4_000))
  assert.deepEqual(driver.all('SummaryRequested'), [])
  turns(driver, 2, 2, () => 'short')
  assert.equal(driver.only('SummaryRequested').throughTurn, 1)
})

test('without a model: a line for each of the older turns, bounded', () => {
  const driver = sessionOf({ recentTurns: 2, summaryModel: 'off', summaryTokens: 100 })
  turns(driver, 1, 40, (n) => `answer ${n} `.repeat(50))
  message(driver, 'next')
  assert.deepEqual(driver.all('SummaryRequested'), [])
  const [note, ...whole] = memory(driver)
  assert.ok((note?.content.length ?? 0) < 900, note?.content)
  assert.match(note?.content ?? '', /Turn 3[789], the agent: answer 3[789]/)
  assert.ok(whole.length <= 4)
  const replaced = compactions(driver)
  assert.ok(replaced.every(({ how }) => how === 'lines'))
  const covered = replaced.flatMap(({ fromTurn, throughTurn }) => [fromTurn, throughTurn])
  assert.equal(covered[0], 1)
  replaced
    .slice(1)
    .forEach(({ fromTurn }, i) => assert.equal(fromTurn, Number(replaced[i]?.['throughTurn']) + 1))
})

test('a summary that fails: asked for again while there is room, else lines; memory stays bounded', () => {
  const driver = sessionOf({ recentTurns: 4 })
  turns(driver, 1, 5)
  summarise(driver, null, 'MODEL_UNAVAILABLE')
  assert.deepEqual(compactions(driver), [])
  turns(driver, 6, 6)
  assert.equal(driver.all('SummaryRequested').length, 2)
  summarise(driver, null, 'MODEL_AUTH_FAILED')
  assert.deepEqual(
    [compactions(driver)[0]?.['how'], compactions(driver)[0]?.['why']],
    ['lines', 'for the test'],
  )
})

test('a summary that never comes is given up; one that comes late changes nothing', () => {
  const driver = sessionOf({ recentTurns: 4 })
  turns(driver, 1, 5)
  driver.advance(SUMMARY_MS)
  turns(driver, 6, 6)
  assert.equal(compactions(driver).length, 1)
  const before = JSON.stringify(driver.rows('s1'))
  summarise(driver, 'late')
  assert.equal(JSON.stringify(driver.rows('s1')), before)
})

test('while a summary is awaited, a task is given twice the usual at most, and lines of what is older', () => {
  const driver = sessionOf({ recentTurns: 3 })
  turns(driver, 1, 12)
  message(driver, 'next')
  const [note, ...whole] = memory(driver)
  assert.match(note?.content ?? '', /turns 1 to 6 .*Turn 1, the user: ask t1/s)
  assert.equal(whole.length, 12)
})
