// State topics that somebody deleted, recreated, or gave other partitions: what is said, and what brings them back.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createClient, type Admin } from '../../runtime/log/kafka/connection/client.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { Log } from '../../runtime/log/port.ts'
import { commitOf, mark, numbered, TestMember } from '../conformance/member.ts'
import { eventually, succeeds } from '../conformance/waiting.ts'
import { brokers, kafkaLog, PARTITIONS, uniquePrefix } from './brokers.ts'

const TOPIC = 'tasks.history'
const FEWER = 2
const prefix = uniquePrefix('state')
const state = `${prefix}.metering.state`

let admin: Admin
let log: Log

before(async () => {
  admin = createClient({ brokers: brokers(), clientId: 'state', requestTimeoutMs: 10_000 }).admin()
  await admin.connect()
  log = kafkaLog(prefix, { topicCheckMs: 300, deliveryTimeoutMs: 1_000 })
  await log.ensureTopics(['metering', 'alerting'])
})
after(async () => {
  await log?.close()
  await admin?.disconnect()
})

async function remove(topic: string): Promise<void> {
  await admin.deleteTopics({ topics: [topic] })
  await eventually('it is gone', async () => !(await admin.listTopics()).includes(topic))
}

const create = (topic: string, numPartitions: number): Promise<boolean> =>
  eventually('it is created', () => succeeds(admin.createTopics({ topics: [{ topic, numPartitions }] })))

async function giveThem(topic: string, count: number): Promise<void> {
  await admin.createPartitions({ topicPartitions: [{ topic, count }] })
  await eventually('it has them', async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics[0]?.partitions.length === count
  })
}

/** A record of this lane is read, and its position is the group's. */
async function handled(member: TestMember, lane: number): Promise<void> {
  const key = mark()
  const [published] = await log.publish(numbered(TOPIC, lane, key, 1))
  await eventually('it arrives', () => member.values(TOPIC, lane, key).length === 1)
  const offset = (published?.offset ?? 0) + 1
  const commit = commitOf({ positions: [{ topic: TOPIC, offset, metadata: '' }] })
  // A lane that ends meanwhile is opened again.
  await eventually('it is committed', async () => succeeds((await member.lane(lane)).commit(commit)))
  await eventually('the group has it', async () =>
    (await log.positions('metering')).some((each) => each.partition === lane && each.offset >= offset),
  )
}

test('a state topic that is missing, or too small, is said with what to do; then every lane opens', async () => {
  const member = new TestMember(log, 'metering', [TOPIC])
  await member.holds(PARTITIONS)
  for (let lane = 0; lane < PARTITIONS; lane++) await handled(member, lane)
  await remove(`${prefix}.alerting.state`)
  assert.deepEqual(await log.advice(), [], 'a stage that has never run has lost nothing')
  await remove(state)
  const [missing, ...others] = await eventually(
    'its stage says it',
    () => member.problems.length > 0 && member.problems,
  )
  assert.match(missing ?? '', /metering\.state is missing, .* flotilla topics --create/)
  assert.deepEqual(others, [])
  assert.deepEqual(await log.advice(), [missing])

  await create(state, FEWER)
  const small = await eventually('its stage says it', () => member.problems.find((each) => each !== missing))
  const command = `kafka-topics\\.sh --alter --topic ${state} --partitions ${PARTITIONS}`
  assert.match(
    small,
    new RegExp(`has ${FEWER} partitions, not ${PARTITIONS}: lanes from ${FEWER} on .*${command}`),
  )
  assert.ok((await log.advice()).includes(small))
  await assert.rejects(
    () => log.ensureTopics(['metering']),
    (error) =>
      error instanceof FlotillaError &&
      error.code === 'TOPICS_MISMATCH' &&
      new RegExp(command).test(error.message),
  )

  await giveThem(state, PARTITIONS)
  await eventually('nothing is wrong any more', () => member.problems.length === 0)
  for (let lane = 0; lane < PARTITIONS; lane++) await handled(member, lane)
  assert.deepEqual([...new Set(member.stateless)].toSorted(), [0, 1, 2, 3], 'each lane has lost its state')
  await member.leave()
})

test('further partitions of a state topic are not used, and keep no process from starting', async () => {
  const topic = `${prefix}.metering.state`
  await giveThem(topic, PARTITIONS + 2)
  await log.ensureTopics(['metering'])
  const advice = await log.advice()
  assert.ok(!advice.some((each) => each.includes('partitions')), advice.join())
  const member = new TestMember(log, 'metering', [TOPIC])
  await handled(member, PARTITIONS - 1)
  assert.deepEqual(member.problems, [])
  await member.leave()
})
