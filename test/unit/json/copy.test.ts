import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyJson } from '../../../runtime/json/copy.ts'
import type { Json } from '../../../schemas/json.ts'

test('a copy is equal and shares nothing', () => {
  const value: Json = { list: [1, { deep: [null, true, 'text', -0] }], empty: {}, none: [] }
  const copy = copyJson(value) as { list: [number, { deep: Json[] }] }
  assert.deepEqual(copy, value)
  copy.list[1].deep.push('added')
  assert.deepEqual(value, { list: [1, { deep: [null, true, 'text', -0] }], empty: {}, none: [] })
})

test('a property `__proto__` stays one', () => {
  const copy = copyJson(JSON.parse('{"__proto__": {"admin": true}}') as Json) as object
  assert.equal(Object.getPrototypeOf(copy), Object.prototype)
  assert.equal(JSON.stringify(copy), '{"__proto__":{"admin":true}}')
})
