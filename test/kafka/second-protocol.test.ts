// Lanes on a cluster whose transactions follow the first protocol, then the second, seen through a proxy that reads along.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ByteWriter } from '../../runtime/log/kafka/connection/byte-writer.ts'
import { createClient, type TransactionIdentity } from '../../runtime/log/kafka/connection/client.ts'
import { isFencing } from '../../runtime/log/kafka/errors.ts'
import { LaneProducer } from '../../runtime/log/kafka/lane/producer.ts'
import { Link } from '../../runtime/log/kafka/connection/link.ts'
import { protocolOf, requestsTo } from '../../runtime/log/kafka/produce/transaction-v2.ts'
import { CommitRefused, CommitUncertain, LaneFenced, LaneSpent, type Log } from '../../runtime/log/port.ts'
import { commitOf, mark, numbered, outgoing, TestMember, textOf } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKafka, type KafkaCluster } from '../infra/kafka.ts'
import { freePort } from '../infra/port.ts'
import { KafkaProxy } from '../support/kafka-proxy.ts'
import { kafkaLog, PARTITIONS, uniquePrefix } from './brokers.ts'

const END = 26
const LAST_EPOCH = 2 ** 15 - 2
/** Produce, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, TxnOffsetCommit. */
const ofTransactions = [0, 24, 25, END, 28]
const first = ['0 v7', '24 v1', '26 v1']
const second = ['0 v12', '26 v5']

const prefix = uniquePrefix('second')
const topic = `${prefix}.tasks.history`
let kafka: KafkaCluster
let proxy: KafkaProxy
let log: Log
let link: Link
/** Another process's, whose connections nobody holds up. */
let elsewhere: Link

before(async () => {
  const advertisedPort = await freePort()
  kafka = await startKafka({ advertisedPort, features: { 'transaction.version': 1 } })
  proxy = new KafkaProxy(kafka.port)
  await proxy.listen(advertisedPort)
  const brokers = [`127.0.0.1:${advertisedPort}`]
  log = kafkaLog(prefix, { brokers })
  await log.ensureTopics(['planner'])
  // What the positions of these tests lie behind.
  await log.publish(numbered('tasks.submitted', 0, mark(), 2))
  const client = createClient({ brokers, clientId: 'test', requestTimeoutMs: 10_000 })
  link = new Link(client, [])
  elsewhere = new Link(client, [])
})
after(async () => {
  await log?.close()
  await Promise.all([link?.close(), elsewhere?.close()])
  proxy?.close()
  await kafka?.stop()
})

const message = (key: string, value: Buffer | string) => ({ key, value: Buffer.from(value), headers: {} })
type Message = ReturnType<typeof message>

function producerOf(transactionalId: string, by = link): LaneProducer {
  return new LaneProducer(by, { transactionalId, transactionTimeoutMs: 30_000, deliveryTimeoutMs: 10_000 })
}

/** A lane's producer that writes what it is told under one key, and another owner who may come. */
async function owned(key: string): Promise<{
  producer: LaneProducer
  commit: (...messages: Message[]) => Promise<unknown>
  takeOver: () => Promise<void>
}> {
  const producer = producerOf(`${prefix}.${key}`)
  await producer.open()
  return {
    producer,
    commit: (...messages) => producer.commit([{ topic, partition: 0, messages }]),
    takeOver: () => producerOf(`${prefix}.${key}`, elsewhere).open(),
  }
}

async function texts(key: string): Promise<string[]> {
  const records = await log.read('tasks.history', 0, 0, 10_000)
  return records.filter((record) => record.key === key).map(textOf)
}

/** As `kafka-features upgrade --feature transaction.version=2`. */
async function upgrade(): Promise<void> {
  await link.connect()
  const broker = await link.cluster.findControllerBroker()
  // Within 10 s: name, level, and 1, an upgrade; it is done, not only checked.
  const request = new ByteWriter().noTags().int32(10_000)
  request.compactArray(['transaction.version'], (name) =>
    request.compactString(name).int16(2).int8(1).noTags(),
  )
  request.boolean(false).noTags()
  const error = await broker.connectionPool.send<number>({
    request: { apiKey: 57, apiVersion: 1, apiName: 'UpdateFeatures', encode: async () => request },
    response: {
      decode: async (body) => ({ answer: body.readInt16BE(5), clientSideThrottleTime: 0 }),
      parse: async ({ answer }) => answer,
    },
  })
  assert.equal(error, 0)
  await eventually('the second protocol is in force', async () => (await protocolOf(broker)) === 2)
}

test('the first protocol where the cluster has no other; a lane lives through the change to the second', async () => {
  const member = new TestMember(log, 'planner', ['tasks.submitted'])
  const lane = await member.lane(0)
  const key = mark()
  const position = (metadata: string) => ({ topic: 'tasks.submitted' as const, offset: 1, metadata })
  const commit = (text: string): Promise<string[]> =>
    proxy.reading(ofTransactions, () =>
      lane.commit(
        commitOf({ records: [outgoing('tasks.history', 0, key, text)], positions: [position(text)] }),
      ),
    )
  assert.deepEqual(await commit('a'), first)
  await upgrade()
  // Its identity began under the first.
  assert.deepEqual(await commit('b'), first)
  const tooLarge = { ...outgoing('tasks.history', 0, key, ''), value: Buffer.alloc(1_200_000) }
  await assert.rejects(lane.commit(commitOf({ records: [tooLarge] })), CommitRefused)
  assert.deepEqual(await commit('c'), second)
  assert.deepEqual(await commit('d'), second)
  assert.deepEqual(await texts(key), ['a', 'b', 'c', 'd'])
  const again = await member.open(0)
  assert.deepEqual(
    again?.positions.map(({ metadata }) => metadata),
    ['d'],
  )
  await member.leave()
})

