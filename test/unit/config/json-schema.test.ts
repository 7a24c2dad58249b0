// Users' schemas are answered as their draft says, or refused with what to write instead.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileJsonSchema, type CompilerOptions } from '../../../runtime/config/json-schema/compile.ts'
import type { Json } from '../../../schemas/json.ts'

type Schema = { [name: string]: Json }
const isFit = (schema: Schema, value: Json, options?: CompilerOptions): boolean =>
  compileJsonSchema(schema, options)(value).problems.length === 0

const parts = { properties: { alpha: { type: 'number', maximum: 3 } } }

const fits: [name: string, schema: Schema, value: Json, fits: boolean][] = [
  ['a price in cents', { multipleOf: 0.01 }, 19.99, true],
  ['a price with a fraction of a cent', { multipleOf: 0.01 }, 19.995, false],
  ['a tiny factor', { multipleOf: 1e-8 }, 12391239123, true],
  ['a huge value', { multipleOf: 0.123456789 }, 1e308, false],
  ['a huge multiple', { multipleOf: 0.5 }, 1e308, true],
  ['a negative value', { multipleOf: 0.1 }, -0.3, true],
  ['a required name that objects inherit', { required: ['constructor'] }, {}, false],
  ['a required __proto__', { required: ['__proto__'] }, {}, false],
  ['a property whose name objects inherit', { properties: { toString: { type: 'number' } } }, {}, true],
  ['a default does not stand in for what is required', { ...parts, required: ['alpha'] }, {}, false],
  ['a dynamic reference', { $dynamicRef: '#/$defs/a', $defs: { a: { type: 'string' } } }, 1, false],
  [
    'a dynamic reference by name, beside another',
    { $dynamicRef: '#a', $ref: '#/$defs/b', $defs: { a: { $dynamicAnchor: 'a', minimum: 2 }, b: {} } },
    1,
    false,
  ],
  [
    'what a false condition evaluates does not count',
    { if: { patternProperties: { foo: { const: 'a' } } }, unevaluatedProperties: false },
    { foo: 'b' },
    false,
  ],
  [
    'what the first of several branches evaluates counts only where it fits',
    {
      anyOf: [
        { patternProperties: { '^a': { const: 1 } }, required: ['b'] },
        { patternProperties: { '^c': {} } },
      ],
      unevaluatedProperties: false,
    },
    { a: 1 },
    false,
  ],
  [
    'what contains finds is evaluated',
    { contains: { const: 1 }, unevaluatedItems: { const: 2 } },
    [1, 2, 1],
    true,
  ],
  ['what contains leaves is not', { contains: { const: 1 }, unevaluatedItems: { const: 2 } }, [1, 3], false],
  [
    'a reference by name evaluates',
    { $ref: '#a', unevaluatedProperties: false, $defs: { x: { $anchor: 'a', properties: { b: true } } } },
    { b: 1 },
    true,
  ],
  [
    'a reference to itself evaluates, and ends',
    {
      $ref: '#/$defs/a',
      $defs: { a: { allOf: [{ properties: { b: true } }] } },
      unevaluatedProperties: false,
    },
    { b: 1, c: 1 },
    false,
  ],
  [
    'what a true condition evaluates counts',
    { if: { patternProperties: { foo: { const: 'a' } } }, unevaluatedProperties: false },
    { foo: 'a' },
    true,
  ],
  [
    '2019-09',
    { $schema: 'https://json-schema.org/draft/2019-09/schema', items: [{ type: 'number' }] },
    ['a'],
    false,
  ],
  [
    'draft 6',
    { $schema: 'http://json-schema.org/draft-06/schema#', items: [{ type: 'number' }] },
    ['a'],
    false,
  ],
  [
    'a recursive reference',
    {
      $schema: 'https://json-schema.org/draft/2019-09/schema',
      properties: { a: { $recursiveRef: '#' } },
      type: 'object',
    },
    { a: 1 },
    false,
  ],
  ['data that looks like a schema', { const: { $dynamicRef: '#a' } }, { $dynamicRef: '#a' }, true],
]

