import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { homeOf, murmur2 } from '../../../runtime/log/home.ts'

const kafkajsMurmur2 = createRequire(import.meta.url)(
  'kafkajs/src/producer/partitioners/default/murmur2.js',
) as (key: string | Buffer) => number

// Vectors of Kafka's own UtilsTest.testMurmur2.
const kafkaVectors: Record<string, number> = {
  '21': -973932308,
  foobar: -790332482,
  'a-little-bit-long-string': -985981536,
  'a-little-bit-longer-string': -1486304829,
  lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
  abc: 479470107,
}

test("murmur2 gives Kafka's own test vectors", () => {
  for (const [key, hash] of Object.entries(kafkaVectors)) {
    assert.equal(murmur2(new TextEncoder().encode(key)), hash, key)
  }
})

test('murmur2 agrees with kafkajs for every length and for bytes above 127', () => {
  for (let length = 0; length < 64; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 89 + length * 7) % 256))
    assert.equal(murmur2(bytes), kafkajsMurmur2(bytes), `length ${length}`)
  }
  for (const key of ['', 'ä', 'žluťoučký kůň', '任务-42', '🚀🚀']) {
    assert.equal(murmur2(new TextEncoder().encode(key)), kafkajsMurmur2(key), key)
  }
})

test('homeOf is never negative, in range, and reads a view into a larger buffer rightly', () => {
  for (let i = 0; i < 1_000; i++) {
    const home = homeOf(`task-${i}`, 12)
    assert.ok(Number.isInteger(home) && home >= 0 && home < 12)
    assert.equal(home, (kafkajsMurmur2(`task-${i}`) & 0x7fffffff) % 12)
  }
  const larger = Buffer.from('xxabcxx')
  assert.equal(murmur2(larger.subarray(2, 5)), kafkaVectors['abc'])
})
