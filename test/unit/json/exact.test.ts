import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeeperThan, MAX_JSON_DEPTH } from '../../../runtime/json/depth.ts'
import { inexactNumbersHint, inexactTextsHint, parseExact } from '../../../runtime/json/exact.ts'

test('a number that a double would change is its digits, any other stays a number', () => {
  for (const [source, value] of [
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992],
    ['9007199254740993', '9007199254740993'],
    ['-9007199254740993', '-9007199254740993'],
    ['1234567890123456789', '1234567890123456789'],
    ['1e20', 1e20],
    ['100000000000000000000', 1e20],
    ['100000000000000000001', '100000000000000000001'],
    ['9007199254740993.5', '9007199254740993.5'],
    ['9007199254740.993e3', '9007199254740.993e3'],
    ['1e999', '1e999'],
    ['-1e999', '-1e999'],
    ['1e-999', '1e-999'],
    ['0e999', 0],
    ['0.30000000000000004', 0.30000000000000004],
    ['3.14159265358979323846', Math.PI],
    ['"9007199254740993"', '9007199254740993'],
  ] as const) {
    assert.deepEqual(parseExact(source), value, source)
    assert.deepEqual(parseExact(`{"a":[{"b":${source}}]}`), { a: [{ b: value }] }, source)
    for (const text of [`[${source}]`, `[0,${source}]`, `[0,\n\t${source}\r\n]`, ` ${source} `])
      assert.deepEqual([parseExact(text)].flat().at(-1), value, text)
  }
})

test('what was read is read as the same again', () => {
  const once = parseExact('[1e20,123456789012345680000,9007199254740993,1e21,1.5e300,0.1]')
  const text = JSON.stringify(once)
  assert.deepEqual(parseExact(text), once)
  assert.deepEqual(JSON.parse(text), once)
})

test('names stay own properties, and what is no JSON is refused as ever', () => {
  const read = parseExact('{"__proto__":{"a":9007199254740993}}') as object
  assert.ok(Object.hasOwn(read, '__proto__'))
  assert.throws(() => parseExact('{"a":9007199254740993'), SyntaxError)
})

test('numbers that were kept as text can be named beside what does not fit', () => {
  assert.match(
    inexactNumbersHint('{"a":9007199254740993,"b":[1,1e999]}'),
    /9007199254740993, 1e999: more than/,
  )
  assert.equal(inexactNumbersHint('{"a":9007199254740992}'), '')
})

test('integers that have become text already can be named too', () => {
  assert.match(
    inexactTextsHint({ a: [{ b: '1152921504606846976' }] }),
    /^ \(1152921504606846976: more than a number/,
  )
  assert.equal(inexactTextsHint({ a: '9007199254740991', b: 'x', c: 5, d: null }), '')
})

test('what is nested too deep is read all the same: for its depth it is refused where it is walked', () => {
  const depth = 50_000
  const read = parseExact(`${'['.repeat(depth)}12345678901234567890${']'.repeat(depth)}`)
  assert.ok(isDeeperThan(read, MAX_JSON_DEPTH))
})

test('a hint is found in any number of values', () => {
  assert.match(
    inexactTextsHint([...Array<string>(300_000).fill('x'), '1152921504606846976']),
    /1152921504606846976/,
  )
})
