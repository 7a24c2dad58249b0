// What counts as JSON is what JSON.parse takes, whatever is left out for being words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isJson, parseJson } from '../../../services/planner/result/json-text.ts'

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const values = ['{"a":1}', '[1]', '"a"', '0', '-1', '1e3', 'true', 'false', 'null', '{}', '[]', '""']
const around = ['', ' ', '\n', '\t\r\n ', '\u00a0', '\ufeff', '\v', 'x', 'the answer is ']
const others = [
  '',
  ' ',
  'done',
  'nothing',
  'trueish',
  'null and void',
  'no',
  'false alarm',
  '-',
  '+1',
  '{',
  '12 men',
]

test('a text is JSON if JSON.parse takes it', () => {
  const texts = around.flatMap((before) =>
    around.flatMap((after) => values.map((one) => before + one + after)),
  )
  for (const text of [...texts, ...others]) {
    const value = parsed(text)
    assert.deepEqual(parseJson(text), value, JSON.stringify(text))
    assert.equal(isJson(text), value !== undefined, JSON.stringify(text))
  }
})
