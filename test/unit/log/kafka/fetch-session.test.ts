// What an incremental fetch session sends: only what has changed since the last request.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorType } from '../../../../runtime/log/kafka/errors.ts'
import { FetchSession } from '../../../../runtime/log/kafka/fetch/session.ts'
import { fetchingBroker, type Answer, type Fetched } from './fetching-broker.ts'

const limits = { maxWaitMs: 100, minBytes: 1, maxBytes: 1_000, partitionBytes: 500 }
const SESSION = 7

interface Cursor {
  topic: string
  partition: number
  offset: number
}
const cursor = (topic: string, partition: number, offset = 0): Cursor => ({ topic, partition, offset })

/** A session whose requests are answered in turn; after the last answer as it was the last time. */
function sessionWith(answers: readonly (Answer | Error)[]) {
  const { broker, requests } = fetchingBroker(
    () => answers[Math.min(requests.length, answers.length) - 1] as Answer,
  )
  const session = new FetchSession()
  const fetch = (...wanted: Cursor[]) => session.fetch(broker, wanted, limits)
  return { fetch, requests }
}

const shown = ({ session, named, forgotten }: Fetched) => ({ ...session, named, forgotten })

test('after the first request only changes are sent, and partitions that are no longer wanted are dropped', async () => {
  const { fetch, requests } = sessionWith([{ sessionId: SESSION }])
  const [a, b] = [cursor('a', 0), cursor('b', 1)]
  await fetch(a, b)
  await fetch(a, b)
  b.offset = 2 ** 40
  await fetch(a, b)
  await fetch(b)
  await fetch(a, b)
  assert.deepEqual(requests.map(shown), [
    { id: 0, epoch: 0, named: ['a[0]@0', 'b[1]@0'], forgotten: [] },
    { id: SESSION, epoch: 1, named: [], forgotten: [] },
    { id: SESSION, epoch: 2, named: ['b[1]@1099511627776'], forgotten: [] },
    { id: SESSION, epoch: 3, named: [], forgotten: ['a[0]'] },
    { id: SESSION, epoch: 4, named: ['a[0]@0'], forgotten: [] },
  ])
})

test('a new reader of a partition replaces the old one: it is named, and not forgotten', async () => {
  const { fetch, requests } = sessionWith([{ sessionId: SESSION }])
  await fetch(cursor('a', 0, 5), cursor('a', 1, 5))
  await fetch(cursor('a', 0, 3))
  assert.deepEqual(requests.map(shown).at(-1), {
    id: SESSION,
    epoch: 1,
    named: ['a[0]@3'],
    forgotten: ['a[1]'],
  })
})

test('records are answered by partition', async () => {
  const partitions = [{ topic: 'b', partition: 1, offsets: [4, 6] }]
  const { fetch } = sessionWith([{ sessionId: SESSION }, { sessionId: SESSION, partitions }])
  const [a, b] = [cursor('a', 0), cursor('b', 1)]
  assert.deepEqual(await fetch(a, b), [])
  const found = await fetch(a, b)
  assert.deepEqual(
    found.map(({ topic, partition, messages }) => [topic, partition, messages.map(({ offset }) => offset)]),
    [['b', 1, ['4', '6']]],
  )
})

for (const [name, code] of [
  ['forgotten', 70],
  ['out of step', 71],
] as const)
  test(`a session that the broker has ${name} begins again at once, with every partition`, async () => {
    const { fetch, requests } = sessionWith([{ sessionId: SESSION }, { error: code }, { sessionId: 8 }])
    const a = cursor('a', 0, 9)
    await fetch(a)
    await fetch(a)
    await fetch(a)
    assert.deepEqual(requests.map(shown), [
      { id: 0, epoch: 0, named: ['a[0]@9'], forgotten: [] },
      { id: SESSION, epoch: 1, named: [], forgotten: [] },
      { id: 0, epoch: 0, named: ['a[0]@9'], forgotten: [] },
      { id: 8, epoch: 1, named: [], forgotten: [] },
    ])
  })

test('a request that failed leaves it unknown what the broker remembers: the next one names everything', async () => {
  const lost = new Error('connection closed')
  const { fetch, requests } = sessionWith([{ sessionId: SESSION }, lost, { sessionId: 8 }])
  const a = cursor('a', 0)
  await fetch(a)
  await assert.rejects(fetch(a), lost)
  await fetch(a)
  assert.deepEqual(requests.map(shown).at(-1), { id: 0, epoch: 0, named: ['a[0]@0'], forgotten: [] })
})

test('an error of one partition is its own, and the session goes on: another would take the place of others', async () => {
  const partitions = [
    { topic: 'a', partition: 0, offsets: [0] },
    { topic: 'b', partition: 1, error: 1 },
  ]
  const failing = { sessionId: SESSION, partitions }
  const { fetch, requests } = sessionWith([{ sessionId: SESSION }, failing, { sessionId: SESSION }])
  const [a, b] = [cursor('a', 0), cursor('b', 1)]
  await fetch(a, b)
  const found = await fetch(a, b)
  assert.deepEqual(
    found.map(({ topic, messages, error }) => [topic, messages.length, errorType(error)]),
    [
      ['a', 1, null],
      ['b', 0, 'OFFSET_OUT_OF_RANGE'],
    ],
  )
  await fetch(a, b)
  assert.deepEqual(requests.map(shown).at(-1), { id: SESSION, epoch: 2, named: [], forgotten: [] })
})

test('a broker without sessions is sent everything each time', async () => {
  const { fetch, requests } = sessionWith([{ sessionId: 0 }])
  const a = cursor('a', 0)
  await fetch(a)
  await fetch(a)
  const whole = { id: 0, epoch: 0, named: ['a[0]@0'], forgotten: [] }
  assert.deepEqual(requests.map(shown), [whole, whole])
})

test('where the broker keeps no session each request begins with another partition, and none is left out', async () => {
  const { fetch, requests } = sessionWith([{ sessionId: 0 }])
  const wanted = [cursor('a', 0), cursor('b', 0), cursor('c', 0)]
  for (let time = 0; time < 4; time++) await fetch(...wanted)
  assert.deepEqual(
    requests.map(({ named }) => named.map((each) => each[0]).join('')),
    ['abc', 'bca', 'cab', 'abc'],
  )
})
