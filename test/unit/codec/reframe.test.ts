import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../runtime/codec/embedded-registry.ts'
import type { AvroSchema, Registry } from '../../../runtime/codec/registry.ts'
import { createReframer } from '../../../runtime/codec/reframe.ts'
import { memoryBlobs } from '../../../runtime/testing/memory/store.ts'

/** Ids in order, by subject and schema, as real registries give them. */
function countingRegistry(): Registry & { readonly subjects: Set<string> } {
  const known: AvroSchema[] = []
  const ids = new Map<string, number>()
  const subjects = new Set<string>()
  return {
    subjects,
    register: async (subject, schema) => {
      subjects.add(subject)
      const key = `${subject} ${JSON.stringify(schema)}`
      const id = ids.get(key) ?? known.push(schema)
      ids.set(key, id)
      return id
    },
    byId: (id) => known[id - 1] ?? assert.fail(`no schema ${id}`),
    check: async () => {},
  }
}

const feedback = { taskId: 't', userId: null, satisfaction: 1, comment: 'fine' }
const registry = countingRegistry()
const source = createCodec({ registry: createEmbeddedRegistry(), prefix: 'fleet' })
const target = createCodec({ registry, prefix: 'fleet' })
await Promise.all([source.prepare(), target.prepare()])
const blobs = memoryBlobs()
const { reframe } = createReframer({ registry, codec: target, blobs, prefix: 'fleet' })

test('a value is read with the ids of the other registry, its body byte for byte the same', async () => {
  const value = source.encode('FeedbackGiven', feedback, 'tasks.control')
  const framed = await reframe(value, 'tasks.control')
  assert.ok(framed)
  assert.deepEqual(framed.subarray(5), Buffer.from(value.subarray(5)))
  assert.deepEqual(await target.decode(framed, 'tasks.control'), { type: 'FeedbackGiven', data: feedback })
  assert.notDeepEqual(framed.subarray(0, 5), Buffer.from(value.subarray(0, 5)))
})

test('what is no Avro of the fleet stays as it is', async () => {
  assert.equal(await reframe(null, 'tasks.control'), null)
  for (const text of ['{"text":"hi"}', '\u0000', '\u0000\u0000\u0000\u0000\u0001other', ''])
    assert.deepEqual(await reframe(Buffer.from(text), 'tasks.submitted'), Buffer.from(text))
})

test('a dead letter carries a record that is reframed too, also one in the blob store', async () => {
  const value = source.encode('FeedbackGiven', feedback, 'tasks.control')
  const letter = {
    sourceTopic: 'tasks.control',
    partition: 0,
    offset: 7,
    key: 't',
    value,
    headers: {},
    stage: 'metering',
    code: 'INTERNAL',
    message: 'why',
    attempts: 3,
    failedAtMs: 1,
    valueBlob: await blobs.put(value),
    valueBytes: value.length,
    originBlob: null,
  }
  const framed = await reframe(source.encode('DeadLettered', letter, 'dead-letters'), 'dead-letters')
  const decoded = await target.decode(framed ?? assert.fail('it has a value'), 'dead-letters')
  assert.ok(decoded.type === 'DeadLettered')
  const { data } = decoded
  const whole = await blobs.get(data.valueBlob ?? '')
  for (const bytes of [data.value, whole ?? assert.fail('the payload is there')])
    assert.deepEqual(await target.decode(bytes, 'tasks.control'), { type: 'FeedbackGiven', data: feedback })
  assert.deepEqual({ ...data, value, valueBlob: letter.valueBlob }, letter)
})