for (const [name, schema, value, expected] of fits)
  test(`${name}: ${expected ? 'fits' : 'does not fit'}`, () => assert.equal(isFit(schema, value), expected))

const refused: [name: string, schema: Schema, message: RegExp][] = [
  ['draft 4', { $schema: 'http://json-schema.org/draft-04/schema#' }, /\$schema must be that of draft 6/],
  ['a reference to elsewhere', { $ref: 'https://example.org/a.json' }, /a\.json.*nothing is fetched.*\$defs/],
  ['a property named __proto__', JSON.parse('{"properties":{"__proto__":{}}}') as Schema, /__proto__/],
  [
    'a dynamic reference between resources',
    { $dynamicRef: '#a', $defs: { a: { $id: 'a', $dynamicAnchor: 'a' } } },
    /\$dynamicRef is supported.*\$id/,
  ],
  [
    'unevaluatedProperties over a reference to elsewhere',
    { $ref: 'https://json-schema.org/draft/2020-12/schema', unevaluatedProperties: false },
    /unevaluatedProperties is supported.*\$defs/,
  ],
  [
    'references that ajv can not follow',
    {
      $id: 'urn:uuid:deadbeef-4321-ffff-ffff-1234feebdaed',
      $ref: '#/$defs/a',
      $defs: {
        a: { $id: 'urn:uuid:deadbeef-0000-ffff-ffff-4321feebdaed', $defs: { b: {} }, $ref: '#/$defs/b' },
      },
    },
    /references/,
  ],
]

for (const [name, schema, message] of refused)
  test(`${name}: refused`, () => assert.throws(() => compileJsonSchema(schema), { message }))

test('what nothing evaluated is named', () => {
  const check = compileJsonSchema({ properties: { a: true }, unevaluatedProperties: false })
  assert.deepEqual(check({ a: 1, b: 2, c: 3 }).problems, [
    'value: must NOT have b, c (unevaluatedProperties)',
  ])
})

test('arguments get defaults, also for what is required; a default that does not fit is left out', () => {
  const required = compileJsonSchema(
    { properties: { a: { type: 'number', default: 3 } }, required: ['a'] },
    { fillDefaults: true },
  )
  assert.deepEqual(required({}), { value: { a: 3 }, problems: [] })
  const unfit = compileJsonSchema(
    { properties: { a: { type: 'number', maximum: 3, default: 5 } } },
    { fillDefaults: true },
  )
  assert.deepEqual(unfit({}), { value: {}, problems: [] })
  assert.deepEqual(unfit({ a: 5 }).problems, ['a: must be <= 3'])
})

const many = Array.from({ length: 12_000 }, (_, id) => ({ id }))
const tree = {
  $defs: { a: { anyOf: [{ type: 'string' }, { type: 'array', items: { $ref: '#/$defs/a' } }] } },
}
const wide: [name: string, schema: Schema, value: Json, problems: number][] = [
  ['equal items are looked for among many', { uniqueItems: true }, many, 0],
  ['many parts below a reference do not fit', { ...tree, items: { $ref: '#/$defs/a' } }, many, 8],
]
for (const [name, schema, value, problems] of wide)
  test(`${name}: in linear time`, () => {
    const check = compileJsonSchema(schema)
    const before = process.cpuUsage()
    assert.equal(check(value).problems.length, problems)
    const { user, system } = process.cpuUsage(before)
    assert.ok(user + system < 1_000_000, `${(user + system) / 1_000} ms`)
  })

test('equal items are found in any order of their properties, and named', () => {
  const check = compileJsonSchema({ uniqueItems: true })
  const problem = 'value: must NOT have duplicate items (items ## 1 and 3 are identical)'
  assert.deepEqual(check([1, { a: 1, b: [2] }, '1', { b: [2], a: 1 }]).problems, [problem])
  assert.deepEqual(check([1, '1', true, 'true', null, 'null', [1], [[1]], { a: 1 }, { b: 1 }]).problems, [])
  assert.deepEqual(compileJsonSchema({ uniqueItems: false })([1, 1]).problems, [])
})
