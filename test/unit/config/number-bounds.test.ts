import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileJsonSchema } from '../../../runtime/config/json-schema/compile.ts'
import { withNumberBounds } from '../../../runtime/config/json-schema/number-bounds.ts'
import { parseExact } from '../../../runtime/json/exact.ts'
import type { JsonSchema } from '../../../runtime/config/fleet.ts'

const int64 = '{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}'

test('bounds of 64 bits are numbers in a schema that was read without loss, wherever it stands', () => {
  const schemas = [
    int64,
    `{"type":"object","properties":{"id":${int64},"maximum":${int64}}}`,
    `{"$defs":{"id":${int64}},"type":"array","items":{"anyOf":[{"$ref":"#/$defs/id"},{"maxLength":18446744073709551615}]}}`,
    `{"not":{"exclusiveMinimum":1e400,"multipleOf":12345678901234567890}}`,
  ]
  for (const text of schemas) {
    const read = parseExact(text)
    assert.throws(() => compileJsonSchema(read as JsonSchema), /must be (number|integer)/, text)
    const schema = withNumberBounds(read)
    assert.doesNotThrow(() => compileJsonSchema(schema as JsonSchema), text)
  }
  const { problems } = compileJsonSchema(withNumberBounds(parseExact(int64)) as JsonSchema)(7)
  assert.deepEqual(problems, [])
})

test('what is no bound stays as it is, and so does a schema without such bounds', () => {
  const text =
    '{"properties":{"id":{"type":"integer","maximum":7},"minimum":{"type":"string"}},"enum":[{"maximum":"9"}],"default":{"maximum":12345678901234567890},"const":"12","x":["a",1,null]}'
  const schema = parseExact(text)
  assert.equal(withNumberBounds(schema), schema)
  assert.deepEqual(withNumberBounds({ maximum: 'many' }), { maximum: 'many' })
  for (const none of [null, true, 'a', [1]]) assert.equal(withNumberBounds(none), none)
  const own = parseExact('{"properties":{"__proto__":{"maximum":12345678901234567890}}}')
  assert.deepEqual(
    JSON.stringify(withNumberBounds(own)),
    '{"properties":{"__proto__":{"maximum":12345678901234567000}}}',
  )
})