test('each transaction has an epoch of its own: what is late from a former one gets in no more', async () => {
  const key = mark()
  const { producer, commit } = await owned(key)
  const former = producer.identity
  await commit(message(key, 'a'))
  await commit(message(key, 'b'))
  assert.equal(producer.identity.producerId, former.producerId)
  assert.equal(producer.identity.producerEpoch, former.producerEpoch + 2)
  const broker = await link.cluster.findBroker({ nodeId: link.leaderOf(topic, 0) })
  const partitions = [{ partition: 0, firstSequence: 1, messages: [message(key, 'late')] }]
  const late = { ...former, acks: -1, timeout: 10_000, topicData: [{ topic, partitions }] }
  await assert.rejects(requestsTo(broker, 2).produce(late), isFencing)
  await commit(message(key, 'c'))
  assert.deepEqual(await texts(key), ['a', 'b', 'c'])
})

test('the lost answer to the end of a transaction is asked for again, and work goes on', async () => {
  const key = mark()
  const { producer, commit } = await owned(key)
  const { producerEpoch } = producer.identity
  const lost = proxy.loseAnswer(END)
  await commit(message(key, 'a'))
  await lost
  assert.equal(producer.identity.producerEpoch, producerEpoch + 1)
  await commit(message(key, 'b'))
  assert.deepEqual(await texts(key), ['a', 'b'])
})

test('once epochs have run out the end of a transaction gives another id, even where its answer was lost', async () => {
  const key = mark()
  const { producer, commit } = await owned(key)
  const broker = await link.coordinator('transaction', producer.identity.transactionalId)
  const abort = (of: TransactionIdentity) => requestsTo(broker, 2).endTxn({ ...of, transactionResult: false })
  // Transactions without records: the quick way to the end, about ten seconds.
  for (let of = producer.identity; of.producerEpoch < LAST_EPOCH - 2;) {
    const next = await link.attempt(() => abort(of), { withinMs: 10_000 })
    of = { ...of, ...next }
  }
  await producer.open()
  const { producerId, producerEpoch } = producer.identity
  assert.equal(producerEpoch, LAST_EPOCH - 1)
  await commit(message(key, 'a'))
  assert.equal(producer.identity.producerEpoch, LAST_EPOCH)
  const lost = proxy.loseAnswer(END)
  await commit(message(key, 'b'))
  await lost
  assert.notEqual(producer.identity.producerId, producerId)
  assert.equal(producer.identity.producerEpoch, 0)
  await commit(message(key, 'c'))
  assert.deepEqual(await texts(key), ['a', 'b', 'c'])
})

test('a lost answer, and another owner before it is asked for again: uncertain', async () => {
  const key = mark()
  const { producer, commit, takeOver } = await owned(key)
  const lost = proxy.loseAnswer(END, takeOver)
  await assert.rejects(commit(message(key, 'a')), CommitUncertain)
  await lost
  assert.equal(producer.usable, false)
  assert.deepEqual(await texts(key), ['a'])
})

test('a former owner is refused at its next transaction', async () => {
  const key = mark()
  const { producer, commit, takeOver } = await owned(key)
  await commit(message(key, 'a'))
  await takeOver()
  await assert.rejects(commit(message(key, 'zombie')), LaneFenced)
  assert.equal(producer.usable, false)
  assert.deepEqual(await texts(key), ['a'])
})

test('an owner whose records are written and who is then overtaken can end nothing', async () => {
  const key = mark()
  const { producer, commit, takeOver } = await owned(key)
  await commit(message(key, 'a'))
  const held = proxy.hold(END, takeOver)
  await assert.rejects(commit(message(key, 'zombie')), LaneFenced)
  await held
  assert.equal(producer.usable, false)
  assert.deepEqual(await texts(key), ['a'])
})

test('an owner whose transaction fails and who is overtaken meanwhile takes nothing back', async () => {
  const key = mark()
  const { producer, commit, takeOver } = await owned(key)
  await commit(message(key, 'a'))
  const held = proxy.hold(END, takeOver)
  await assert.rejects(commit(message(key, 'zombie'), message(key, Buffer.alloc(1_200_000))), LaneFenced)
  await held
  assert.equal(producer.usable, false)
  await assert.rejects(commit(message(key, 'zombie')), LaneSpent)
  assert.deepEqual(await texts(key), ['a'])
})

test('a transaction that is refused is ended: readers go on at once, and the next begins afresh', async () => {
  const key = mark()
  const { commit } = await owned(key)
  await commit(message(key, 'a'))
  // Two batches: the broker takes the first.
  const large = message(key, Buffer.alloc(1_200_000))
  await assert.rejects(commit(message(key, 'refused'), large), CommitRefused)
  const other = await owned(mark())
  await other.commit(message(key, 'of another'))
  assert.deepEqual(await texts(key), ['a', 'of another'])
  await commit(message(key, 'b'))
  assert.deepEqual(await texts(key), ['a', 'of another', 'b'])
})

test('a lane that stays through a rebalance commits under the new generation; one whose member left does not', async () => {
  const one = new TestMember(log, 'planner', ['tasks.submitted'])
  const lane = await one.lane(0)
  const position = { topic: 'tasks.submitted' as const, offset: 2, metadata: 'x' }
  await lane.commit(commitOf({ positions: [position] }))
  const two = new TestMember(log, 'planner', ['tasks.submitted'])
  await two.holds(PARTITIONS / 2)
  await lane.commit(commitOf({ positions: [{ ...position, metadata: 'y' }] }))
  await two.leave()
  await one.leave()
  await assert.rejects(lane.commit(commitOf({ positions: [{ ...position, metadata: 'z' }] })), LaneFenced)
})
