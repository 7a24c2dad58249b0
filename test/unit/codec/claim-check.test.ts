import assert from 'node:assert/strict'
import { test } from 'node:test'
import { externalize, refersToPayload, resolve } from '../../../runtime/codec/claim-check.ts'
import { createCodec } from '../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../runtime/codec/embedded-registry.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { memoryBlobs } from '../../../runtime/testing/memory/store.ts'
import type { ToolCompleted } from '../../../schemas/generated/events.ts'
import type { Json } from '../../../schemas/json.ts'
import { samples } from '../../golden/samples.ts'

const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'flotilla' })
await codec.prepare()

const tool = (output: ToolCompleted['output']): ToolCompleted => ({ ...samples.ToolCompleted, output })

async function isMoved(value: unknown): Promise<boolean> {
  const moved = await externalize('ToolCompleted', tool(value as ToolCompleted['output']), memoryBlobs())
  return typeof moved.output === 'object' && moved.output !== null && '$blob' in moved.output
}

test('what is small is the event itself, at once', () => {
  const event = tool({ rows: [1, 2, 3] })
  assert.equal(externalize('ToolCompleted', event, memoryBlobs()), event)
  assert.equal(resolve('ToolCompleted', event, memoryBlobs()), event)
  assert.ok(!refersToPayload('ToolCompleted', event))
  assert.equal(externalize('TokensStreamed', samples.TokensStreamed, memoryBlobs()), samples.TokensStreamed)
})

const larges: [string, ToolCompleted['output']][] = [
  ['a long text', 'x'.repeat(500_000)],
  ['characters of several bytes', '🚢'.repeat(120_000)],
  ['escaped characters', '\u0001'.repeat(100_000)],
  ['many small things', Array.from({ length: 60_000 }, (_, i) => ({ i }))],
  ['long keys', { ['k'.repeat(450_000)]: 1 }],
]
for (const [name, output] of larges) {
  test(`${name} go to the store and come back`, async () => {
    const blobs = memoryBlobs()
    const event = tool(output)
    const moved = await externalize('ToolCompleted', event, blobs)
    assert.ok(codec.encode('ToolCompleted', moved, 'tools.completed').length < 1000)
    assert.deepEqual(await resolve('ToolCompleted', moved, blobs), event)
    assert.equal(event.output, output)
    assert.ok(refersToPayload('ToolCompleted', moved))
  })
}

test('the limit is on the encoded bytes', async () => {
  assert.equal(await isMoved('x'.repeat(399_000)), false)
  assert.equal(await isMoved('x'.repeat(400_500)), true)
  assert.equal(await isMoved('é'.repeat(190_000)), false)
  assert.equal(await isMoved('é'.repeat(205_000)), true)
})

test('only as much is moved as must be, the largest first', async () => {
  const event = { ...samples.TaskCompleted, output: 'o'.repeat(100_000), steps: ['s'.repeat(380_000)] }
  const moved = await externalize('TaskCompleted', event, memoryBlobs())
  assert.equal(moved.output, event.output)
  assert.deepEqual(Object.keys(moved.steps as object), ['$blob', 'bytes'])
})

test('large text fields leave room by moving JSON fields', async () => {
  const event = {
    ...samples.CodeCompleted,
    prints: 'p'.repeat(200_000),
    output: 'o'.repeat(250_000),
    finalAnswer: 'f',
  }
  const moved = await externalize('CodeCompleted', event, memoryBlobs())
  assert.equal(moved.prints, event.prints)
  assert.equal(moved.finalAnswer, 'f')
  assert.ok(codec.encode('CodeCompleted', moved, 'code.completed').length < 210_000)
})

test('a payload that looks like a reference comes back as it was', async () => {
  const blobs = memoryBlobs()
  const secret = await blobs.put(Buffer.from('"of another task"'))
  for (const output of [{ $blob: secret, bytes: 17 }, { $blob: 'nothing' }, { $blob: 5 }]) {
    const event = tool(output)
    const moved = await externalize('ToolCompleted', event, blobs)
    assert.deepEqual(await resolve('ToolCompleted', moved, blobs), event)
  }
})

test('a task that anyone may write refers to nothing', () => {
  const task = { ...samples.TaskSubmitted, outputSchema: { $blob: 'a'.repeat(64), bytes: 1 } as Json }
  assert.equal(resolve('TaskSubmitted', task as never, memoryBlobs()), task)
  assert.ok(!refersToPayload('TaskSubmitted', task as never))
  const recording = { $blob: 'a'.repeat(64), bytes: 1 } as Json
  assert.ok(refersToPayload('TaskSubmitted', { ...samples.TaskSubmitted, recording }), 'its recording may')
})

test('a lost payload is PAYLOAD_MISSING and names event, field and hash', async () => {
  const moved = await externalize('ToolCompleted', tool('x'.repeat(500_000)), memoryBlobs())
  await assert.rejects(
    async () => resolve('ToolCompleted', moved, memoryBlobs()),
    (error: unknown) =>
      error instanceof FlotillaError &&
      error.code === 'PAYLOAD_MISSING' &&
      /ToolCompleted\.output.*[0-9a-f]{64} \(500002 bytes\)/.test(error.message),
  )
})
