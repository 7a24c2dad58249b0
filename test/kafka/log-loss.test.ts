// Input that is lost: deleted unread, a topic that is recreated, a log that was cut off and has grown again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Kafka, logLevel, type Admin } from 'kafkajs'
import { createClient, TOPIC_RESOURCE } from '../../runtime/log/kafka/connection/client.ts'
import { createKafkaLog } from '../../runtime/log/kafka/log.ts'
import type { Log, LogTopic, Tail } from '../../runtime/log/port.ts'
import { commitOf, mark, numbered, TestMember } from '../conformance/member.ts'
import { eventually, succeeds } from '../conformance/waiting.ts'
import { startKafka, type KafkaCluster } from '../infra/kafka.ts'
import { PARTITIONS, uniquePrefix } from './brokers.ts'

const LANE = 2
const STAGES = ['router', 'planner', 'metering', 'alerting']
const prefix = uniquePrefix('loss')
const nameOf = (topic: LogTopic): string => `${prefix}.${topic}`

let kafka: KafkaCluster
let log: Log
let admin: Admin

before(async () => {
  kafka = await startKafka()
  const options = { brokers: [kafka.url], clientId: 'test' }
  log = createKafkaLog({
    ...options,
    prefix,
    partitions: PARTITIONS,
    startTimeoutMs: 240_000,
    topicCheckMs: 300,
  })
  await log.ensureTopics(STAGES)
  admin = createClient({ ...options, requestTimeoutMs: 10_000 }).admin()
  await admin.connect()
})
after(async () => {
  await admin?.disconnect()
  await log?.close()
  await kafka?.stop()
})

/** Publishes records and commits the position behind them, as a host does that has handled them. */
async function handled(member: TestMember, topic: LogTopic, count: number): Promise<number> {
  const key = mark()
  const lane = await member.lane(LANE)
  const published = await log.publish(numbered(topic, LANE, key, count))
  await eventually('they arrive', () => member.values(topic, LANE, key).length === count)
  const offset = (published.at(-1)?.offset ?? 0) + 1
  await lane.commit(commitOf({ positions: [{ topic, offset, metadata: '' }] }))
  return offset
}

async function arrives(member: TestMember, topic: LogTopic): Promise<void> {
  const key = mark()
  await log.publish(numbered(topic, LANE, key, 3))
  await eventually('what is written afterwards arrives', () => member.values(topic, LANE, key).length === 3)
}

test('records that were deleted unread are reported with their number, and reading goes on behind them', async () => {
  const topic = 'tasks.admitted'
  const member = new TestMember(log, 'planner', [topic])
  const position = await handled(member, topic, 4)
  await member.leave()
  await log.publish(numbered(topic, LANE, mark(), 10))
  const partitions = [{ partition: LANE, offset: String(position + 7) }]
  // Only asking for offsets makes the admin client look for the topic's leaders.
  await admin.fetchTopicOffsets(nameOf(topic))
  await admin.deleteTopicRecords({ topic: nameOf(topic), partitions })
  const later = new TestMember(log, 'planner', [topic])
  await arrives(later, topic)
  assert.deepEqual(later.losses, [
    { lane: LANE, topic, cause: 'retention', from: position, to: position + 7 },
  ])
  await later.leave()
})

test('a log that ends below the position: the lane ends, says so, and reads what is written from there on', async () => {
  const topic = 'tasks.submitted'
  const member = new TestMember(log, 'router', [topic])
  const position = await handled(member, topic, 3)
  const lane = await member.lane(LANE)
  // As after an unclean election: the position is of records that the log does not have.
  await lane.commit(commitOf({ positions: [{ topic, offset: position + 500, metadata: '' }] }))
  await member.leave()
  const later = new TestMember(log, 'router', [topic])
  await eventually('the loss is reported', () => later.losses.length > 0)
  assert.deepEqual(later.losses[0], {
    lane: LANE,
    topic,
    cause: 'truncated',
    from: position + 500,
    to: position,
  })
  await arrives(later, topic)
  await later.leave()
  // The position that went back holds for whoever comes next.
  const last = new TestMember(log, 'router', [topic])
  await arrives(last, topic)
  assert.deepEqual(last.losses, [])
  await last.leave()
})

