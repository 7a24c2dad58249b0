import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonSchema } from '../../../runtime/config/fleet.ts'
import { LIST_OF_TYPES, portableSchema, withoutKeywords } from '../../../services/planner/tools/schemas.ts'

const text = { type: 'string' }
const number = { type: 'number' }
const object = (properties: JsonSchema, ...required: string[]): JsonSchema => ({
  type: 'object',
  properties,
  ...(required.length > 0 ? { required } : {}),
})

const portables: [what: string, schema: JsonSchema, sent: JsonSchema][] = [
  ['an object', object({ a: text }, 'a'), object({ a: text }, 'a')],
  ['without properties', { type: 'object' }, object({})],
  [
    'with names of its own',
    { $schema: 'http://json-schema.org/draft-07/schema#', $id: 'urn:x', ...object({ $id: text }) },
    object({ $id: text }),
  ],
  [
    'alternatives: those that all require are required',
    {
      type: 'object',
      anyOf: [object({ a: text, b: text }, 'a', 'b'), object({ a: text, c: text }, 'a', 'c')],
    },
    object({ a: text, b: text, c: text }, 'a'),
  ],
  [
    'alternatives with a mark of their kind',
    {
      type: 'object',
      oneOf: [
        { ...object({ kind: { const: 'a' }, x: text }, 'kind'), additionalProperties: false },
        { ...object({ kind: { const: 'b' }, x: text }, 'kind'), additionalProperties: false },
        { ...object({ kind: { const: 'c' }, x: text }, 'kind'), additionalProperties: false },
      ],
    },
    object({ kind: { anyOf: [{ const: 'a' }, { const: 'b' }, { const: 'c' }] }, x: text }, 'kind'),
  ],
  [
    'one of two properties',
    { ...object({ a: text, b: text }), anyOf: [{ required: ['a'] }, { required: ['b'] }] },
    object({ a: text, b: text }),
  ],
  [
    'parts that all hold, one by reference',
    {
      type: 'object',
      allOf: [{ $ref: '#/$defs/p' }, object({ b: text }, 'b')],
      $defs: { p: object({ a: text }, 'a') },
    },
    { ...object({ a: text, b: text }, 'a', 'b'), $defs: { p: object({ a: text }, 'a') } },
  ],
  [
    'conditions',
    { ...object({ a: text }), if: { required: ['a'] }, then: {}, else: {}, not: { required: ['c'] } },
    object({ a: text }),
  ],
  [
    'half a character in a description',
    object({ a: { type: 'string', description: 'x\ud83d\u0000' } }),
    object({ a: { type: 'string', description: 'x\ufffd\ufffd' } }),
  ],
]

for (const [what, schema, sent] of portables) {
  test(`${what}: what is sent`, () => {
    const before = structuredClone(schema)
    assert.deepEqual(portableSchema(schema), sent)
    assert.deepEqual(schema, before)
  })
}

const refused: [keyword: string, schema: JsonSchema, sent: JsonSchema][] = [
  [
    'additionalProperties',
    {
      ...object({ additionalProperties: { ...object({ a: text }), additionalProperties: false } }),
      additionalProperties: {},
    },
    object({ additionalProperties: object({ a: text }) }),
  ],
  ['const', object({ a: { const: 'x' } }), object({ a: { enum: ['x'] } })],
  ['default', object({ default: { ...text, default: { const: 1 } } }), object({ default: text })],
  ['anyOf', object({ a: { anyOf: [{ type: 'null' }, text, number] } }), object({ a: text })],
  ['oneOf', object({ a: { oneOf: [text, number] } }), object({ a: { anyOf: [text, number] } })],
  ['allOf', object({ a: { allOf: [text, { minLength: 1 }] } }), object({ a: { ...text, minLength: 1 } })],
  [LIST_OF_TYPES, object({ a: { type: ['null', 'string'] } }), object({ a: text })],
  [
    '$ref',
    { ...object({ a: { $ref: '#/$defs/a~1b', description: 'd' } }), $defs: { 'a/b': text } },
    { ...object({ a: { ...text, description: 'd' } }), $defs: { 'a/b': text } },
  ],
  ['$defs', { ...object({ a: { $ref: '#/$defs/a' } }), $defs: { a: text } }, object({ a: text })],
]

for (const [keyword, schema, sent] of refused) {
  test(`where ${keyword} is refused`, () => {
    assert.deepEqual(withoutKeywords(schema, new Set([keyword])), sent)
  })
}

test('a schema that refers to itself ends', () => {
  const names = Array.from({ length: 20 }, (_, at) => [`p${at}`, { $ref: '#' }] as const)
  const tree = object(Object.fromEntries(names))
  assert.ok(JSON.stringify(withoutKeywords(tree, new Set(['$ref']))).length < 100_000)
})
