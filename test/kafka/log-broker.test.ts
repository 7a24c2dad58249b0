// A broker of our own that is away at the start, comes, goes and returns.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createKafkaLog } from '../../runtime/log/kafka/log.ts'
import type { Log } from '../../runtime/log/port.ts'
import { commitOf, mark, numbered, outgoing, TestMember, textOf } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKafka, type KafkaCluster } from '../infra/kafka.ts'
import { PARTITIONS, uniquePrefix } from './brokers.ts'

let kafka: KafkaCluster
let log: Log

before(async () => {
  kafka = await startKafka()
  log = createKafkaLog({
    brokers: [kafka.url],
    prefix: uniquePrefix('broker'),
    partitions: PARTITIONS,
    clientId: 'test',
    startTimeoutMs: 240_000,
  })
})
after(async () => {
  await log.close()
  await kafka.stop()
})

test('a broker that is away at the start: check says so, and everything goes on when it comes', async () => {
  await kafka.kill9()
  await assert.rejects(log.check(), (error: Error) => error.message.includes(kafka.url))
  const key = mark()
  const ensured = log.ensureTopics(['planner'])
  const member = new TestMember(log, 'planner', ['tasks.submitted'])
  const heard: string[] = []
  const tail = log.tail({ topics: ['tasks.submitted'], from: 'earliest' }, (records) => {
    heard.push(...records.map(textOf))
  })
  await kafka.restart()
  await ensured
  await log.check()
  await member.holds(PARTITIONS)
  await tail.ready
  await log.publish(numbered('tasks.submitted', 2, key, 5))
  await eventually('the lane has the records', () => member.values('tasks.submitted', 2, key).length === 5)
  await eventually('the tail has them too', () => heard.length === 5)
  await member.leave()
  await tail.close()
})

test('a broker that is killed at work and returns: what was promised is there, once', async () => {
  const key = mark()
  await log.ensureTopics(['router'])
  const member = new TestMember(log, 'router', ['tasks.control'])
  await member.holds(PARTITIONS)
  let attempted = 0
  const committed: number[] = []
  let away = false
  const working = (async (): Promise<void> => {
    for (let lane = await member.lane(1); committed.length < 60; lane = await member.lane(1)) {
      const number = attempted++
      try {
        await lane.commit(
          commitOf({
            records: [outgoing('tasks.history', 1, key, `${number}`)],
            rows: [{ key: 'last', value: Buffer.from(`${number}`) }],
          }),
        )
        committed.push(number)
      } catch (error) {
        member.errors.push(error as Error)
        // As a host does: the outcome is unknown or the identity spent, so the lane is opened again.
        await member.open(1)
      }
      if (away && committed.length > 40) break
    }
  })()
  await eventually('work is under way', () => committed.length > 20)
  await kafka.kill9()
  await kafka.restart()
  away = true
  await working
  const lane = await member.open(1)
  const written = (await log.read('tasks.history', 1, 0, 1_000))
    .filter((record) => record.key === key)
    .map((record) => Number(textOf(record)))
  assert.equal(new Set(written).size, written.length, 'nothing twice')
  assert.deepEqual(
    committed.filter((number) => !written.includes(number)),
    [],
    'what was acknowledged is there',
  )
  assert.deepEqual(
    [...(lane?.rows ?? [])].map(textOf),
    [`${Math.max(...written)}`],
    'the row belongs to the last record',
  )
  await log.publish(numbered('tasks.control', 3, key, 3))
  await eventually('records arrive again', () => member.values('tasks.control', 3, key).length === 3)
  await member.leave()
})