test('a log that was cut off and has grown again past the position: what was never read is read', async () => {
  const topic = 'usage.recorded'
  const member = new TestMember(log, 'metering', [topic])
  const position = await handled(member, topic, 3)
  const lane = await member.lane(LANE)
  await lane.commit(commitOf({ positions: [{ topic, offset: position + 5, metadata: '' }] }))
  await member.leave()
  // A new leader: its records have another epoch.
  await kafka.kill9()
  await kafka.restart()
  const key = mark()
  await log.publish(numbered(topic, LANE, key, 20))
  const later = new TestMember(log, 'metering', [topic])
  await eventually('all of them arrive', () => later.values(topic, LANE, key).length === 20)
  assert.deepEqual(later.losses, [
    { lane: LANE, topic, cause: 'truncated', from: position + 5, to: position },
  ])
  await later.leave()
})

async function remove(topic: LogTopic): Promise<void> {
  if (!(await admin.listTopics()).includes(nameOf(topic))) return
  await admin.deleteTopics({ topics: [nameOf(topic)] })
  await eventually(`${topic} is gone`, async () => !(await admin.listTopics()).includes(nameOf(topic)))
}

/** Deletes and creates the topic, and writes more records to it at once than were read of the former one. */
async function recreate(topic: LogTopic, position: number): Promise<{ key: string; count: number }> {
  await remove(topic)
  await log.ensureTopics(STAGES)
  const key = mark()
  const count = position + 10
  await log.publish(numbered(topic, LANE, key, count))
  return { key, count }
}

test('a topic that was recreated is read from its start, whatever was committed meanwhile of the former one', async (t) => {
  const topic = 'tasks.control'
  const member = new TestMember(log, 'router', [topic])
  const position = await handled(member, topic, 5)
  await member.leave()
  const groupId = `${prefix}.router`
  const [committed] = await admin.fetchOffsets({ groupId, topics: [nameOf(topic)] })
  const partitions = committed?.partitions.filter(({ partition }) => partition === LANE) ?? []
  assert.deepEqual(
    partitions.map(({ offset }) => offset),
    [String(position)],
  )
  const { key, count } = await recreate(topic, position)
  // Brokers have forgotten the position; a commit of what was at work then brings it back.
  const kafkaJs = new Kafka({ brokers: [kafka.url], logLevel: logLevel.NOTHING })
  const producer = kafkaJs.producer({ transactionalId: `${prefix}.late` })
  t.after(() => producer.disconnect())
  await producer.connect()
  const transaction = await producer.transaction()
  await transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic: nameOf(topic), partitions }] })
  await transaction.commit()
  const later = new TestMember(log, 'router', [topic])
  await eventually('all of them arrive', () => later.values(topic, LANE, key).length === count)
  assert.deepEqual(later.losses, [{ lane: LANE, topic, cause: 'recreated', from: position, to: 0 }])
  await later.leave()
  const last = new TestMember(log, 'router', [topic])
  await arrives(last, topic)
  assert.deepEqual(last.losses, [])
  await last.leave()
})

test('a topic that is recreated while nobody reads it is read from its start', async () => {
  const topic = 'tasks.streaming'
  const member = new TestMember(log, 'alerting', [topic])
  const position = await handled(member, topic, 5)
  await member.leave()
  const { key, count } = await recreate(topic, position)
  const later = new TestMember(log, 'alerting', [topic])
  await eventually('all of them arrive', () => later.values(topic, LANE, key).length === count)
  await later.leave()
})

