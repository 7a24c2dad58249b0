import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayRepeatNames, repeatedNames, withNamesKept } from '../../../runtime/json/names.ts'
import type { Json } from '../../../schemas/json.ts'

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

for (const [json, kept] of [
  ['{"a":1,"a":2,"a":3}', { a: 1, a_2: 2, a_3: 3 }],
  ['{"a":1,"a_2":0,"a":2}', { a: 1, a_2: 0, a_3: 2 }],
  ['{"a":1,"a":2,"a_2":3}', { a: 1, a_2: 2, a_2_2: 3 }],
  ['{"a":{"b":1,"b":2},"a":{"b":3}}', { a: { b: 1, b_2: 2 }, a_2: { b: 3 } }],
  [
    '{"a":{"b":1},"a":{"b":2,"b":[{"c":1,"c":"}"}]}}',
    { a: { b: 1 }, a_2: { b: 2, b_2: [{ c: 1, c_2: '}' }] } },
  ],
] as const) {
  test(`${json} keeps all of its values`, () => {
    assert.deepEqual(JSON.parse(withNamesKept(json)), kept)
  })
}

for (const [json, must] of [
  ['{"a":1,"b":{"c":[{"d":1}]}}', false],
  ['{"a":1,"a":1}', true],
  ['{"a":1,"a" :2}', true],
  ['{"a":{"b":1},"a":{}}', true],
  ['{"a":"\\":"}', true],
  ['[]', false],
] as const) {
  test(`${json} ${must ? 'is scanned' : 'needs no scan'}`, () => {
    assert.equal(mayRepeatNames(json, JSON.parse(json) as Json), must)
  })
}

test('a text without such names is the same text', () => {
  const json = ' {"a" : [1, {"b":"x"}], "c": 9007199254740993} '
  assert.equal(withNamesKept(json), json)
})
