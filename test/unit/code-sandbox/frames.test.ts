import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  FrameReader,
  MAX_FRAME_BYTES,
  ProtocolBroken,
  frameBytes,
  parseFrame,
} from '../../../services/code-sandbox/executors/frames.ts'

const out = (text: string) => ({ t: 'out', text }) as const

test('frames come out whole however the stream is cut', () => {
  const texts = ['', 'a', 'é'.repeat(500), 'x'.repeat(3_000)]
  const stream = Buffer.concat(texts.map((text) => frameBytes(out(text))))
  for (const size of [1, 2, 3, 7, 1_000, stream.length]) {
    const reader = new FrameReader()
    const frames = []
    for (let at = 0; at < stream.length; at += size)
      frames.push(...reader.add(stream.subarray(at, at + size)))
    assert.deepEqual(frames, texts.map(out), `chunks of ${size}`)
  }
})

test('a length beyond the limit is refused before its bytes arrive', () => {
  const header = Buffer.alloc(4)
  header.writeUInt32LE(MAX_FRAME_BYTES + 1)
  assert.throws(() => new FrameReader().add(header), ProtocolBroken)
})

test('frames of another shape are refused', () => {
  const broken = [
    'no JSON',
    'null',
    '[]',
    '{}',
    '{"t":"__proto__"}',
    '{"t":"out"}',
    '{"t":"calls","calls":[]}',
    '{"t":"calls","calls":{}}',
    '{"t":"calls","calls":[{"name":1,"arguments":{}}]}',
    '{"t":"calls","calls":[{"name":"a","arguments":[]}]}',
    '{"t":"finished"}',
    '{"t":"finished","result":{"error":{"code":"X"}}}',
  ]
  for (const text of broken) assert.throws(() => parseFrame(text), ProtocolBroken, text)
})

test('what a finished frame lacks is read as nothing', () => {
  assert.deepEqual(parseFrame('{"t":"finished","result":{"final":"yes"},"dropped":-1}'), {
    t: 'finished',
    value: null,
    final: false,
    answer: null,
    error: null,
    dropped: 0,
  })
})
