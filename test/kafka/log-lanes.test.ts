// What only Kafka can get wrong: fencing without a new owner, sequence numbers after a failed send, interleaved aborts.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createClient } from '../../runtime/log/kafka/connection/client.ts'
import { GroupMember } from '../../runtime/log/kafka/group/member.ts'
import { Link } from '../../runtime/log/kafka/connection/link.ts'
import { ProducerSession } from '../../runtime/log/kafka/produce/producer-session.ts'
import { CommitRefused, LaneFenced, type Log, type LogRecord, type OpenLane } from '../../runtime/log/port.ts'
import { commitOf, mark, numbered, outgoing, TestMember, textOf } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { brokers, kafkaLog, PARTITIONS, uniquePrefix } from './brokers.ts'

const prefix = uniquePrefix('lanes')
const timing = { transactionTimeoutMs: 30_000, deliveryTimeoutMs: 10_000 }
let log: Log
let link: Link

before(async () => {
  log = kafkaLog(prefix)
  await log.ensureTopics(['planner', 'router'])
  link = new Link(createClient({ brokers: brokers(), clientId: 'test', requestTimeoutMs: 10_000 }), [])
})
after(async () => {
  await log.close()
  await link.close()
})

async function onlyLane(group: string): Promise<{ member: TestMember; lane: OpenLane }> {
  const member = new TestMember(log, group, ['tasks.submitted'])
  return { member, lane: await member.lane(0) }
}

async function ofKey(topic: 'tasks.history' | 'tasks.admitted', key: string): Promise<string[]> {
  const found: LogRecord[] = []
  for (const partition of [0, 1]) found.push(...(await log.read(topic, partition, 0, 10_000)))
  return found.filter((record) => record.key === key).map(textOf)
}

test('fenced by an intruder, the rightful owner opens the lane again in the same generation', async () => {
  const { member, lane } = await onlyLane('planner')
  const key = mark()
  await lane.commit(commitOf({ rows: [{ key: 'row', value: Buffer.from('1') }] }))
  const intruder = new ProducerSession(link, { ...timing, transactionalId: `${prefix}.planner.0` })
  await intruder.renew()
  const zombie = commitOf({ records: [outgoing('tasks.history', 0, key, 'zombie')] })
  await assert.rejects(lane.commit(zombie), LaneFenced)
  const again = await member.open(0)
  assert.ok(again)
  assert.ok(again.epoch > lane.epoch)
  assert.deepEqual([...again.rows].map(textOf), ['1'])
  await again.commit(commitOf({ records: [outgoing('tasks.history', 0, key, 'owner')] }))
  assert.deepEqual(await ofKey('tasks.history', key), ['owner'])
  await member.leave()
})

test('a log that was put back: a lane opens above an epoch that its owner has met elsewhere, and stays above', async () => {
  const { member, lane } = await onlyLane('router')
  await lane.commit(commitOf({ positions: [{ topic: 'tasks.submitted', offset: 0, metadata: '' }] }))
  const ahead = await member.open(0, lane.epoch + 1_000)
  assert.equal(ahead?.epoch, lane.epoch + 1_001)
  assert.equal((await member.open(0))?.epoch, lane.epoch + 1_002)
  await member.leave()
})

test('a refused commit writes nothing; the next one on the same lane loses nothing', async () => {
  const { member, lane } = await onlyLane('planner')
  const key = mark()
  // The broker takes the small record and refuses the large one of the same request.
  const tooLarge = Buffer.alloc(1_200_000)
  const refused = commitOf({
    records: [
      outgoing('tasks.history', 0, key, 'refused'),
      { ...outgoing('tasks.history', 1, key, ''), value: tooLarge },
    ],
    rows: [{ key: `row ${key}`, value: Buffer.from('refused') }],
    positions: [{ topic: 'tasks.submitted', offset: 77, metadata: 'refused' }],
  })
  await assert.rejects(lane.commit(refused), CommitRefused)
  for (const text of ['a', 'b'])
    await lane.commit(
      commitOf({
        records: [outgoing('tasks.history', 0, key, text), outgoing('tasks.history', 1, key, text)],
        rows: [{ key: `row ${key} ${text}`, value: Buffer.from(text) }],
      }),
    )
  assert.deepEqual((await ofKey('tasks.history', key)).sort(), ['a', 'a', 'b', 'b'])
  const again = await member.open(0)
  const rows = [...(again?.rows ?? [])].map(({ key: name }) => name).filter((name) => name.includes(key))
  assert.deepEqual(rows.sort(), [`row ${key} a`, `row ${key} b`])
  assert.deepEqual(again?.positions, [])
  await member.leave()
})

test('a refused publish leaves later ones whole', async () => {
  const key = mark()
  const large = { ...outgoing('tasks.admitted', 1, key, ''), value: Buffer.alloc(1_200_000) }
  await assert.rejects(
    log.publish([outgoing('tasks.admitted', 0, key, 'with it'), large]),
    /tasks\.|large|LARGE/,
  )
  const published = await log.publish([
    ...numbered('tasks.admitted', 0, key, 1),
    ...numbered('tasks.admitted', 1, key, 1),
  ])
  assert.ok(published.every(({ offset }) => offset >= 0))
  const found = (await ofKey('tasks.admitted', key)).filter((text) => text !== 'with it')
  assert.deepEqual(found, ['0', '0'])
})

