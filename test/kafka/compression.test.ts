// What other programs write compressed: brokers unpack it for topics made by Flotilla; where a topic keeps it, what nobody here
// can unpack is said, and holds up nothing else.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createClient, TOPIC_RESOURCE, type Admin } from '../../runtime/log/kafka/connection/client.ts'
import type { Log, LogTopic } from '../../runtime/log/port.ts'
import { mark, TestMember } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { kcat } from '../support/kcat.ts'
import { brokers, kafkaLog, uniquePrefix } from './brokers.ts'

const LANE = 1
const OTHER_LANE = 2
const COMPRESSION = 'compression.type'
const prefix = uniquePrefix('packed')
const nameOf = (topic: LogTopic): string => `${prefix}.${topic}`

let admin: Admin
let log: Log

before(async () => {
  admin = createClient({ brokers: brokers(), clientId: 'packed', requestTimeoutMs: 10_000 }).admin()
  await admin.connect()
  log = kafkaLog(prefix)
  await log.ensureTopics(['router', 'planner', 'alerting'])
})
after(async () => {
  await log?.close()
  await admin?.disconnect()
})

async function produce(topic: LogTopic, partition: number, codec: string, value: string): Promise<string> {
  const key = mark()
  const at = ['-P', '-b', brokers()[0] as string, '-t', nameOf(topic), '-p', String(partition), '-k', key]
  await kcat([...at, '-z', codec], value)
  return key
}

async function set(topic: LogTopic, name: string, value: string): Promise<void> {
  const configEntries = [{ name, value }]
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: TOPIC_RESOURCE, name: nameOf(topic), configEntries }],
  })
  await eventually(`${topic} has ${name}=${value}`, async () => {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: TOPIC_RESOURCE, name: nameOf(topic), configNames: [name] }],
    })
    return resources[0]?.configEntries[0]?.configValue === value
  })
}

const text = 'compressible '.repeat(1_000)

async function arrives(member: TestMember, topic: LogTopic, partition: number, codec: string): Promise<void> {
  const key = await produce(topic, partition, codec, text)
  const [value] = await eventually(`${codec} arrives`, () => {
    const values = member.values(topic, partition, key)
    return values.length > 0 && values
  })
  assert.equal(value, text)
}

test('records in any codec are read from a topic that was made by Flotilla', async () => {
  const topic = 'tasks.submitted'
  const member = new TestMember(log, 'router', [topic])
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd']) await arrives(member, topic, LANE, codec)
  assert.deepEqual(member.problems, [])
  await member.leave()
})

test('a codec that nobody here knows stops its partition alone, and is said with the remedy', async () => {
  const topic = 'tasks.control'
  await set(topic, COMPRESSION, 'producer')
  const member = new TestMember(log, 'planner', [topic])
  for (const known of ['gzip', 'zstd']) await arrives(member, topic, LANE, known)
  await produce(topic, LANE, 'snappy', text)
  const [problem, ...others] = await eventually(
    'it is said',
    () => member.problems.length > 0 && member.problems,
  )
  assert.match(
    problem ?? '',
    /control\[1\] can't be read from offset 2 on: Snappy compression not implemented.*compression\.type=uncompressed/,
  )
  assert.deepEqual(others, [])
  await arrives(member, topic, OTHER_LANE, 'gzip')
  await member.leave()
})

test('a topic that keeps its producers’ compression, and one that takes less than we write, are named with the command', async () => {
  await set('tasks.control', COMPRESSION, 'producer')
  await set('tools.requested', 'max.message.bytes', '500000')
  const advice = await eventually('both are named', async () => {
    const found = await log.advice()
    return found.length >= 2 && found
  })
  const about = (topic: LogTopic): string => advice.filter((each) => each.startsWith(nameOf(topic))).join()
  assert.match(
    about('tasks.control'),
    /compression\.type=producer.*--add-config compression\.type=uncompressed/,
  )
  assert.match(
    about('tools.requested'),
    /500000 bytes, not 1048588: .*--add-config max\.message\.bytes=1048588/,
  )
})
