// Publishing outside lanes, while a partition takes no records.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client, ProduceRequest } from '../../../../runtime/log/kafka/connection/client.ts'
import type { Context } from '../../../../runtime/log/kafka/context.ts'
import { namesUnder } from '../../../../runtime/log/kafka/names.ts'
import { Publisher } from '../../../../runtime/log/kafka/produce/publisher.ts'
import { outgoing } from '../../../conformance/member.ts'

/**
 * One broker that leads every partition; `blocked` has too few replicas, `waiting` one that is stopped. As a real one it
 * takes the next request of a connection once it has answered the last one.
 */
function publisherTo(
  blocked: Set<string>,
  deliveryTimeoutMs = 15_000,
  waiting: ReadonlyMap<string, Promise<void>> = new Map(),
  initialised: () => Promise<void> = async () => {},
) {
  const logs = new Map<string, string[]>()
  const links = { opened: 0, closed: 0 }
  const produce = async ({ topicData }: ProduceRequest) => {
    const named = topicData.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, messages }) => ({
        topic,
        name: `${topic}[${partition}]`,
        partition,
        messages,
      })),
    )
    await Promise.all(named.map(({ name }) => waiting.get(name)))
    if (named.some(({ name }) => blocked.has(name)))
      throw Object.assign(new Error('too few replicas'), { type: 'NOT_ENOUGH_REPLICAS', retriable: true })
    return {
      topics: named.map(({ topic, name, partition, messages }) => {
        const log = logs.get(name) ?? []
        logs.set(name, [...log, ...messages.map(({ value }) => String(value))])
        return { topicName: topic, partitions: [{ partition, baseOffset: String(log.length) }] }
      }),
    }
  }
  const cluster = () => {
    let last: Promise<unknown> = Promise.resolve()
    const inTurn = <T>(answer: () => Promise<T>): Promise<T> => {
      const next = last.then(answer, answer)
      last = next
      return next
    }
    const broker = {
      produce: (request: ProduceRequest) => inTurn(() => produce(request)),
      initProducerId: () =>
        inTurn(async () => {
          await initialised()
          return { producerId: '1', producerEpoch: 0 }
        }),
    }
    return {
      connect: async () => void links.opened++,
      disconnect: async () => void links.closed++,
      addMultipleTargetTopics: async () => {},
      brokerPool: { metadata: {} },
      findBroker: async () => broker,
      findControllerBroker: async () => broker,
      findLeaderForPartitions: (_: string, partitions: number[]) => ({ 1: partitions }),
    }
  }
  const client = { cluster, requestTimeoutMs: 10_000 } as unknown as Client
  const settings = { transactionTimeoutMs: 2 * deliveryTimeoutMs, deliveryTimeoutMs }
  const context = { client, settings, names: namesUnder('test'), partitions: 4 } as unknown as Context
  return { publisher: new Publisher(context), logs, links }
}

const toControl = (text: string) => outgoing('tasks.control', 1, null, text)
const toOther = (text: string) => outgoing('tasks.submitted', 1, null, text)
const CONTROL = 'test.tasks.control[1]'
const OTHER = 'test.tasks.submitted[1]'

test('a partition that takes nothing delays no other, not even what is sent together with it; its order stays', async () => {
  const blocked = new Set([CONTROL])
  const { publisher, logs } = publisherTo(blocked)
  let isAnswered = false
  const first = publisher.publish([toControl('1'), toOther('with it')]).finally(() => (isAnswered = true))
  assert.deepEqual(await publisher.publish([toOther('beside'), toOther('it')]), [
    { topic: 'tasks.submitted', partition: 1, offset: 1 },
    { topic: 'tasks.submitted', partition: 1, offset: 2 },
  ])
  const second = publisher.publish([toControl('2')])
  await publisher.publish([toOther('after')])
  assert.equal(isAnswered, false)
  blocked.clear()
  assert.deepEqual(
    (await first).map(({ offset }) => offset),
    [0, 0],
  )
  assert.equal((await second)[0]?.offset, 1)
  assert.deepEqual(logs.get(CONTROL), ['1', '2'])
  assert.deepEqual(logs.get(OTHER), ['with it', 'beside', 'it', 'after'])
  await publisher.close()
})

test('what a partition does not take in time is an error of what was published there alone', async () => {
  const blocked = new Set([CONTROL])
  const { publisher } = publisherTo(blocked, 1_000)
  const refused = assert.rejects(publisher.publish([toControl('lost')]), { code: 'LOG_UNAVAILABLE' })
  assert.equal((await publisher.publish([toOther('beside')]))[0]?.offset, 0)
  await refused
  blocked.clear()
  assert.equal((await publisher.publish([toControl('later')]))[0]?.offset, 0)
  await publisher.close()
})

test('a partition whose answer waits for a stopped replica holds up no other of its broker', async () => {
  const { promise, resolve: goOn } = Promise.withResolvers<void>()
  const { publisher, logs } = publisherTo(new Set(), 15_000, new Map([[CONTROL, promise]]))
  const waits = publisher.publish([toControl('waits')])
  // What is published in one tick is sent together.
  await new Promise(setImmediate)
  assert.equal((await publisher.publish([toOther('beside')]))[0]?.offset, 0)
  assert.equal(logs.get(CONTROL), undefined)
  goOn()
  assert.equal((await waits)[0]?.offset, 0)
  await publisher.close()
})

test('what was sent together with a partition that does not answer waits with it once, and no more', async () => {
  const answers = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const
  const waiting = new Map([[CONTROL, answers[0].promise]])
  const { publisher } = publisherTo(new Set(), 15_000, waiting)
  const both = () => [publisher.publish([toOther('other')]), publisher.publish([toControl('waits')])] as const
  const [besides, refused] = both().map((each) => assert.rejects(each, { code: 'LOG_UNAVAILABLE' }))
  // The next send: the first one has gone apart when it is answered.
  await new Promise(setImmediate)
  await publisher.publish([outgoing('tasks.submitted', 2, null, 'later')])
  answers[0].reject(new Error('a connection that broke'))
  await Promise.all([besides, refused])
  waiting.set(CONTROL, answers[1].promise)
  const [other, waits] = both()
  assert.equal((await other)[0]?.offset, 0)
  answers[1].resolve()
  assert.equal((await waits)[0]?.offset, 0)
  await publisher.close()
})

test('where a first send takes long, its connections and its identity are kept for the next ones', async () => {
  const far = () => new Promise<void>((resolve) => setTimeout(resolve, 800))
  const { publisher, links } = publisherTo(new Set(), 15_000, new Map(), far)
  const offsets = []
  for (const text of ['1', '2', '3', '4']) offsets.push((await publisher.publish([toOther(text)]))[0]?.offset)
  assert.deepEqual(offsets, [0, 1, 2, 3])
  assert.equal(links.opened, 1)
  const both = [publisher.publish([toOther('5')]), publisher.publish([toControl('6')])]
  await Promise.all(both)
  assert.equal(links.opened, 1)
  await publisher.close()
  assert.equal(links.closed, 1)
})
