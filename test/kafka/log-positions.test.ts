// Positions of lanes are rows of their state; the group is shown them, for others, and may be set by hand.
import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'
import { Kafka, logLevel, type Admin } from 'kafkajs'
import { createClient } from '../../runtime/log/kafka/connection/client.ts'
import type { Log, LogTopic } from '../../runtime/log/port.ts'
import { commitOf, mark, numbered, outgoing, TestMember } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { brokers, kafkaLog, PARTITIONS, uniquePrefix } from './brokers.ts'

const LANE = 1
const prefix = uniquePrefix('positions')
const nameOf = (topic: LogTopic): string => `${prefix}.${topic}`
/** Two inputs of each stage. */
const [first, other] = ['tasks.admitted', 'tools.completed'] as const

let log: Log
let admin: Admin

before(async () => {
  log = kafkaLog(prefix)
  await log.ensureTopics(['planner', 'router', 'sessions', 'metering', 'alerting'])
  for (const topic of [first, other]) await log.publish(numbered(topic, LANE, mark(), 20))
  admin = createClient({ brokers: brokers(), clientId: 'test', requestTimeoutMs: 10_000 }).admin()
  await admin.connect()
})
after(async () => {
  await admin?.disconnect()
  await log?.close()
})

const memberOf = (stage: string, by = log): TestMember => new TestMember(by, stage, [first, other])

interface Shown {
  readonly offset: string
  readonly metadata: string | null
}

/** What the group shows of a topic; null: nothing. */
async function shown(stage: string, topic: LogTopic): Promise<Shown | null> {
  const found = await admin.fetchOffsets({ groupId: `${prefix}.${stage}`, topics: [nameOf(topic)] })
  const at = found[0]?.partitions.find(({ partition }) => partition === LANE)
  return at === undefined || at.offset === '-1' ? null : at
}

const isAt = (stage: string, topic: LogTopic, offset: number) =>
  eventually(`the group shows ${offset}`, async () => (await shown(stage, topic))?.offset === `${offset}`)

/** With the mark of the opening that has taken it. Brokers answer the end of a transaction before the group has it. */
const takenFrom = (stage: string, topic: LogTopic) =>
  eventually('the position is marked', async () => {
    const position = await shown(stage, topic)
    return position?.metadata?.startsWith('0|') && position
  })

async function commit(member: TestMember, topic: LogTopic, offset: number, metadata = ''): Promise<void> {
  await (await member.lane(LANE)).commit(commitOf({ positions: [{ topic, offset, metadata }] }))
}

async function openedAt(member: TestMember): Promise<Record<string, number>> {
  const { positions } = await member.lane(LANE)
  return Object.fromEntries(positions.map(({ topic, offset }) => [topic, offset]))
}

/** Gives the group this position, with its mark, as an owner's late request would. */
async function showAgain(t: TestContext, stage: string, topic: LogTopic, position: Shown): Promise<void> {
  const producer = new Kafka({ brokers: brokers(), logLevel: logLevel.NOTHING }).producer({
    transactionalId: `${prefix}.${mark()}`,
  })
  t.after(() => producer.disconnect())
  await producer.connect()
  const transaction = await producer.transaction()
  const partitions = [{ partition: LANE, ...position }]
  await transaction.sendOffsets({
    consumerGroupId: `${prefix}.${stage}`,
    topics: [{ topic: nameOf(topic), partitions }],
  })
  await transaction.commit()
}

/** Leaves an aborted transaction of one record behind. */
async function abort(topic: LogTopic): Promise<void> {
  const producer = new Kafka({ brokers: brokers(), logLevel: logLevel.NOTHING }).producer({
    transactionalId: `${prefix}.${mark()}`,
  })
  await producer.connect()
  const transaction = await producer.transaction()
  await transaction.send({ topic: nameOf(topic), messages: [{ partition: LANE, value: 'aborted' }] })
  await transaction.abort()
  await producer.disconnect()
}