test('a topic that is recreated under a running member is read from its start', async () => {
  const topic = 'tools.completed'
  const other = 'code.completed'
  const member = new TestMember(log, 'planner', [topic, other])
  const position = await handled(member, topic, 5)
  await remove(topic)
  await eventually('its absence is said', () =>
    member.problems.some((problem) => /tools\.completed is missing/.test(problem)),
  )
  const { key, count } = await recreate(topic, position)
  await eventually('all of them arrive', () => member.values(topic, LANE, key).length === count)
  const [loss, ...others] = member.losses.filter(({ lane }) => lane === LANE)
  // It may have read of the new topic what lies behind its position.
  const from = loss?.from === position ? position : count
  assert.deepEqual([loss, others], [{ lane: LANE, topic, cause: 'recreated', from, to: 0 }, []])
  await eventually('nothing is missing any more', () => member.problems.length === 0)
  await arrives(member, other)
  await member.leave()
})

async function recreateState(stage: string): Promise<void> {
  const name = `${prefix}.${stage}.state`
  await admin.deleteTopics({ topics: [name] })
  await eventually('it is gone', async () => !(await admin.listTopics()).includes(name))
  await log.ensureTopics(STAGES)
}

test('a state topic that is recreated is said, under a running member and while nobody reads; epochs go on', async () => {
  const topic = 'tasks.history'
  const member = new TestMember(log, 'metering', [topic])
  for (let opening = 0; opening < 3; opening++) {
    await handled(member, topic, 2)
    if (opening < 2) await member.open(LANE)
  }
  const before = (await member.lane(LANE)).epoch
  await recreateState('metering')
  await eventually('it is said', () => member.stateless.includes(LANE))
  await arrives(member, topic)
  const during = (await member.lane(LANE)).epoch
  assert.ok(during > before, `${during} after ${before}`)
  await handled(member, topic, 1)
  await member.leave()
  await recreateState('metering')
  const later = new TestMember(log, 'metering', [topic])
  await eventually('it is said to the next', () => later.stateless.includes(LANE))
  const after = (await later.lane(LANE)).epoch
  assert.ok(after > during, `${after} after ${during}`)
  await later.leave()
  const last = new TestMember(log, 'metering', [topic])
  await arrives(last, topic)
  assert.ok((await last.lane(LANE)).epoch > after)
  assert.deepEqual(last.stateless, [])
  assert.deepEqual(last.losses, [])
  await last.leave()
})

const setCleanup = (name: string, value: string) =>
  admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: TOPIC_RESOURCE, name, configEntries: [{ name: 'cleanup.policy', value }] }],
  })

test('rows that were deleted from a state topic are said, once', async () => {
  const topic = 'tasks.history'
  const name = `${prefix}.alerting.state`
  const member = new TestMember(log, 'alerting', [topic])
  const { epoch } = await member.lane(LANE)
  const row = { key: 'task\u0000run', value: Buffer.from('{}') }
  await (await member.lane(LANE)).commit(commitOf({ rows: [row] }))
  await member.leave()
  assert.deepEqual(member.stateless, [])
  await admin.fetchTopicOffsets(name)
  // Brokers delete nothing from a topic that is compacted alone.
  await setCleanup(name, 'compact,delete')
  const partitions = [{ partition: LANE, offset: String(epoch + 3) }]
  await eventually('rows are deleted', () => succeeds(admin.deleteTopicRecords({ topic: name, partitions })))
  await setCleanup(name, 'compact')
  const later = new TestMember(log, 'alerting', [topic])
  assert.deepEqual([...(await later.lane(LANE)).rows], [])
  assert.deepEqual(later.stateless, [LANE])
  await later.leave()
  const last = new TestMember(log, 'alerting', [topic])
  await last.lane(LANE)
  assert.deepEqual(last.stateless, [])
  await last.leave()
})

