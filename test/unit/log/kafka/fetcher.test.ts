// What is asked for together and apart, and how long a broker is asked to hold an empty fetch.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker } from '../../../../runtime/log/kafka/connection/client.ts'
import { Fetcher } from '../../../../runtime/log/kafka/fetch/fetcher.ts'
import type { Stuck } from '../../../../runtime/log/kafka/produce/open-transactions.ts'
import { eventually } from '../../../conformance/waiting.ts'
import { fetchingBroker, linkTo } from './fetching-broker.ts'

const WAIT_MS = 2

function fetcherOf(
  broker: Broker,
  options: { report?: (report: string) => void; openAfterMs?: number } = {},
) {
  const links = { busy: linkTo(() => broker), calm: linkTo(() => broker) }
  return new Fetcher({ links, maxWaitMs: WAIT_MS, report: () => {}, ...options })
}

const at = (topic: string, partition = 0) => ({
  topic,
  partition,
  offset: 0,
  wanted: () => true,
  deliver: () => {},
})

test('a broker with nothing holds a fetch for longer; with a record, or for a new cursor, as before', async () => {
  const asked: number[] = []
  const { promise: enough, resolve: isEnough } = Promise.withResolvers<void>()
  const at = { record: 30, added: 60, end: 90 }
  const { broker } = fetchingBroker(({ maxWaitMs }) => {
    const number = asked.push(maxWaitMs)
    if (number === at.added) fetcher.add({ ...cursor, topic: 'other' })
    if (number === at.end) isEnough()
    const partitions = [{ topic: 'tasks', partition: 0, offsets: [0] }]
    return { sessionId: 1, ...(number === at.record && { partitions }) }
  })
  const fetcher = fetcherOf(broker)
  const delivered: string[] = []
  const cursor = {
    topic: 'tasks',
    partition: 0,
    offset: 0,
    wanted: () => true,
    deliver: (messages: readonly { offset: string }[]) =>
      void delivered.push(...messages.map(({ offset }) => offset)),
  }
  fetcher.add(cursor)
  await enough
  await fetcher.close()
  const waits = asked.map((ms) => ms / WAIT_MS)
  assert.deepEqual(waits.slice(0, 30), [...Array<number>(20).fill(1), ...Array<number>(10).fill(5)])
  assert.deepEqual(waits.slice(30, 60), [...Array<number>(20).fill(1), ...Array<number>(10).fill(5)])
  assert.deepEqual(waits.slice(60, 79), Array<number>(19).fill(1))
  assert.deepEqual(delivered, ['0'])
})

test('an error of a partition that passes keeps the session: every other reader needs one too', async () => {
  const { promise: read, resolve: isRead } = Promise.withResolvers<void>()
  const NOT_LEADER = 6
  const { broker, requests } = fetchingBroker(({ session, named }) => {
    const failing = { ...at('tasks'), error: NOT_LEADER }
    if (session.epoch < 0) return { partitions: [requests.length < 6 ? failing : at('tasks')] }
    const isFirst = requests.length < 3
    const partitions = isFirst
      ? [failing]
      : named.includes('tasks[0]@0')
        ? [{ ...at('tasks'), offsets: [0] }]
        : []
    return { sessionId: session.id || 7, partitions }
  })
  const fetcher = fetcherOf(broker)
  fetcher.add({ ...at('others'), offset: 5 })
  fetcher.add({ ...at('tasks'), deliver: () => isRead() })
  await read
  await fetcher.close()
  const epochs = requests.flatMap(({ session }) => (session.epoch >= 0 ? [session] : []))
  assert.deepEqual(
    epochs.slice(0, 4),
    [0, 1, 2, 3].map((epoch) => ({ id: epoch === 0 ? 0 : 7, epoch })),
  )
})

test('readers of one partition share its records, each from its own position on', async () => {
  const { promise: enough, resolve: isEnough } = Promise.withResolvers<void>()
  const { broker, requests } = fetchingBroker(({ session, named }) => {
    const asked = (offset: number) => named.includes(`tasks[0]@${offset}`)
    if (asked(6)) isEnough()
    const offsets = asked(3) ? [3, 4] : asked(5) ? [5] : []
    return {
      sessionId: session.id || (session.epoch < 0 ? 0 : 7),
      partitions: offsets.length > 0 ? [{ ...at('tasks'), offsets }] : [],
    }
  })
  const fetcher = fetcherOf(broker)
  const got: Record<string, string[]> = { first: [], second: [], late: [] }
  const reader = (name: string, offset: number) => ({
    ...at('tasks'),
    offset,
    deliver: (messages: readonly { offset: string }[]) => {
      got[name]?.push(...messages.map((each) => each.offset))
      if (name === 'first' && got['late']?.length === 0 && offset === 3) fetcher.add(reader('late', 4))
    },
  })
  fetcher.add(reader('first', 3))
  fetcher.add(reader('second', 3))
  await enough
  await fetcher.close()
  assert.deepEqual(got['first'], ['3', '4', '5'])
  assert.deepEqual(got['second'], ['3', '4', '5'])
  assert.deepEqual(got['late'], ['4', '5'])
  const [first] = requests
  assert.deepEqual(first?.named, ['tasks[0]@3'])
})

