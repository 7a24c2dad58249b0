// The grammar of keys: what anyone calls a task never makes a part, nor another's key.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeKey, encodeKey, isPart, isRelated, isWithin, rootOf, type Key } from '../../runtime/keys.ts'
import { Random } from '../../runtime/testing/simulator/random.ts'

test('an ordinary id is its own key, so that the rows of tasks keep their keys', () => {
  for (const id of ['order-1', 'a.b_c:d-9', 'f'.repeat(128), '0190f8a2-7a52-7c31-9d7e-3f0d8b1a2c3d'])
    assert.equal(encodeKey(id), id)
  assert.equal(encodeKey({ root: 't1', part: 't1.2.0' }), 't1/t1.2.0')
  assert.equal(encodeKey({ root: 'fleet', part: 'n 1' }), 'fleet/n 1')
})

test('no id makes a part, an escape or a separator, and none meets another', () => {
  const random = new Random(7)
  const alphabet = ['a', 'b', '/', '%', '\u0000', '%2F', '%25', '25', '2F', '%00', '.']
  const id = () => Array.from({ length: random.between(0, 6) }, () => random.pick(alphabet)).join('')
  const seen = new Map<string, string>()
  for (let n = 0; n < 20_000; n++) {
    const key: Key = random.chance(0.5) ? { root: id() } : { root: id(), part: id() }
    const encoded = encodeKey(key)
    assert.deepEqual(decodeKey(encoded), key)
    assert.ok(!encoded.includes('\u0000'))
    assert.equal(isPart(encoded), key.part !== undefined)
    assert.equal(rootOf(encoded), encodeKey(key.root))
    const text = JSON.stringify(key)
    assert.equal(seen.get(encoded) ?? text, text, `${text} and ${seen.get(encoded)} have one key`)
    seen.set(encoded, text)
  }
})

test('a root and its parts belong together; sisters, and ids that begin alike, do not', () => {
  const [root, part, sister] = ['t', { root: 't', part: '1' }, { root: 't', part: '2' }].map((key) =>
    encodeKey(key),
  )
  const alike = ['t/1', 't%2F1', 'tt', 't.', 't/'].map((id) => encodeKey(id))
  assert.ok(isWithin(part as string, root as string) && !isWithin(root as string, part as string))
  assert.ok(isRelated(part as string, root as string) && isRelated(root as string, part as string))
  assert.ok(!isRelated(part as string, sister as string))
  for (const other of alike)
    for (const key of [root, part, sister]) assert.ok(!isRelated(other, key as string), `${other} and ${key}`)
})
