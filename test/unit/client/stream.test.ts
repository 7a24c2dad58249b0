// Streams that readers take from (client/stream.ts), and one tail that feeds many (client/fan-out.ts).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FanOut } from '../../../client/fan-out.ts'
import { Stream } from '../../../client/stream.ts'
import type { LogRecord } from '../../../runtime/log/port.ts'

const taken = async <T>(stream: Stream<T>): Promise<T[]> => {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

test('whoever ends a stream, what feeds it is released, once', async () => {
  for (const end of [
    (stream: Stream<number>) => stream.end(),
    (stream: Stream<number>) => stream.end(new Error('broken')),
    (stream: Stream<number>) => stream.return(),
    async (stream: Stream<number>) => {
      await stream.return()
      stream.end()
    },
  ]) {
    let released = 0
    const stream = new Stream<number>(() => void released++)
    const waiting = stream.next().catch((error: Error) => error.message)
    await end(stream)
    assert.equal(released, 1)
    const answer = await waiting
    assert.ok(answer === 'broken' || (typeof answer === 'object' && answer.done === true))
  }
})

test('what was kept is taken before the error that ended the stream', async () => {
  const stream = new Stream<number>()
  await stream.push(1)
  stream.end(new Error('broken'))
  assert.deepEqual(await stream.next(), { done: false, value: 1 })
  await assert.rejects(stream.next(), /broken/)
})

test('offer keeps so many items, and so many bytes, and no more', () => {
  const items = new Stream<number>(() => {}, { items: 4, bytes: 100 })
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((item) => items.offer(item, 1)),
    [true, true, true, true, false],
  )
  const halves = new Stream<number>(() => {}, { items: 4, bytes: 100 })
  assert.deepEqual(
    [1, 2, 3].map((item) => halves.offer(item, 1, 0.5)),
    [true, true, false],
  )
  const large = new Stream<string>()
  assert.deepEqual(
    ['a', 'b', 'c'].map((item) => large.offer(item, 600_000)),
    [true, false, false],
  )
})

const record = (key: string, value: string): LogRecord => ({
  topic: 'tasks.history',
  partition: 0,
  offset: 0,
  key,
  value: Buffer.from(value),
  headers: {},
  timestampMs: 0,
})

function fanOut() {
  const handlers: ((records: readonly LogRecord[]) => Promise<void>)[] = []
  let closed = 0
  let translated = 0
  const fan = new FanOut<string>({
    tail: (handler) => {
      handlers.push(handler)
      return { ready: Promise.resolve(), close: () => Promise.resolve(void closed++) }
    },
    nameOf: ({ key }) => key ?? '',
    translate: ({ value }) => {
      translated++
      const text = String(value)
      return text === 'bad' ? Promise.reject(new Error('unreadable')) : Promise.resolve(text)
    },
    isLast: (item) => item === 'last',
    isBestEffort: (item) => item === 'text',
  })
  const pass = (...records: LogRecord[]) => (handlers.at(-1) as (typeof handlers)[0])(records)
  return { fan, pass, counts: () => ({ opened: handlers.length, closed, translated }), handlers }
}

test('all who follow share one tail; what nobody follows is not decoded; the last to leave closes it', async () => {
  const { fan, pass, counts } = fanOut()
  const [one, two, other] = ['a', 'a', 'b'].map((name) => fan.follow(name).stream) as [
    Stream<string>,
    Stream<string>,
    Stream<string>,
  ]
  await pass(record('a', 'x'), record('c', 'y'), record('a', 'last'))
  assert.deepEqual(await Promise.all([taken(one), taken(two)]), [
    ['x', 'last'],
    ['x', 'last'],
  ])
  assert.deepEqual(counts(), { opened: 1, closed: 0, translated: 2 })
  await other.return()
  assert.deepEqual(counts(), { opened: 1, closed: 1, translated: 2 })
  fan.follow('a')
  assert.equal(counts().opened, 2)
})

test('a tail that was closed gives nothing to those who came after', async () => {
  const { fan, handlers } = fanOut()
  await fan.follow('a').stream.return()
  const { stream } = fan.follow('a')
  await handlers[0]?.([record('a', 'old')])
  await handlers[1]?.([record('a', 'last')])
  assert.deepEqual(await taken(stream), ['last'])
})

test('a reader that does not take what comes loses best effort first, then its stream; others lose nothing', async () => {
  const { fan, pass } = fanOut()
  const slow = fan.follow('a').stream
  const quick = fan.follow('a').stream
  const seen: string[] = []
  const reading = (async () => {
    for await (const item of quick) seen.push(item)
  })()
  for (let count = 0; count < 600; count++) await pass(record('a', 'text'))
  for (let count = 0; count < 501; count++) await pass(record('a', 'x'))
  await pass(record('a', 'last'))
  await reading
  assert.equal(seen.length, 1_102)
  const kept: string[] = []
  await assert.rejects(
    async () => {
      for await (const item of slow) kept.push(item)
    },
    { code: 'READER_TOO_SLOW' },
  )
  assert.deepEqual([kept.filter((item) => item === 'text').length, kept.length], [500, 1_000])
})

test('what can’t be read ends the streams of those who asked for it, and no others', async () => {
  const { fan, pass } = fanOut()
  const [bad, good] = [fan.follow('a').stream, fan.follow('b').stream]
  await pass(record('a', 'bad'), record('b', 'last'))
  await assert.rejects(taken(bad), /unreadable/)
  assert.deepEqual(await taken(good), ['last'])
})