test('a reader that has fallen behind delays none of its partition, and catches up by requests of its own', async () => {
  const { promise: caughtUp, resolve: isCaughtUp } = Promise.withResolvers<void>()
  const { broker, requests } = fetchingBroker(({ session, named }) => {
    const offset = Number(named.find((each) => each.startsWith('tasks[0]@'))?.split('@')[1] ?? -1)
    const sessionId = session.id || (session.epoch < 0 ? 0 : 7)
    return {
      sessionId,
      partitions: offset >= 0 ? [{ ...at('tasks'), offsets: offset < 20 ? [offset] : [] }] : [],
    }
  })
  const fetcher = fetcherOf(broker)
  const got = { quick: [] as number[], slow: [] as number[] }
  const into = (list: number[]) => (messages: readonly { offset: string }[]) => {
    list.push(...messages.map((each) => Number(each.offset)))
    if (got.quick.length === 10) fetcher.wake()
    if (got.slow.length === 20) isCaughtUp()
  }
  fetcher.add({ ...at('tasks'), deliver: into(got.quick) })
  fetcher.add({
    ...at('tasks'),
    deliver: into(got.slow),
    wanted: () => got.slow.length < 2 || got.quick.length >= 10,
  })
  await caughtUp
  await fetcher.close()
  const whole = Array.from({ length: 20 }, (_, offset) => offset)
  assert.deepEqual(got.quick, whole)
  assert.deepEqual(got.slow, whole)
  const [apart] = requests.filter(({ session }) => session.epoch < 0)
  assert.deepEqual(apart?.named, ['tasks[0]@2'])
  const inSession = requests.filter(({ session }) => session.epoch >= 0).flatMap(({ named }) => named)
  assert.deepEqual(inSession.filter((each, index) => inSession.indexOf(each) === index).length, 21)
})

test('a partition with an error delays no other of its broker, and comes back once it has none', async () => {
  const UNAUTHORIZED = 29
  let isAllowed = false
  const { promise: allowed, resolve: nowAllowed } = Promise.withResolvers<void>()
  const { broker, requests } = fetchingBroker(({ session, named }) => {
    const sessionId = session.id || (session.epoch < 0 ? 0 : 7)
    const partitions = named.map((each) => {
      const [topic = '', offset] = each.split('[0]@')
      if (topic === 'refused' && offset !== '0' && !isAllowed) return { ...at(topic), error: UNAUTHORIZED }
      return { ...at(topic), offsets: Number(offset) < 30 ? [Number(offset)] : [] }
    })
    return { sessionId, partitions }
  })
  const fetcher = fetcherOf(broker)
  let read = 0
  fetcher.add({
    ...at('tasks'),
    deliver: (messages) => {
      read += messages.length
      if (read === 30) isAllowed = true
    },
  })
  fetcher.add({ ...at('refused'), deliver: () => isAllowed && nowAllowed() })
  await allowed
  await fetcher.close()
  assert.equal(read, 30)
  const separate = requests.filter(({ session }) => session.epoch < 0).flatMap(({ named }) => named)
  assert.deepEqual([...new Set(separate)], ['refused[0]@1'])
})

test('a partition with a new leader, which cannot be asked what it has, delays no other of its broker', async () => {
  const OFFSET_FOR_LEADER_EPOCH = 23
  const { broker } = fetchingBroker(({ session, named }) => ({
    sessionId: session.id || (session.epoch < 0 ? 0 : 7),
    partitions: named.map((each) => {
      const [topic = '', offset] = each.split('[0]@')
      if (topic === 'moved') return { ...at(topic), offsets: [Number(offset)], epoch: 2 }
      return { ...at(topic), offsets: Number(offset) < 30 ? [Number(offset)] : [] }
    }),
  }))
  const { send } = broker.connectionPool
  const { promise: unanswered, reject: giveUp } = Promise.withResolvers<never>()
  broker.connectionPool.send = (exchange) =>
    exchange.request.apiKey === OFFSET_FOR_LEADER_EPOCH ? unanswered : send(exchange)
  const fetcher = fetcherOf(broker)
  const { promise: all, resolve: hasAll } = Promise.withResolvers<void>()
  let read = 0
  let moved = 0
  fetcher.add({ ...at('moved'), leaderEpoch: 1, deliver: () => void moved++ })
  fetcher.add({
    ...at('tasks'),
    deliver: (messages) => {
      read += messages.length
      if (read === 30) hasAll()
    },
  })
  await all
  const closed = fetcher.close()
  giveUp(new Error('it is away'))
  await closed
  assert.equal(moved, 0)
})

