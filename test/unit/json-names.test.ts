import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repeatedNames } from '../../runtime/json-names.ts'

for (const [json, names] of [
  ['{"a":1,"a":2}', ['a']],
  ['{"a":1, "a" : 1}', []],
  ['{"a":{"b":1,"b":[1,2]}}', ['b']],
  ['{"a":{"b":1},"a":{"b":2}}', ['a']],
  ['{"a":{"b":1},"c":{"b":2}}', []],
  ['[{"a":1},{"a":2}]', []],
  ['[[{"a":1,"b":"a","a":"}"}]]', ['a']],
  ['{"a":"{\\"b\\":1,\\"b\\":2}"}', []],
  ['{"a":1,"\\u0061":2}', ['a']],
  ['{"":1,"":2}', ['']],
  ['{"__proto__":1,"__proto__":2}', ['__proto__']],
  ['{"a":1,"a":null,"b":1,"b":2,"c":1,"c":2,"d":1,"d":2}', ['a', 'b', 'c']],
  ['{"a":[],"a":[]}', []],
  ['{}', []],
  ['"a"', []],
] as const) {
  test(`${json} gives ${names.join(', ') || 'nothing'} twice`, () => {
    assert.deepEqual(repeatedNames(json), names)
  })
}

test('a megabyte is read in one pass, a text of it too', () => {
  const list = `[${'{"a":1},'.repeat(120_000)}{"a":1,"a":2}]`
  assert.deepEqual(repeatedNames(list), ['a'])
  assert.deepEqual(repeatedNames(`{"a":"${'\\n'.repeat(500_000)}","a":2}`), ['a'])
  assert.deepEqual(repeatedNames('['.repeat(200_000) + ']'.repeat(200_000)), [])
})