test('aborted transactions that interleave are seen by no reader', async () => {
  const key = mark()
  const topic = `${prefix}.tasks.admitted`
  const producers = await Promise.all(
    ['a', 'b', 'c'].map((name) => openTransaction(`${prefix}.${key}.${name}`, topic)),
  )
  const [a, b, c] = producers
  assert.ok(a && b && c)
  const seen: string[] = []
  const tail = log.tail({ topics: ['tasks.admitted'], from: 'earliest' }, (records) => {
    seen.push(...records.filter((record) => record.key === key).map(textOf))
  })
  await tail.ready
  await a.send(key, 'aborted a1')
  await b.send(key, 'aborted b1')
  await c.send(key, 'committed c1')
  // b ends before a, though it began after: the broker lists it first.
  await b.end(false)
  await a.send(key, 'aborted a2')
  await c.send(key, 'committed c2')
  await a.end(false)
  await c.end(true)
  await eventually('the committed ones arrived', () => seen.length >= 2)
  assert.deepEqual(seen, ['committed c1', 'committed c2'])
  assert.deepEqual(await ofKey('tasks.admitted', key), ['committed c1', 'committed c2'])
  await tail.close()
})

test('a large group commit is split into batches that the broker takes', async () => {
  const { member, lane } = await onlyLane('router')
  const key = mark()
  const records = Array.from({ length: 12 }, (_, i) => ({
    ...outgoing('tasks.history', 1, key, ''),
    value: Buffer.from(`${i}`.padEnd(300_000, '.')),
  }))
  await lane.commit(commitOf({ records }))
  const texts = (await ofKey('tasks.history', key)).map((text) => text.replace(/\.+$/, ''))
  assert.deepEqual(
    texts,
    records.map((_, i) => `${i}`),
  )
  await member.leave()
})

interface Transaction {
  send(key: string, text: string): Promise<void>
  end(commit: boolean): Promise<void>
}

async function openTransaction(transactionalId: string, topic: string): Promise<Transaction> {
  const session = new ProducerSession(link, { ...timing, transactionalId })
  await session.renew()
  const coordinator = await link.coordinator('transaction', transactionalId)
  const identity = { transactionalId, ...session.identity }
  await coordinator.addPartitionsToTxn({ ...identity, topics: [{ topic, partitions: [0] }] })
  return {
    send: async (key, text) => {
      const messages = [{ key, value: Buffer.from(text), headers: {} }]
      await session.send([{ topic, partition: 0, messages }])
    },
    end: async (commit) => {
      await coordinator.endTxn({ ...identity, transactionResult: commit })
    },
  }
}

/** A member as another program would be: in a group of its choice, with a protocol of its choice. */
function intruderIn(groupId: string, protocol: 'flotilla-lanes' | 'flotilla-readers') {
  const lanes: number[] = []
  const errors: Error[] = []
  const topics = [`${prefix}.tasks.submitted`]
  const timing = { sessionTimeoutMs: 6_000, rebalanceTimeoutMs: 6_000, heartbeatMs: 500 }
  const member = new GroupMember(
    link,
    link,
    { groupId, protocol, topics, laneCount: 2, ...timing },
    { onAssignment: (given) => lanes.push(...given), onTrouble: (error) => errors.push(error) },
  )
  return { member, lanes, errors }
}

test('a reader that gets into the group of a stage is refused by the broker, and takes nothing', async () => {
  const { member } = await onlyLane('router')
  const intruder = intruderIn(`${prefix}.router`, 'flotilla-readers')
  await eventually('it was refused', () => intruder.errors.length > 0)
  assert.match(String(intruder.errors[0]), /protocol/)
  assert.deepEqual([intruder.lanes, member.revoked], [[], []])
  await intruder.member.leave()
  await member.leave()
})

test("a readers' group that holds other members says so to its reader", async () => {
  const other = intruderIn(`${prefix}.readers.taken`, 'flotilla-lanes')
  await eventually('it has joined', () => other.lanes.length === 2)
  const refused = Promise.withResolvers<Error>()
  const tail = log.tail(
    { topics: ['tasks.submitted'], from: 'latest', group: 'taken', onRefused: refused.resolve },
    () => {},
  )
  assert.match((await refused.promise).message, /readers\.taken refused this reader/)
  await tail.close()
  await other.member.leave()
})

test('another number of partitions than the topics have is refused before a topic is created with it', async () => {
  const other = kafkaLog(prefix, { partitions: PARTITIONS + 2 })
  await assert.rejects(other.ensureTopics(['planner', 'alerting']), { code: 'TOPICS_MISMATCH' })
  await other.close()
  const admin = createClient({ brokers: brokers(), clientId: 'test', requestTimeoutMs: 10_000 }).admin()
  await admin.connect()
  const topics = await admin.listTopics()
  await admin.disconnect()
  assert.deepEqual(
    ['planner', 'alerting'].map((stage) => topics.includes(`${prefix}.${stage}.state`)),
    [true, false],
  )
})
