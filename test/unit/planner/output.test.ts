import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonSchema } from '../../../runtime/config/fleet.ts'
import type { Json } from '../../../runtime/stage.ts'
import { directSchemaChecks } from '../../../runtime/testing/schema-checks.ts'
import { createOutputCaller } from '../../../services/planner/result/output-check.ts'
import { ownMs } from '../../support/own-time.ts'

const check = createOutputCaller({ schemas: directSchemaChecks() })
const context = { key: 't1', signal: new AbortController().signal }
const fit = (value: Json, schema: JsonSchema) => check({ schema, isOwn: false, value, userId: null }, context)

const number = { type: 'number' }
const list = { type: 'array' }

const fitting: [value: Json, schema: JsonSchema, output: Json][] = [
  ['42', number, 42],
  ['{"id":9007199254740993}', { type: 'object' }, { id: '9007199254740993' }],
  ['Here it is:\n```json\n[1]\n```\nDone.', list, [1]],
  ['```\n[1]\n```\nor\n```\n[2]\n```', { type: 'string' }, '```\n[1]\n```\nor\n```\n[2]\n```'],
  [' [1, 2] ', list, [1, 2]],
  ['```json\n[1, 2]\n```', list, [1, 2]],
  ['```\n[1]\n```\n', list, [1]],
  ['\n ```json  \r\n[1]\r\n ```', list, [1]],
  ['null', { type: 'null' }, null],
  ['~~~json\n[1]\n~~~', list, [1]],
  ['```json\n[1]', list, [1]],
  ['It is:\n```json\n[1]\n``` and that is all.', list, [1]],
  ['```json [1] ```', list, [1]],
  ['I ran\n```python\nprint(1)\n```\nand got\n```json\n[1]\n```', list, [1]],
  ['```\n[1]\n```\nThat is\n```\n[1]\n```', list, [1]],
  ['````md\n```\n[1]\n```\n````', { type: 'string' }, '````md\n```\n[1]\n```\n````'],
  ['The result is [1, 2]. I hope that this helps!', list, [1, 2]],
  ['As of [today]: {"a": "{x}"} (see above)', { type: 'object' }, { a: '{x}' }],
  ['<answer>{"a":1}</answer>', { type: 'object' }, { a: 1 }],
  ['See [{"a":1}].', list, [{ a: 1 }]],
  ['It is {"a":1} there.', {}, 'It is {"a":1} there.'],
  ['42', { type: 'string' }, '42'],
  ['{"a":1,"a":2}', { type: 'string' }, '{"a":1,"a":2}'],
  ['words', { type: 'string' }, 'words'],
  [[1], list, [1]],
]

for (const [value, schema, output] of fitting) {
  test(`${JSON.stringify(value)} fits ${JSON.stringify(schema)}`, async () => {
    assert.deepEqual(await fit(value, schema), { output })
  })
}

const missing: [value: Json, schema: JsonSchema, problem: RegExp][] = [
  ['{"a":1,"a":2}', { type: 'object' }, /more than one value for "a"/],
  ['It is {"a":1,"a":2}.', { type: 'object' }, /must be object/],
  ['words', number, /must be number, not "words" \(it is not JSON\)/],
  ['"42"', number, /must be number/],
  [[1, 'x'], { type: 'array', items: number }, /1: must be number/],
  ['```\n[1]\n```\nor\n```\n[2]\n```', list, /must be array, not .*\(it is not JSON\)/],
  ['Either {"a":1} or {"a":2}', { type: 'object' }, /must be object.*\(it is not JSON\)/],
  ['See [{"a":1}].', { type: 'object' }, /must be object/],
  [
    '{"a":9007199254740993}',
    { type: 'object', additionalProperties: number },
    /must be number, not "9007199254740993" \(9007199254740993: more than a number/,
  ],
  [{}, { type: 'object', required: ['a'] }, /required property 'a'/],
]

for (const [value, schema, problem] of missing) {
  test(`${JSON.stringify(value)} does not fit ${JSON.stringify(schema)}`, async () => {
    const result = await fit(value, schema)
    assert.ok('problem' in result)
    assert.match(result.problem, problem)
  })
}

test('a text of blank lines is read in no time', async () => {
  const text = `\`\`\`\n${'\n'.repeat(200_000)}x`
  const begunMs = ownMs()
  assert.ok('problem' in (await fit(text, number)))
  // A regular expression took minutes.
  assert.ok(ownMs() - begunMs < 5_000)
})
