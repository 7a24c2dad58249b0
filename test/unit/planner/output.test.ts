import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../../runtime/stage.ts'
import { fit } from '../../../services/planner/output.ts'

const number = { type: 'number' }
const list = { type: 'array', items: number }

const fitting: [value: Json, schema: Json, output: Json][] = [
  ['plain text', null, 'plain text'],
  ['{"a":1}', null, '{"a":1}'],
  ['42', number, 42],
  [' [1, 2] ', list, [1, 2]],
  ['```json\n[1, 2]\n```', list, [1, 2]],
  ['```\n[1]\n```\n', list, [1]],
  ['42', { type: 'string' }, '42'],
  ['words', { type: 'string' }, 'words'],
  [[1], list, [1]],
]

for (const [value, schema, output] of fitting) {
  test(`${JSON.stringify(value)} fits ${JSON.stringify(schema)}`, () => {
    assert.deepEqual(fit(value, schema), { output })
  })
}

const missing: [value: Json, schema: Json, problem: RegExp][] = [
  ['words', number, /must be number \(it is not JSON\)/],
  ['"42"', number, /must be number/],
  [[1, 'x'], list, /1: must be number/],
  [{}, { type: 'object', required: ['a'] }, /required property 'a'/],
]

for (const [value, schema, problem] of missing) {
  test(`${JSON.stringify(value)} does not fit ${JSON.stringify(schema)}`, () => {
    const result = fit(value, schema)
    assert.ok('problem' in result)
    assert.match(result.problem, problem)
  })
}
