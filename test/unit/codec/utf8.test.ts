// Texts of records that are not UTF-8.
import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import { createReader, createWriter } from '../../../runtime/codec/avro.ts'
import { wrongByteAt } from '../../../runtime/codec/utf8.ts'
import { Random } from '../../../runtime/testing/simulator/random.ts'
import type { EventType } from '../../../schemas/generated/events.ts'
import { schemas } from '../../../schemas/generated/schemas.ts'
import { samples } from '../../golden/samples.ts'

const MARK = '§§§'
/** A record whose marked text has these bytes; one of them for each character of the mark, two bytes long. */
function written(type: EventType, data: object, bytes: number[]): { value: Buffer; at: number } {
  const value = Buffer.from(createWriter(schemas[type]).write(7, { ...samples[type], ...data }))
  const at = value.indexOf(MARK)
  assert.equal(bytes.length, Buffer.byteLength(MARK))
  value.set(bytes, at)
  return { value, at }
}
const latin1 = [0x66, 0x61, 0x63, 0xe9, 0x20, 0x20]
const half = [0x61, 0xed, 0xa0, 0xbd, 0x62, 0x63]
const read = (type: EventType, value: Uint8Array, writer: object = schemas[type]): Record<string, unknown> =>
  createReader(schemas[type], writer as never).read(value, 5) as Record<string, unknown>

test('the place of the first wrong byte, where Node says that there is one', () => {
  const random = new Random(3)
  const parts = [
    [0x41],
    [0xc3, 0xa9],
    [0xe2, 0x82, 0xac],
    [0xf0, 0x9f, 0x9a, 0xa2],
    [0xed, 0x9f, 0xbf],
    [0xf4, 0x8f, 0xbf, 0xbf],
  ]
  for (let round = 0; round < 3_000; round++) {
    const bytes = Buffer.from(Array.from({ length: 6 }, () => random.pick(parts)).flat())
    for (let left = random.between(0, 2); left > 0; left--)
      bytes[random.between(0, bytes.length - 1)] = random.between(0, 255)
    const text = random.chance(0.2) ? bytes.subarray(0, -1) : bytes
    const at = wrongByteAt(text, { from: 0, to: text.length, halves: false })
    assert.equal(at === null, isUtf8(text), text.toString('hex'))
    if (at === null) continue
    assert.ok(isUtf8(text.subarray(0, at)), text.toString('hex'))
    const rest = [...Array(4).keys()].map((more) => text.subarray(at, at + more + 1))
    assert.ok(!rest.some((part) => isUtf8(part)), text.toString('hex'))
  }
})

test('a text that is not UTF-8 is refused, with its field and the place of the byte', () => {
  const { value, at } = written('TaskSubmitted', { text: MARK }, latin1)
  const said = `decoding TaskSubmitted: text is not UTF-8: byte ${at + 3} of the record is 0xe9`
  for (const writer of [schemas.TaskSubmitted, { ...schemas.TaskSubmitted, namespace: 'com.example' }])
    assert.throws(() => read('TaskSubmitted', value, writer), { code: 'UNDECODABLE_RECORD', message: said })
})

test('so are names and texts within lists, maps and JSON', () => {
  const usage = written('TaskCompleted', { output: { [MARK]: 1 } }, latin1)
  assert.throws(() => read('TaskCompleted', usage.value), { message: /: output is not UTF-8/ })
  const models = written('TaskAdmitted', { models: ['a', MARK] }, latin1)
  assert.throws(() => read('TaskAdmitted', models.value), { message: /: models is not UTF-8/ })
})

test('half of a surrogate pair, as an earlier version wrote it, is read; not if anybody may have written it', () => {
  const { value } = written('TokensStreamed', { text: MARK }, half)
  assert.equal(read('TokensStreamed', value)['text'], 'a\ufffd\ufffd\ufffdbc')
  const anybodys = written('TaskSubmitted', { text: MARK }, half)
  assert.throws(() => read('TaskSubmitted', anybodys.value), { message: /text is not UTF-8: byte \d+ of/ })
})

test('the replacement character itself is a character', () => {
  const value = createWriter(schemas.TaskSubmitted).write(7, { ...samples.TaskSubmitted, text: 'a\ufffdb' })
  assert.equal(read('TaskSubmitted', value)['text'], 'a\ufffdb')
})

test('no record is written that could not be read', () => {
  const text = `${'x'.repeat(3)}\ud83d`
  for (const schema of [schemas.TaskSubmitted, { ...schemas.TaskSubmitted }]) {
    const value = createWriter(schema).write(7, { ...samples.TaskSubmitted, text })
    assert.equal(read('TaskSubmitted', value)['text'], 'xxx\ufffd')
  }
})
