// The generated converters of events do what the general codec does: byte for byte, and error for error. A copy of a
// schema is not the current one, so its writer and reader are the general ones.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReader, createWriter } from '../../../runtime/codec/avro.ts'
import { Random } from '../../../runtime/testing/simulator/random.ts'
import type { EventType } from '../../../schemas/generated/events.ts'
import { schemas } from '../../../schemas/generated/schemas.ts'
import type { RecordSchema } from '../../../schemas/record.ts'
import { samples } from '../../golden/samples.ts'

const types = Object.keys(schemas) as EventType[]
const general = (type: EventType): RecordSchema => ({ ...schemas[type] })
const writers = types.map((type) => [createWriter(schemas[type]), createWriter(general(type))] as const)
const readers = types.map(
  (type) =>
    [
      createReader(schemas[type], schemas[type] as never),
      createReader(general(type), schemas[type] as never),
    ] as const,
)

const ODD: readonly unknown[] = [
  ...[null, undefined, true, false, 10n, Symbol.iterator, () => 1],
  ...[0, -0, 1, -1, 1.5, 1e300, Number.NaN, Number.POSITIVE_INFINITY],
  ...[2 ** 31, 2 ** 31 - 1, -(2 ** 31), 2 ** 52, 2 ** 52 + 1, 2 ** 53 - 1, -(2 ** 53), 2 ** 53],
  ...[
    '',
    'a',
    'é'.repeat(40),
    'x'.repeat(63),
    'y'.repeat(64),
    '🚢'.repeat(20),
    'z'.repeat(70_000),
    '\ufffd',
    'a\ud83d',
    `${'é'.repeat(40)}\udea2`,
  ],
  ...[[], ['a'], ['a', 'é', null], [1, 2], {}, { a: 1 }, { a: 'x' }, new Map(), new Date(0)],
  ...[JSON.parse('{"__proto__":"q"}'), new Uint8Array([1, 2, 3]), new Uint8Array(70_000)],
]

/** The result, or the error's message, of each. */
function both<T>(steps: readonly [() => T, () => T]): unknown[] {
  return steps.map((step) => {
    try {
      return step()
    } catch (error) {
      return (error as Error).message
    }
  })
}

function changed(random: Random, type: EventType): object {
  const data: Record<string, unknown> = { ...samples[type] }
  const names = Object.keys(data)
  for (let left = random.between(0, 2); left > 0; left--) {
    const name = random.pick(names)
    const inside = data[name]
    if (random.chance(0.15)) delete data[name]
    else if (
      random.chance(0.3) &&
      typeof inside === 'object' &&
      inside !== null &&
      !ArrayBuffer.isView(inside)
    )
      data[name] = Array.isArray(inside) ? [random.pick(ODD)] : { ...inside, taskId: random.pick(ODD) }
    else data[name] = random.pick(ODD)
  }
  return data
}

function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes)
  for (let left = random.between(0, 2); left > 0; left--)
    copy[5 + random.between(0, copy.length - 6)] = random.between(0, 255)
  return random.chance(0.2) ? copy.slice(0, 5 + random.between(0, copy.length - 6)) : copy
}

test('an event is written in the same bytes, or refused with the same words', () => {
  const random = new Random(1)
  for (let round = 0; round < 2_500; round++) {
    const index = random.between(0, types.length - 1)
    const [plain, avsc] = writers[index] as (typeof writers)[number]
    const data = changed(random, types[index] as EventType)
    const [found, expected] = both([() => plain.write(7, data), () => avsc.write(7, data)])
    assert.deepEqual(found, expected, types[index])
  }
})

test('bytes are read as the same event, or refused with the same words', () => {
  const random = new Random(2)
  for (let round = 0; round < 2_500; round++) {
    const index = random.between(0, types.length - 1)
    const type = types[index] as EventType
    const [plain, avsc] = readers[index] as (typeof readers)[number]
    const bytes = damaged(random, createWriter(schemas[type]).write(7, samples[type]))
    const [found, expected] = both([() => plain.read(bytes, 5), () => avsc.read(bytes, 5)])
    assert.deepStrictEqual(found, expected, type)
  }
})

test('records that were written one after the other do not share bytes', () => {
  const [first, second] = [1, 2].map((step) =>
    createWriter(schemas.TaskProgressed).write(7, { ...samples.TaskProgressed, step }),
  )
  const reader = createReader(schemas.TaskProgressed, schemas.TaskProgressed as never)
  assert.deepEqual(reader.read(first as Uint8Array, 5), { ...samples.TaskProgressed, step: 1 })
  assert.deepEqual(reader.read(second as Uint8Array, 5), { ...samples.TaskProgressed, step: 2 })
})
