// How long a broker is asked to hold an empty fetch, and what breaks a long one off.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker, Client, Cluster } from '../../../../runtime/log/kafka/client.ts'
import { Fetcher } from '../../../../runtime/log/kafka/fetcher.ts'
import type { Stuck } from '../../../../runtime/log/kafka/open-transactions.ts'
import { Link } from '../../../../runtime/log/kafka/link.ts'
import { eventually } from '../../../conformance/waiting.ts'
import { fetchingBroker } from './fetching-broker.ts'

const WAIT_MS = 2

function linkTo(broker: Broker): Link {
  const cluster = {
    connect: async () => {},
    disconnect: async () => {},
    refreshMetadata: async () => {},
    addMultipleTargetTopics: async () => {},
    brokerPool: { metadata: {} },
    findBroker: async () => broker,
    findLeaderForPartitions: (_: string, partitions: number[]) => ({ 1: partitions }),
  } as unknown as Cluster
  return new Link({ cluster: () => cluster } as unknown as Client, [])
}

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
  const link = linkTo(broker)
  const fetcher = new Fetcher(link, WAIT_MS, () => {})
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
  await link.close()
  const waits = asked.map((ms) => ms / WAIT_MS)
  assert.deepEqual(waits.slice(0, 30), [...Array<number>(20).fill(1), ...Array<number>(10).fill(5)])
  assert.deepEqual(waits.slice(30, 60), [...Array<number>(20).fill(1), ...Array<number>(10).fill(5)])
  assert.deepEqual(waits.slice(60, 79), Array<number>(19).fill(1))
  assert.deepEqual(delivered, ['0'])
})

test('an error of a partition that passes keeps the session: every other reader needs one too', async () => {
  const { promise: read, resolve: isRead } = Promise.withResolvers<void>()
  const NOT_LEADER = 6
  const { broker, requests } = fetchingBroker(({ session }) => {
    const at = { topic: 'tasks', partition: 0 }
    const isFailing = requests.length > 1 && requests.length < 5
    const offsets = requests.length === 6 ? [0] : []
    return {
      sessionId: session.id || 7,
      partitions: [isFailing ? { ...at, error: NOT_LEADER } : { ...at, offsets }],
    }
  })
  const link = linkTo(broker)
  const fetcher = new Fetcher(link, WAIT_MS, () => {})
  fetcher.add({ topic: 'tasks', partition: 0, offset: 0, wanted: () => true, deliver: () => isRead() })
  await read
  await fetcher.close()
  await link.close()
  const first = requests.slice(0, 6).map(({ session }) => session)
  assert.deepEqual(
    first,
    [0, 1, 2, 3, 4, 5].map((epoch) => ({ id: epoch === 0 ? 0 : 7, epoch })),
  )
})

/** A broker with nothing, which holds a fetch until its time is over or its connection is closed. */
function holdingBroker() {
  const asked: { waitMs: number; named: readonly string[] }[] = []
  const held: ((error: Error) => void)[] = []
  const { broker } = fetchingBroker(({ maxWaitMs, named }) => {
    asked.push({ waitMs: maxWaitMs / WAIT_MS, named })
    return { sessionId: 1 }
  })
  const { send } = broker.connectionPool
  const holding: Broker['connectionPool'] = {
    send: async (exchange) => {
      const answer = await send(exchange)
      if (asked.at(-1)?.waitMs !== LONG) return answer
      return new Promise((_, reject) => void held.push(reject))
    },
    pool: [{}, { socket: { destroy: (error) => held.pop()?.(error) } }],
  }
  return { broker: { ...broker, connectionPool: holding }, asked, held }
}

const LONG = 50
const idle = { partition: 0, offset: 0, wanted: () => true, deliver: () => {} }

test('a long fetch is broken off for a cursor that is added or wanted again, and by the end', async () => {
  const { broker, asked, held } = holdingBroker()
  const link = linkTo(broker)
  const reports: string[] = []
  const fetcher = new Fetcher(link, WAIT_MS, (report) => reports.push(report))
  const isHeld = () => eventually('a fetch is held', () => held.length === 1)
  let isWanted = false
  fetcher.add({ ...idle, topic: 'tasks' })
  fetcher.add({ ...idle, topic: 'paused', wanted: () => isWanted })
  await isHeld()
  assert.deepEqual(
    asked.map(({ waitMs }) => waitMs),
    [...Array<number>(20).fill(1), ...Array<number>(20).fill(5), LONG],
  )
  fetcher.wake()
  assert.equal(held.length, 1, 'nothing waits')

  fetcher.add({ ...idle, topic: 'other' })
  await eventually('the new one is fetched', () => asked.length > 41)
  assert.deepEqual(asked[41], { waitMs: 1, named: ['tasks[0]@0', 'other[0]@0'] })

  await isHeld()
  isWanted = true
  const before = asked.length
  fetcher.wake()
  await eventually('the one that is wanted again is fetched', () => asked.length > before)
  assert.deepEqual(asked[before], { waitMs: 1, named: ['tasks[0]@0', 'paused[0]@0', 'other[0]@0'] })

  await isHeld()
  await fetcher.close()
  await link.close()
  assert.deepEqual(reports, [])
})

test('a transaction that stays open is reported once, also if the broker names its partition no more, and its end', async () => {
  const at = { topic: 'tasks', partition: 0 }
  const reported: (Stuck | null)[] = []
  const { promise: ended, resolve: hasEnded } = Promise.withResolvers<void>()
  const { broker, requests } = fetchingBroker(({ session }) => {
    const sessionId = session.id || 7
    if (requests.length === 1) return { sessionId, partitions: [{ ...at, offsets: [3], stable: 4 }] }
    if (reported.length > 0) return { sessionId, partitions: [{ ...at, offsets: [5] }] }
    return { sessionId }
  })
  const link = linkTo(broker)
  const fetcher = new Fetcher(link, WAIT_MS, () => {}, 0, 50)
  const stuck = (problem: Stuck | null): void => {
    reported.push(problem)
    if (problem === null) hasEnded()
  }
  fetcher.add({ ...at, offset: 3, wanted: () => true, deliver: () => {}, stuck })
  await ended
  await fetcher.close()
  await link.close()
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
  const link = linkTo(broker)
  const fetcher = new Fetcher(link, WAIT_MS, () => {}, 0, limitMs)
  const stuck = (problem: Stuck | null): void => void reported.push(problem)
  fetcher.add({ topic: 'tasks', partition: 0, offset: 0, wanted: () => true, deliver: () => {}, stuck })
  await enough
  await fetcher.close()
  await link.close()
  assert.deepEqual(reported, [])
})
