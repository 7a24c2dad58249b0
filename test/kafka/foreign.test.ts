// What other programs write, on a real broker: copied headers, timestamps of last week and of next year, topics made by hand
// and made again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { LogClient } from '../../client/log/client.ts'
import {
  createClient,
  TOPIC_RESOURCE,
  type Admin,
  type ProducedMessage,
} from '../../runtime/log/kafka/connection/client.ts'
import { Link } from '../../runtime/log/kafka/connection/link.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log } from '../../runtime/log/port.ts'
import { headers as names } from '../../schemas/topics.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { brokers, kafkaLog, uniquePrefix } from './brokers.ts'

const DAY_MS = 86_400_000
const SETTING = 'message.timestamp.type'
const LIMIT = { timeoutMs: 120_000 }
const env = fleetEnvironment('foreign')
const PARTITIONS = Number(env['FLOTILLA_PARTITIONS'])
const submitted = `${env['FLOTILLA_PREFIX']}.tasks.submitted`

const kafka = createClient({ brokers: brokers(), clientId: 'foreign', requestTimeoutMs: 10_000 })
const link = new Link(kafka, [])
let admin: Admin
let fleet: TestFleet
let client: LogClient

before(async () => {
  admin = kafka.admin()
  await admin.connect()
  fleet = await startTestFleet({ env })
  client = fleet.client
})
after(async () => {
  await fleet?.stop()
  await link.close()
  await admin?.disconnect()
})

interface Foreign extends ProducedMessage {
  /** The producer's own. */
  readonly timestamp: string
}

/** As a program writes that keeps the times of its events. */
async function produce(topic: string, partition: number, messages: Foreign[]): Promise<void> {
  await link.attempt(
    async () => {
      await link.know([topic])
      const broker = await link.cluster.findBroker({ nodeId: link.leaderOf(topic, partition) })
      const partitions = [{ partition, firstSequence: 0, messages }]
      const identity = { producerId: '-1', producerEpoch: 0 }
      await broker.produce({ ...identity, acks: -1, timeout: 10_000, topicData: [{ topic, partitions }] })
    },
    { withinMs: 30_000 },
  )
}

const task = (taskId: string, timestampMs: number, headers: Record<string, string> = {}): Foreign => ({
  key: taskId,
  value: Buffer.from(JSON.stringify({ taskId, text: `say hi task=${taskId}` })),
  headers,
  timestamp: String(timestampMs),
})

async function statusesOf(taskId: string): Promise<string[]> {
  const { log, codec } = fleet.process
  const records = await log.read('tasks.completed', homeOf(taskId, PARTITIONS), 0, 10_000)
  const decoded = await Promise.all(
    records
      .filter(({ key }) => key === taskId)
      .map(async ({ value }) => codec.decode(value as Uint8Array, 'tasks.completed')),
  )
  return decoded.flatMap(({ type, data }) => (type === 'TaskCompleted' ? [data.status] : []))
}

async function settingOf(topic: string): Promise<string | undefined> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: [SETTING] }],
  })
  return resources[0]?.configEntries.find(({ configName }) => configName === SETTING)?.configValue
}

const keepProducersTime = (topic: string) =>
  admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: TOPIC_RESOURCE,
        name: topic,
        // The broker deletes a record of 1970 by its time, whenever it next looks.
        configEntries: [
          { name: SETTING, value: 'CreateTime' },
          { name: 'retention.ms', value: '-1' },
        ],
      },
    ],
  })

test('a task of last week, of 1970 or of next year runs now, and once, however often it comes', async () => {
  const now = Date.now()
  const times = { week: now - 8 * DAY_MS, zero: 1, year: now + 365 * DAY_MS }
  for (const [name, timestampMs] of Object.entries(times)) {
    const taskId = `time-${name}`
    const home = homeOf(taskId, PARTITIONS)
    for (let n = 0; n < 3; n++) await produce(submitted, home, [task(taskId, timestampMs)])
    const result = await client.result(taskId, LIMIT)
    assert.equal(result.status, 'succeeded', `${name}: ${result.error?.message}`)
    assert.ok(Math.abs(result.submittedAtMs - Date.now()) < 120_000, `${name} counts from its arrival`)
    // Behind all three.
    const later = `${taskId}-${Array.from({ length: 999 }, (_, n) => n).find((n) => homeOf(`${taskId}-${n}`, PARTITIONS) === home)}`
    await produce(submitted, home, [task(later, timestampMs)])
    await client.result(later, LIMIT)
    assert.deepEqual(await statusesOf(taskId), ['succeeded'], name)
  }
})

