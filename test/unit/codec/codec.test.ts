import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../runtime/codec/embedded-registry.ts'
import type { AvroSchema, Registry } from '../../../runtime/codec/registry.ts'
import { FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import type { EventMap, EventType } from '../../../schemas/generated/events.ts'
import { schemas } from '../../../schemas/generated/schemas.ts'
import { topics, type TopicName } from '../../../schemas/topics.ts'
import { topicOf } from '../../golden/golden.ts'
import { samples } from '../../golden/samples.ts'
import { ownMs } from '../../support/own-time.ts'

const registry = createEmbeddedRegistry()
const codec = createCodec({ registry, prefix: 'flotilla' })
await codec.prepare()

const is = (code: ErrorCode, pattern: RegExp) => (error: unknown) =>
  error instanceof FlotillaError && error.code === code && (assert.match(error.message, pattern), true)

const encode = (type: EventType, data: object): Uint8Array => codec.encode(type, data as never, topicOf(type))
const decode = async (value: Uint8Array, topic: TopicName) => codec.decode(value, topic)
const header = (value: Uint8Array): Uint8Array => value.subarray(0, 5)

test('every event comes back as it went in, synchronously', () => {
  for (const topic of topics) {
    for (const type of topic.events) {
      const decoded = codec.decode(codec.encode(type, samples[type] as never, topic.name), topic.name)
      assert.deepEqual(decoded, { type, data: samples[type] })
    }
  }
})

test('a registry is asked for at most eight schemas at once', async () => {
  let [asked, most] = [0, 0]
  const register: Registry['register'] = async (...schema) => {
    most = Math.max(most, ++asked)
    const id = await registry.register(...schema)
    asked--
    return id
  }
  await createCodec({ registry: { ...registry, register }, prefix: 'flotilla' }).prepare()
  assert.equal(most, 8)
})

test('values are Confluent wire format and own their memory', () => {
  const first = encode('TaskClosed', samples.TaskClosed)
  const copy = new Uint8Array(first)
  assert.equal(first[0], 0)
  encode('TaskCompleted', samples.TaskCompleted)
  assert.deepEqual(first, copy)
})

test('a large event grows the buffer', () => {
  const output = 'é'.repeat(300_000)
  const value = encode('ToolCompleted', { ...samples.ToolCompleted, output })
  assert.deepEqual(codec.decode(value, 'tools.completed'), {
    type: 'ToolCompleted',
    data: { ...samples.ToolCompleted, output },
  })
})

test('a JSON field that is undefined is null', () => {
  const value = encode('ToolCompleted', { ...samples.ToolCompleted, output: undefined })
  const decoded = codec.decode(value, 'tools.completed') as { data: EventMap['ToolCompleted'] }
  assert.equal(decoded.data.output, null)
})

const mismatches: [EventType, object, RegExp][] = [
  [
    'TaskCompleted',
    { usage: { ...samples.TaskCompleted.usage, cost: '1' } },
    /usage\.cost is "1", not double/,
  ],
  ['TaskCompleted', { executionTime: 1.5 }, /executionTime is 1\.5, not long/],
  ['TaskCompleted', { submittedAtMs: 2 ** 60 }, /submittedAtMs/],
  ['TaskCompleted', { status: 'done' }, /status is "done", not one of succeeded, failed/],
  ['TaskCompleted', { taskId: undefined }, /taskId is missing/],
  ['TaskAdmitted', { models: ['a', 3] }, /models\.1 is 3/],
  ['ToolRequested', { arguments: { n: 1n } }, /arguments is not JSON/],
]
for (const [type, change, pattern] of mismatches) {
  test(`encoding ${type} with ${Object.keys(change).join()} wrong names the field`, () => {
    assert.throws(() => encode(type, { ...samples[type], ...change }), is('SCHEMA_MISMATCH', pattern))
  })
}

test('encoding before prepare says so', () => {
  const early = createCodec({ registry, prefix: 'flotilla' })
  assert.throws(
    () => early.encode('TaskClosed', samples.TaskClosed, 'code.requested'),
    is('INTERNAL', /prepared/),
  )
})

const closed = encode('TaskClosed', samples.TaskClosed)
const bad: [string, Uint8Array, TopicName, RegExp][] = [
  ['no bytes', new Uint8Array(), 'code.requested', /0 bytes/],
  ['no bytes of a task', new Uint8Array(), 'tasks.submitted', /0 bytes/],
  ['plain text', Buffer.from('hello world'), 'code.requested', /first byte of 104/],
  [
    'an unknown schema id',
    Buffer.from([0, 1, 2, 3, 4, 5, 6]),
    'code.requested',
    /no released schema has id 16909060/,
  ],
  ['an event of another topic', closed, 'tasks.completed', /TaskClosed does not belong there/],
  ['a cut record', closed.subarray(0, closed.length - 2), 'code.requested', /end too early/],
  ['bytes behind the record', Buffer.concat([closed, Buffer.from([1])]), 'code.requested', /left over/],
  ['JSON on another topic', Buffer.from('{"text":"x"}'), 'tasks.control', /first byte of 123/],
]
for (const [name, value, topic, pattern] of bad) {
  test(`undecodable: ${name}`, async () => {
    await assert.rejects(() => decode(value, topic), is('UNDECODABLE_RECORD', pattern))
  })
}

test('a JSON field that holds no JSON is undecodable', async () => {
  const value = Buffer.from(encode('TaskProgressed', { ...samples.TaskProgressed, detail: 'xx' }))
  value[value.indexOf('"xx"')] = 0x21
  await assert.rejects(
    () => decode(value, 'tasks.history'),
    is('UNDECODABLE_RECORD', /detail does not hold JSON/),
  )
})

test('a forged item count neither hangs nor fills the memory', async () => {
  const body = Buffer.from([2, 0x61, 0xfe, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0])
  const value = Buffer.concat([header(encode('WorkCancelled', samples.WorkCancelled)), body])
  const before = ownMs()
  await assert.rejects(
    () => decode(value, 'code.requested'),
    is('UNDECODABLE_RECORD', /items in too few bytes/),
  )
  assert.ok(ownMs() - before < 1000)
})

test('damaged records are read or refused as undecodable, never anything else', async () => {
  let seed = 7
  const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below
  for (let round = 0; round < 3000; round++) {
    const types = Object.keys(samples) as EventType[]
    const type = types[random(types.length)] as EventType
    const value = Buffer.from(encode(type, samples[type]))
    for (let i = 0; i <= random(4); i++) value[5 + random(value.length - 5)] = random(256)
    await decode(value, topicOf(type)).catch(is('UNDECODABLE_RECORD', /./))
  }
})

test('another version of a record is read as ours: its new fields are left out, our new ones have their defaults', async () => {
  const { TaskCancelled } = schemas
  const other = {
    ...TaskCancelled,
    namespace: 'com.example',
    fields: [
      ...TaskCancelled.fields.filter(({ name }) => name === 'taskId'),
      { name: 'extra', type: { type: 'array', items: 'string' }, doc: '', default: [] },
    ],
  }
  const id = await registry.register('any', other as unknown as AvroSchema)
  const head = Buffer.alloc(5)
  head.writeInt32BE(id, 1)
  const value = Buffer.concat([head, Buffer.from([4, 0x74, 0x31, 4, 2, 0x61, 2, 0x62, 0])])
  assert.deepEqual(codec.decode(value, 'tasks.control'), {
    type: 'TaskCancelled',
    data: { taskId: 't1', reason: null, requestedBy: null },
  })
})

test('a schema that is asked for is asked for once, then decoding is synchronous', async () => {
  let asked = 0
  const slow: Registry = {
    ...registry,
    byId: async (id) => (asked++, registry.byId(id)),
    register: async (subject, schema) => registry.register(subject, schema),
  }
  const reader = createCodec({ registry: slow, prefix: 'x' })
  const values = await Promise.all([
    reader.decode(closed, 'code.requested'),
    reader.decode(closed, 'code.requested'),
  ])
  assert.equal(asked, 1)
  assert.deepEqual(values[0], values[1])
  assert.ok(!(reader.decode(closed, 'code.requested') instanceof Promise))
})

test('a registry that was away is asked again', async () => {
  let isAway = true
  const flaky: Registry = {
    ...registry,
    byId: async (id) => {
      if (isAway) throw new FlotillaError('REGISTRY_UNAVAILABLE', 'away')
      return registry.byId(id)
    },
  }
  const reader = createCodec({ registry: flaky, prefix: 'x' })
  await assert.rejects(
    async () => reader.decode(closed, 'code.requested'),
    is('REGISTRY_UNAVAILABLE', /away/),
  )
  isAway = false
  assert.equal((await reader.decode(closed, 'code.requested')).type, 'TaskClosed')
})
