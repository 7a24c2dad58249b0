// How long a broker is asked to hold an empty fetch.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker, Client, Cluster } from '../../../../runtime/log/kafka/client.ts'
import { Fetcher, type Stuck } from '../../../../runtime/log/kafka/fetcher.ts'
import { Link } from '../../../../runtime/log/kafka/link.ts'
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