/** As `kafka-consumer-groups.sh --reset-offsets --to-offset` does: without metadata. */
const setByHand = (stage: string, topic: LogTopic, offset: number) =>
  admin.setOffsets({
    groupId: `${prefix}.${stage}`,
    topic: nameOf(topic),
    partitions: [{ partition: LANE, offset: `${offset}` }],
  })

test('the group is shown positions within a second or two, and the last ones when a member leaves', async () => {
  const member = memberOf('planner')
  await commit(member, first, 3)
  await isAt('planner', first, 3)
  assert.equal(await shown('planner', other), null)
  await commit(member, first, 4)
  await commit(member, other, 5)
  await member.leave()
  assert.equal((await shown('planner', first))?.offset, '4')
  assert.equal((await shown('planner', other))?.offset, '5')
})

test('the group shows no lag once everything is finished, though a transaction ends behind its last record', async () => {
  const writer = new TestMember(log, 'alerting', ['alerts.raised'])
  const member = new TestMember(log, 'limited', ['tasks.history'])
  const readers = { topics: ['tasks.history'] as const, group: 'mine', from: 'earliest' as const }
  const tail = log.tail(readers, () => {})
  await tail.ready
  const key = mark()
  await (await writer.lane(LANE)).commit(commitOf({ records: numbered('tasks.history', LANE, key, 3) }))
  await eventually('they arrive', () => member.values('tasks.history', LANE, key).length === 3)
  await commit(member, 'tasks.history', 2)
  await isAt('limited', 'tasks.history', 2)
  await commit(member, 'tasks.history', 3)
  const [{ next } = { next: 0 }] = (await log.ranges(['tasks.history'])).filter(
    (each) => each.partition === LANE,
  )
  assert.equal(next, 4)
  await isAt('limited', 'tasks.history', next)
  await isAt('readers.mine', 'tasks.history', next)
  await member.leave()
  const later = new TestMember(log, 'limited', ['tasks.history'])
  assert.deepEqual(await openedAt(later), { 'tasks.history': next })
  await Promise.all([later.leave(), writer.leave(), tail.close()])
})

test('the group shows no lag behind aborted transactions, whether a record comes before them or not', async () => {
  const topic = 'tasks.control'
  const member = new TestMember(log, 'aborted', [topic])
  const ends = async (): Promise<number> => {
    const ranges = await log.ranges([topic])
    return ranges.find(({ partition }) => partition === LANE)?.next ?? 0
  }
  // An abort is answered before its marker is written.
  const endsAt = (offset: number) => eventually('the abort has ended', async () => (await ends()) === offset)
  const tail = log.tail({ topics: [topic], group: 'aborted', from: 'earliest' }, () => {})
  const noLag = async () => {
    await isAt('aborted', topic, await ends())
    await isAt('readers.aborted', topic, await ends())
  }
  await member.lane(LANE)
  await abort(topic)
  await endsAt(2)
  await noLag()
  const key = mark()
  await log.publish([outgoing(topic, LANE, key, '1')])
  await eventually('it arrives', () => member.values(topic, LANE, key).length === 1)
  await abort(topic)
  await log.publish([outgoing(topic, LANE, key, '2')])
  await eventually('the second arrives', () => member.values(topic, LANE, key).length === 2)
  await commit(member, topic, 3)
  await isAt('aborted', topic, 3)
  await commit(member, topic, 6)
  await noLag()
  await abort(topic)
  await endsAt(8)
  await noLag()
  await Promise.all([member.leave(), tail.close()])
})

