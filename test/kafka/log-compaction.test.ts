// State topics are compacted by the broker: what a lane then restores is what it would have restored before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import kafkajs from 'kafkajs'
import { contextOf, newLink } from '../../runtime/log/kafka/context.ts'
import { fetchOnce } from '../../runtime/log/kafka/fetch/request.ts'
import { LaneProducer } from '../../runtime/log/kafka/lane/producer.ts'
import type { Link } from '../../runtime/log/kafka/connection/link.ts'
import { rowMessage } from '../../runtime/log/kafka/names.ts'
import { committedMessages } from '../../runtime/log/kafka/fetch/read-committed.ts'
import { commitOf, TestMember, textOf } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { kcat } from '../support/kcat.ts'
import { brokers, kafkaLog, uniquePrefix } from './brokers.ts'

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs

const ROUNDS = 40
const KEYS = 25
const SEGMENT_MS = 200

/** A segment is compacted once it is closed: here at once, where it would take ten minutes. */
async function compactSoon(topic: string): Promise<void> {
  const admin = new Kafka({ brokers: brokers(), logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
  })
  const own = (resources[0]?.configEntries ?? []).filter(({ configSource }) => Number(configSource) === 1)
  const kept = new Map(own.map(({ configName, configValue }) => [configName, configValue]))
  assert.equal(kept.get('cleanup.policy'), 'compact')
  kept.set('segment.ms', String(SEGMENT_MS)).set('min.cleanable.dirty.ratio', '0.01')
  const configEntries = [...kept].map(([name, value]) => ({ name, value }))
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
  })
  await admin.disconnect()
}

test('a compacted state topic restores the same rows, from a fraction of the records', async (t) => {
  const prefix = uniquePrefix('compaction')
  const log = kafkaLog(prefix)
  t.after(() => log.close())
  await log.ensureTopics(['planner'])
  const topic = `${prefix}.planner.state`
  await compactSoon(topic)
  const member = new TestMember(log, 'planner', ['tasks.submitted'])
  const lane = await member.lane(0)
  const expected = new Map<string, string>()
  const writeAll = async (round: number): Promise<void> => {
    const rows = Array.from({ length: KEYS }, (_, index) => {
      const value = index % 5 === round % 5 ? null : `${round}`
      if (value === null) expected.delete(`row ${index}`)
      else expected.set(`row ${index}`, value)
      return { key: `row ${index}`, value: value === null ? null : Buffer.from(value) }
    })
    await lane.commit(commitOf({ rows }))
  }
  const written = async () =>
    (
      await kcat([
        '-C',
        '-q',
        '-e',
        '-b',
        brokers().join(),
        '-t',
        topic,
        '-p',
        '0',
        '-o',
        'beginning',
        '-f',
        '.',
      ])
    ).length
  for (let round = 0; round < ROUNDS; round++) await writeAll(round)
  let round = ROUNDS
  // Each write may close the segment before it.
  await eventually('most records are compacted away', async () => {
    await writeAll(round++)
    return (await written()) < (round * KEYS) / 4
  })
  const opened = await member.open(0)
  assert.ok(opened)
  assert.deepEqual(new Map([...opened.rows].map((row) => [row.key, textOf(row)])), new Map(expected))
  await member.leave()
  await log.close()
})

/** One batch at a time, as a reader meets the last of a segment: brokers do not read on in the next one. */
async function emptiedBatches(link: Link, topic: string): Promise<number> {
  const limits = { maxWaitMs: 20, minBytes: 1, maxBytes: 1, partitionBytes: 1 }
  const broker = await link.cluster.findBroker({ nodeId: link.leaderOf(topic, 0) })
  let emptied = 0
  for (let offset = 0; ;) {
    const fetched = await fetchOnce(broker, { topic, partition: 0, offset }, limits)
    if (offset >= Number(fetched.lastStableOffset)) return emptied
    const { nextOffset } = committedMessages(fetched, offset)
    assert.ok(nextOffset > offset, `reading stays at ${offset}`)
    if (fetched.messages.length === 0) emptied++
    offset = nextOffset
  }
}

test('a batch that compaction has emptied, which stays because its producer lives, is passed', async (t) => {
  const prefix = uniquePrefix('emptied')
  const log = kafkaLog(prefix)
  t.after(() => log.close())
  await log.ensureTopics(['planner'])
  const [topic, other] = [`${prefix}.planner.state`, `${prefix}.tasks.control`]
  await compactSoon(topic)
  const context = contextOf({ brokers: brokers(), prefix, partitions: 4, clientId: prefix })
  const link = newLink(context, [topic, other])
  await link.connect()
  const transactionalId = `${prefix}.other`
  const producer = new LaneProducer(link, {
    transactionalId,
    transactionTimeoutMs: 10_000,
    deliveryTimeoutMs: 10_000,
  })
  await producer.open()
  const to = (topic: string, bytes: number) => {
    return { topic, partition: 0, messages: [rowMessage({ key: 'row', value: Buffer.alloc(bytes) })] }
  }
  // Aborted mostly: no broker takes the second record.
  const write = (round: number) =>
    producer.commit([to(topic, 50), ...(round % 4 > 0 ? [to(other, 20_000_000)] : [])]).catch(() => {})
  let round = 0
  await eventually('compaction leaves an empty batch', async () => {
    await write(round++)
    return (await emptiedBatches(link, topic)) > 0
  })
  await link.close()
  await log.close()
})