test('partitions that had records lately are asked for apart from the others', async () => {
  const held: { named: Set<string>; answer: () => void }[] = []
  const sessions = new Map<number, Set<string>>()
  let next = 0
  const { broker } = fetchingBroker(({ session, named, forgotten }) => {
    const id = session.id || ++next
    const known = session.epoch === 0 ? new Set<string>() : (sessions.get(id) ?? new Set())
    for (const each of named) known.add(each.split('@')[0] ?? '')
    for (const each of forgotten) known.delete(each)
    sessions.set(id, known)
    const record = records.shift()
    return { sessionId: id, partitions: record === undefined ? [] : [record] }
  })
  const records = [{ topic: 'tasks', partition: 0, offsets: [0] }]
  const { send } = broker.connectionPool
  broker.connectionPool.send = async (exchange) => {
    const answer = await send(exchange)
    const { promise, resolve } = Promise.withResolvers<void>()
    const entry = { named: new Set([...sessions.values()].at(-1)), answer: resolve }
    held.push(entry)
    await promise
    held.splice(held.indexOf(entry), 1)
    return answer
  }
  const fetcher = fetcherOf(broker)
  fetcher.add(at('tasks'))
  fetcher.add(at('other'))
  await eventually('all are asked for', () => held.length === 1)
  held[0]?.answer()
  await eventually('each side has a request', () => held.length === 2)
  const [calm, busy] = [...sessions.values()]
  assert.deepEqual([...(busy ?? [])], ['tasks[0]'])
  assert.deepEqual([...(calm ?? [])], ['other[0]'])
  const closed = fetcher.close()
  for (const each of [...held]) each.answer()
  await closed
})

test('records that may wait are left to come together, and delay none that may not', async () => {
  const LINGER_MS = 100
  const { promise: enough, resolve: isEnough } = Promise.withResolvers<void>()
  const askedMs: number[] = []
  const { broker, requests } = fetchingBroker(({ session, named }) => {
    const partitions = named.map((each) => {
      const [topic = '', offset] = each.split('[0]@')
      if (topic === 'usage') askedMs.push(performance.now())
      if (askedMs.length === 4) isEnough()
      return { ...at(topic), offsets: [Number(offset)] }
    })
    return { sessionId: session.id || 7, partitions }
  })
  const fetcher = fetcherOf(broker)
  let read = 0
  fetcher.add({ ...at('usage'), lingerMs: LINGER_MS })
  fetcher.add({ ...at('tasks'), deliver: (messages) => void (read += messages.length) })
  await enough
  await fetcher.close()
  // The first time it comes to those that had records lately.
  const [, second = 0, third = 0, fourth = 0] = askedMs
  assert.ok(third - second >= LINGER_MS * 0.9 && fourth - third >= LINGER_MS * 0.9)
  assert.ok(read > 10, `${read} of ${requests.length}`)
})

test('a transaction that stays open is reported once, also if the broker names its partition no more, and its end', async () => {
  const partition = { topic: 'tasks', partition: 0 }
  const reported: (Stuck | null)[] = []
  const { promise: ended, resolve: hasEnded } = Promise.withResolvers<void>()
  const { broker, requests } = fetchingBroker(({ session }) => {
    const sessionId = session.id || 7
    if (requests.length === 1) return { sessionId, partitions: [{ ...partition, offsets: [3], stable: 4 }] }
    if (reported.length > 0) return { sessionId, partitions: [{ ...partition, offsets: [5] }] }
    return { sessionId }
  })
  const fetcher = fetcherOf(broker, { openAfterMs: 50 })
  const stuck = (problem: Stuck | null): void => {
    reported.push(problem)
    if (problem === null) hasEnded()
  }
  fetcher.add({ ...partition, offset: 3, wanted: () => true, deliver: () => {}, stuck })
  await ended
  await fetcher.close()
  assert.deepEqual(reported, [{ offset: 4, reason: null }, null])
})

test('transactions that end in time are not reported, however many follow each other', async () => {
  const reported: (Stuck | null)[] = []
  const { promise: enough, resolve: isEnough } = Promise.withResolvers<void>()
  const limitMs = 100
  const beganMs = performance.now()
  const { broker, requests } = fetchingBroker(({ session }) => {
    if (performance.now() - beganMs > 4 * limitMs) isEnough()
    const partitions = [{ topic: 'tasks', partition: 0, stable: requests.length % 99 }]
    return { sessionId: session.id || 7, partitions }
  })
  const fetcher = fetcherOf(broker, { openAfterMs: limitMs })
  const stuck = (problem: Stuck | null): void => void reported.push(problem)
  fetcher.add({ topic: 'tasks', partition: 0, offset: 0, wanted: () => true, deliver: () => {}, stuck })
  await enough
  await fetcher.close()
  assert.deepEqual(reported, [])
})