test('tasks with the headers of one record are tasks of their own, at home and astray', async () => {
  const copied = {
    [names.eventId]: 'copied-from-one-result',
    [names.causationId]: 'copied',
    [names.requester]: 'planner',
    [names.schema]: 'TaskCompleted',
    [names.stageVersion]: '99',
    [names.traceparent]: 'x'.repeat(50_000),
  }
  const ids = Array.from({ length: 8 }, (_, n) => `copied-${n}`)
  for (const [n, id] of ids.entries()) {
    const home = homeOf(id, PARTITIONS)
    await produce(submitted, n % 2 === 0 ? home : (home + 1) % PARTITIONS, [task(id, Date.now(), copied)])
  }
  for (const id of ids) {
    const { status, output } = await client.result(id, LIMIT)
    assert.deepEqual([status, output], ['succeeded', `done ${id}`])
    assert.deepEqual(await statusesOf(id), ['succeeded'])
  }
})

test('a record with 30,000 headers holds nobody up', async () => {
  const many = Object.fromEntries(Array.from({ length: 30_000 }, (_, n) => [`h${n}`, '']))
  const home = homeOf('many-headers', PARTITIONS)
  await produce(submitted, home, [task('many-headers', Date.now(), many)])
  assert.equal((await client.result('many-headers', LIMIT)).status, 'succeeded')
})

async function withLog(name: string, use: (log: Log, prefix: string) => Promise<void>): Promise<void> {
  const prefix = uniquePrefix(name)
  const log = kafkaLog(prefix)
  try {
    await log.ensureTopics([])
    await use(log, prefix)
  } finally {
    await log.close()
  }
}

test('topics that anyone writes keep the broker’s time; where one does not, the remedy is said', () =>
  withLog('times', async (log, prefix) => {
    for (const topic of ['tasks.submitted', 'tasks.control', 'alerts.control'])
      assert.equal(await settingOf(`${prefix}.${topic}`), 'LogAppendTime', topic)
    assert.equal(await settingOf(`${prefix}.tasks.admitted`), 'CreateTime')
    assert.deepEqual(await log.advice(), [])
    await keepProducersTime(`${prefix}.tasks.control`)
    // Changing one setting by this request takes the others back to the broker's: the topic's compression is another advice.
    const advices = await eventually('the setting is changed', async () => {
      const found = await log.advice()
      return found.length > 0 && found
    })
    const [advice, ...others] = advices.filter((each) => each.includes('timestamp'))
    assert.deepEqual(others, [])
    assert.ok(advices.every((each) => each.startsWith(`${prefix}.tasks.control keeps its producers' `)))
    assert.match(
      advice ?? '',
      /times-.*\.tasks\.control keeps its producers.*--add-config message\.timestamp\.type=LogAppendTime/,
    )
    await log.ensureTopics([])
  }))

test('on a topic that was left at its producers’ time, a record counts from when it is read', () =>
  withLog('created', async (log, prefix) => {
    const topic = `${prefix}.tasks.submitted`
    await keepProducersTime(topic)
    await eventually('the setting is changed', async () => (await settingOf(topic)) === 'CreateTime')
    const startMs = Date.now()
    for (const timestampMs of [1, startMs - 8 * DAY_MS, startMs + 1_000_000])
      await produce(topic, 0, [task('t', timestampMs)])
    const times = (await log.read('tasks.submitted', 0, 0, 10)).map(({ timestampMs }) => timestampMs)
    assert.equal(times.length, 3)
    for (const timeMs of times) assert.ok(timeMs >= startMs && timeMs <= Date.now(), String(timeMs - startMs))
  }))

test('a topic has an id, the same for everybody, and another one when it was created again', () =>
  withLog('ids', async (log, prefix) => {
    const topics = ['tasks.submitted', 'tasks.control'] as const
    const first = await log.topicIds(topics)
    assert.equal(new Set(first.values()).size, 2)
    for (const id of first.values()) assert.match(id, /^[0-9a-f]{32}$/)
    const other = kafkaLog(prefix)
    assert.deepEqual(await other.topicIds(topics), first)
    await admin.deleteTopics({ topics: [`${prefix}.tasks.submitted`] })
    await eventually(
      'it is gone',
      async () => !(await admin.listTopics()).includes(`${prefix}.tasks.submitted`),
    )
    await log.ensureTopics([])
    const again = await other.topicIds(topics)
    assert.notEqual(again.get('tasks.submitted'), first.get('tasks.submitted'))
    assert.equal(again.get('tasks.control'), first.get('tasks.control'))
    await other.close()
  }))
