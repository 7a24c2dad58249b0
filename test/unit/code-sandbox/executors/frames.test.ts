import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  FrameReader,
  MAX_FRAME_BYTES,
  ProtocolBroken,
  frameBytes,
  parseFrame,
} from '../../../../services/code-sandbox/executors/frames.ts'
import { Interpreter } from '../../../../services/code-sandbox/executors/interpreter.ts'

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
    `{"t":"calls","calls":[${'{"name":"a","arguments":{}},'.repeat(10_000)}{"name":"a","arguments":{}}]}`,
    `{"t":"finished","result":{"value":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
    `{"t":"calls","calls":[{"name":"a","arguments":{"a":${'['.repeat(2_000)}${']'.repeat(2_000)}}}]}`,
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
    broken: false,
    reset: false,
  })
})

test('a property named __proto__ stays data: the caller of the tool refuses it', () => {
  const frame = parseFrame(
    '{"t":"calls","calls":[{"name":"a","arguments":{"__proto__":{"x":1},"a":[{"b":{"\\u005f_proto__":{"x":1},"c":1}}]}}]}',
  )
  assert.ok(frame.t === 'calls')
  const [call] = frame.calls
  const kept = '{"__proto__":{"x":1},"a":[{"b":{"__proto__":{"x":1},"c":1}}]}'
  assert.equal(JSON.stringify(call?.arguments), kept)
  assert.deepEqual(Object.getPrototypeOf(call?.arguments), Object.prototype)
})

test('an interpreter that floods its host with frames is killed', async () => {
  let killed = false
  const interpreter = new Interpreter({ write: () => {}, kill: () => void (killed = true) })
  interpreter.ready.catch(() => {})
  interpreter.receive(Buffer.concat(Array.from({ length: 20_001 }, () => frameBytes(out('')))))
  assert.ok(killed)
  assert.match(JSON.stringify(await interpreter.next()), /flood of frames/)
})

test('a frame behind the end of a step is not the answer to the next one', async () => {
  const sent: string[] = []
  const interpreter = new Interpreter({ write: (bytes) => void sent.push(String(bytes)), kill: () => {} })
  const finished = (value: string) => frameBytes({ t: 'finished', result: { value } })
  interpreter.send({ n: 1 }, () => {})
  interpreter.receive(Buffer.concat([finished('forged'), finished('its own')]))
  const first = await interpreter.next()
  assert.ok(first.t === 'finished' && first.value === 'forged')
  interpreter.send({ n: 2 }, () => {})
  assert.match(JSON.stringify(await interpreter.next()), /"dead".*frames that were not asked for/)
  assert.equal(sent.length, 1)
})