test('a lane goes on from its rows, whatever the group shows, and the group is shown them again', async (t) => {
  const member = memberOf('router')
  await commit(member, first, 3)
  await member.leave()
  const before = await shown('router', first)
  assert.ok(before)
  const next = memberOf('router')
  await commit(next, first, 9)
  await next.leave()
  // As if its process had died before it could show the last.
  await showAgain(t, 'router', first, before)
  const later = memberOf('router')
  assert.deepEqual(await openedAt(later), { [first]: 9 })
  await isAt('router', first, 9)
  await later.leave()
  await admin.deleteGroups([`${prefix}.router`])
  const last = memberOf('router')
  assert.deepEqual(await openedAt(last), { [first]: 9 })
  await isAt('router', first, 9)
  await last.leave()
})

test('a position that was set by hand is where the lane begins, once', async () => {
  const member = memberOf('metering')
  await commit(member, first, 9, 'finished beyond')
  await commit(member, other, 8)
  await member.leave()
  await setByHand('metering', first, 2)
  const next = memberOf('metering')
  assert.deepEqual(await openedAt(next), { [first]: 2, [other]: 8 })
  // Taken by its opening: nothing was committed since.
  assert.equal((await takenFrom('metering', first)).offset, '2')
  await commit(next, first, 6)
  assert.ok(await next.open(LANE))
  assert.deepEqual(await openedAt(next), { [first]: 6, [other]: 8 })
  await next.leave()
})

test('a position that was set by hand before the lane had a row is taken once as well', async (t) => {
  const member = memberOf('alerting')
  await member.lane(LANE)
  await member.leave()
  await setByHand('alerting', first, 7)
  const next = memberOf('alerting')
  assert.deepEqual(await openedAt(next), { [first]: 7 })
  const taken = await takenFrom('alerting', first)
  await commit(next, first, 12)
  await next.leave()
  await showAgain(t, 'alerting', first, taken)
  const last = memberOf('alerting')
  assert.deepEqual(await openedAt(last), { [first]: 12 })
  await last.leave()
})

const rowsOf = async (member: TestMember): Promise<readonly string[]> =>
  [...(await member.lane(LANE)).rows].map(({ key }) => key)

test('rows of another program under keys of positions: of no version, they count as absent; of a later one, they are taken out', async (t) => {
  const stage = 'sessions'
  const key = `\u0000position\u0000${other}`
  const writer = new Kafka({ brokers: brokers(), logLevel: logLevel.NOTHING }).producer()
  t.after(() => writer.disconnect())
  await writer.connect()
  const forge = (value: string) =>
    writer.send({ topic: `${prefix}.${stage}.state`, messages: [{ partition: LANE, key, value }] })
  const member = memberOf(stage)
  await commit(member, first, 3)
  await commit(member, other, 4)
  await member.leave()
  await forge('{"v":1000,"d":"garbage"}')
  const next = memberOf(stage)
  assert.deepEqual(await openedAt(next), { [first]: 3, [other]: 4 })
  const [unreadable] = [...(await next.lane(LANE)).rows]
  assert.deepEqual([unreadable?.key, unreadable?.value?.length], [key, 0])
  await commit(next, other, 5)
  await next.leave()

  await forge('{"v":1000000,"d":[0,"0|"]}')
  const last = memberOf(stage)
  assert.deepEqual(await rowsOf(last), [key], 'its owner declines the lane')
  const drop = (...row: string[]) =>
    flotilla(['topics', '--json', '--drop-row', ...row], {
      env: {
        KAFKA_BROKERS: brokers().join(','),
        FLOTILLA_PREFIX: prefix,
        FLOTILLA_PARTITIONS: `${PARTITIONS}`,
      },
    })
  const shownKey = JSON.stringify(key)
  const early = await drop(stage, `${LANE}`, shownKey)
  assert.equal(early.code, 64, early.err)
  assert.match(early.err, /sessions runs \(.*\); stop it first/)
  await last.leave()
  const { code, err } = await drop(stage, `${LANE}`, shownKey)
  assert.equal(code, 0, err)
  const open = memberOf(stage)
  assert.deepEqual(await rowsOf(open), [])
  assert.deepEqual(await openedAt(open), { [first]: 3, [other]: 5 })
  await open.leave()
})