test('topics that delete what is still needed are said, with the remedy', async () => {
  const [state, task] = [`${prefix}.planner.state`, nameOf('tasks.admitted')]
  await setCleanup(state, 'compact,delete')
  await setCleanup(task, 'compact')
  const advice = await eventually('it is said', async () => {
    const found = (await log.advice()).filter((each) => each.includes('cleanup.policy'))
    return found.length === 2 && found.toSorted()
  })
  assert.match(advice[0] ?? '', /planner\.state loses state.*--add-config cleanup\.policy=compact$/)
  assert.match(advice[1] ?? '', /tasks\.admitted loses records.*--add-config cleanup\.policy=delete$/)
  await setCleanup(state, 'compact')
  await setCleanup(task, 'delete')
  await eventually('nothing is said', async () => (await log.advice()).length === 0)
})

async function reading(tail: Tail, use: () => Promise<unknown>): Promise<void> {
  await tail.ready
  await use().finally(() => tail.close())
}

for (const group of ['mine', undefined])
  test(`a topic that is recreated is read from its start by ${group ? 'a group of readers' : 'a reader'}`, async () => {
    const topic = 'ops.health'
    const [first, second, third] = [mark(), mark(), mark()]
    const seen: (string | null)[] = []
    const gate = Promise.withResolvers<void>()
    const options = { topics: [topic] as const, from: 'earliest' as const, ...(group ? { group } : {}) }
    const tail = () =>
      log.tail(options, async (records) => {
        seen.push(...records.map(({ key }) => key))
        // Records of earlier tests pass.
        if (records.some(({ key }) => key === first)) await gate.promise
      })
    const times = (key: string): number => seen.filter((each) => each === key).length
    const publish = (key: string, count: number) => log.publish(numbered(topic, LANE, key, count))
    // Closing waits for the handler, so the gate opens before, whatever has failed.
    const replaced = async () => {
      // More than wait before a handler at work: nothing is fetched while the topic is another one.
      for (let record = 0; record < 14; record++) await publish(first, 1)
      await eventually('the handler has some', () => times(first) > 0)
      await remove(topic)
      await log.ensureTopics(STAGES)
      await publish(second, 20)
    }
    await reading(tail(), async () => {
      await replaced().finally(gate.resolve)
      await eventually('all that came since are read', () => times(second) >= 20)
    })
    if (group === undefined) return
    const read = times(second)
    await reading(tail(), async () => {
      await publish(third, 1)
      await eventually('it is read', () => times(third) === 1)
      assert.equal(times(second), read, 'a position of the topic that there is counts')
    })
  })

test('a search reads a topic that was recreated, whatever it had read of the former one', async () => {
  const topic = 'tasks.completed'
  const wanted = (): boolean => true
  const find = (key: string) => log.find({ topic, partition: LANE, key, wanted, sinceMs: 0 })
  const [former, key] = [mark(), mark()]
  await log.publish(numbered(topic, LANE, former, 4))
  assert.equal((await find(former))?.key, former)
  await remove(topic)
  await log.ensureTopics(STAGES)
  await log.publish([...numbered(topic, LANE, key, 1), ...numbered(topic, LANE, mark(), 8)])
  await eventually('it is found', async () => (await find(key))?.key === key)
  assert.equal(await find(former), null)
})

test('partitions that are added to a topic are said, with the remedy', async () => {
  const topic = 'usage.recorded'
  const member = new TestMember(log, 'alerting', [topic])
  await arrives(member, topic)
  await admin.createPartitions({ topicPartitions: [{ topic: nameOf(topic), count: PARTITIONS + 2 }] })
  const [problem, ...others] = await eventually(
    'it is said',
    () => member.problems.length > 0 && member.problems,
  )
  assert.match(
    problem ?? '',
    new RegExp(`usage\\.recorded has ${PARTITIONS + 2} partitions, not ${PARTITIONS}.*--create`),
  )
  assert.deepEqual(others, [])
  // No process would start now, so that it is more than advice.
  await assert.rejects(log.advice(), {
    code: 'TOPICS_MISMATCH',
    message: /usage\.recorded has \d+ partitions, not \d+\. .*--create/,
  })
  // What is written to ours is read as ever.
  await arrives(member, topic)
  await member.leave()
})
