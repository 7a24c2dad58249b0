import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { compileArguments } from '../../../runtime/config/json-schema/coercion.ts'
import { defineTool } from '../../../runtime/config/define.ts'
import type { JsonSchema } from '../../../runtime/config/fleet.ts'
import type { Json } from '../../../schemas/json.ts'

const schema: JsonSchema = {
  type: 'object',
  properties: {
    n: { type: 'integer' },
    x: { type: 'number' },
    on: { type: 'boolean' },
    text: { type: 'string' },
    unit: { enum: ['km', 'mi'] },
    level: { enum: [1, 2, 3] },
    tags: { type: 'array', items: { type: 'string' } },
    counts: { type: 'array', items: { type: 'integer' } },
    place: { $ref: '#/$defs/place' },
    places: { type: 'array', items: { $ref: '#/$defs/place' } },
    maybe: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
    either: { type: ['number', 'boolean'] },
    mixed: { anyOf: [{ type: 'boolean' }, { type: 'array', items: { type: 'boolean' } }] },
    shape: {
      oneOf: [
        {
          type: 'object',
          properties: { kind: { const: 'circle' }, r: { type: 'number' } },
          required: ['kind', 'r'],
        },
        {
          type: 'object',
          properties: { kind: { const: 'box' }, a: { type: 'number' } },
          required: ['kind', 'a'],
        },
      ],
    },
    any: {},
  },
  additionalProperties: false,
  $defs: {
    place: {
      type: 'object',
      properties: { city: { type: 'string' }, zip: { type: 'integer' }, near: { $ref: '#/$defs/place' } },
      required: ['city'],
    },
  },
}

const check = compileArguments(schema)

const meant: readonly [string, Json, Json, readonly string[]][] = [
  ['what fits stays as it is', { n: 1, text: 'true', any: '5' }, { n: 1, text: 'true', any: '5' }, []],
  ['digits for an integer', { n: '5' }, { n: 5 }, ['n: "5" read as 5']],
  ['spaces around digits', { n: ' -5 ' }, { n: -5 }, ['n: " -5 " read as -5']],
  ['a whole number with a point', { n: '3.0' }, { n: 3 }, ['n: "3.0" read as 3']],
  ['digits for a number', { x: '-2.5e3' }, { x: -2500 }, ['x: "-2.5e3" read as -2500']],
  ['a word for a boolean', { on: 'True' }, { on: true }, ['on: "True" read as true']],
  ['0 for a boolean', { on: 0 }, { on: false }, ['on: 0 read as false']],
  ['a whole number for a text', { text: 90210 }, { text: '90210' }, ['text: 90210 read as "90210"']],
  ['another case of a listed word', { unit: ' KM' }, { unit: 'km' }, ['unit: " KM" read as "km"']],
  ['a listed number as text', { level: '2' }, { level: 2 }, ['level: "2" read as 2']],
  [
    'a list as JSON',
    { tags: '["a","b"]' },
    { tags: ['a', 'b'] },
    [String.raw`tags: "[\"a\",\"b\"]" read as ["a","b"]`],
  ],
  [
    "a list in Python's quotes",
    { tags: "['a', 'b']" },
    { tags: ['a', 'b'] },
    [`tags: "['a', 'b']" read as ["a","b"]`],
  ],
  ['one text for a list', { tags: 'a' }, { tags: ['a'] }, ['tags: "a" read as ["a"]']],
  ['one number for a list', { counts: 4 }, { counts: [4] }, ['counts: 4 read as [4]']],
  [
    'digits for a list of numbers',
    { counts: '4' },
    { counts: [4] },
    ['counts: "4" read as ["4"]', 'counts.0: "4" read as 4'],
  ],
  ['items of a list', { counts: ['1', 2] }, { counts: [1, 2] }, ['counts.0: "1" read as 1']],
  ['a list of one for a value', { n: [7] }, { n: 7 }, ['n: [7] read as 7']],
  [
    'an object as JSON',
    { place: '{"city":5,"near":null}' },
    { place: { city: '5' } },
    [
      String.raw`place: "{\"city\":5,\"near\":null}" read as {"city":5,"near":null}`,
      'place.city: 5 read as "5"',
      'place.near: null left out',
    ],
  ],
  [
    'one object for a list',
    { places: { city: 'Rome' } },
    { places: [{ city: 'Rome' }] },
    ['places: {"city":"Rome"} read as [{"city":"Rome"}]'],
  ],
  [
    'null for what may be absent',
    { n: 1, tags: null, unit: null },
    { n: 1 },
    ['tags: null left out', 'unit: null left out'],
  ],
  [
    'None and nothing for what may be absent',
    { n: 'None', x: '', unit: 'null' },
    {},
    ['n: "None" left out', 'x: "" left out', 'unit: "null" left out'],
  ],
  [
    'null where null fits',
    { maybe: null, on: 'false' },
    { maybe: null, on: false },
    ['on: "false" read as false'],
  ],
  ['digits where null would fit too', { maybe: '8' }, { maybe: 8 }, ['maybe: "8" read as 8']],
  ['null for an unknown property', { n: 1, limit: null }, { n: 1 }, ['limit: null left out']],
  [
    'one of several shapes',
    { shape: { kind: 'box', a: '2' } },
    { shape: { kind: 'box', a: 2 } },
    ['shape.a: "2" read as 2'],
  ],
]

const told: readonly [string, Json, RegExp][] = [
  ['a text that is no number', { n: 'five' }, /n: must be integer, not "five"/],
  ['a fraction for an integer', { n: '3.7' }, /n: must be integer, not "3.7"/],
  [
    'more digits than a number holds',
    { n: '9007199254740993' },
    /n: must be integer, not "9007199254740993"/,
  ],
  ['zeros before a number', { n: '007' }, /n: must be integer/],
  [
    'such zeros within JSON',
    { place: '{"city":"Rome","zip":"00184"}' },
    /^place.zip: must be integer, not "00184"$/,
  ],
  ['separators', { x: '1,200' }, /x: must be number, not "1,200"/],
  ['a fraction for a text: zeros at its end are gone', { text: 1.1 }, /text: must be string, not 1.1/],
  ['a text that may be several', { tags: 'a, b' }, /tags: must be array, not "a, b"/],
  ['two items for one value', { n: [1, 2] }, /n: must be integer, not a list/],
  [
    'no listed word',
    { unit: 'yards' },
    /unit: must be equal to one of the allowed values: km, mi; not "yards"/,
  ],
  ['two ways to read it', { mixed: 'true' }, /mixed: /],
  ['a property that there is not', { n: '1', dry_run: true }, /\(dry_run; there are: n, x, on/],
  ['null for what is required', { place: { city: null } }, /place.city: must be string, not null/],
  ['only what is wrong is told', { n: '1', x: 'y' }, /^x: must be number, not "y"$/],
  [
    'a name that is written otherwise',
    { place: { City: 'Rome' } },
    /required property 'city' \(given: City\)/,
  ],
]

describe('arguments as a model meant them', () => {
  for (const [name, given, wanted, notes] of meant)
    test(name, () => {
      const { meant, problems, coerced } = check(given)
      assert.deepEqual(problems, [])
      assert.deepEqual(meant, wanted)
      assert.deepEqual(coerced, notes)
    })

  for (const [name, given, problem] of told)
    test(`told: ${name}`, () => {
      const { meant, problems, coerced } = check(given)
      assert.match(problems.join('; '), problem)
      assert.deepEqual(meant, given)
      assert.deepEqual(coerced, [])
    })

  test('a tool reads them so too, by zod or by JSON Schema, with its defaults', async () => {
    const context = {
      signal: AbortSignal.timeout(120_000),
      taskId: 't',
      userId: null,
      agent: null,
      idempotencyKey: 'k',
      traceparent: null,
    }
    const run = (input: unknown) => input
    const input = z.object({
      n: z.number(),
      list: z.array(z.string()).optional(),
      unit: z.enum(['km', 'mi']).default('km'),
    })
    const byZod = defineTool({ name: 'a', description: 'A.', input, run })
    const bySchema = defineTool({ name: 'b', description: 'B.', input: byZod.spec.input, run })
    for (const tool of [byZod, bySchema])
      assert.deepEqual(await tool.run({ n: '5', list: null, unit: null }, context), { n: 5, unit: 'km' })
    for (const tool of [byZod, bySchema])
      await assert.rejects(async () => tool.run({ n: 'x' }, context), { code: 'TOOL_ARGUMENTS_INVALID' })
  })

  test('a schema that refers to itself ends', () => {
    const loop: JsonSchema = {
      type: 'object',
      properties: { a: { $ref: '#/$defs/a' } },
      $defs: {
        a: { anyOf: [{ $ref: '#/$defs/b' }, { type: 'integer' }] },
        b: { allOf: [{ type: 'object', properties: { a: { $ref: '#/$defs/a' } } }] },
      },
    }
    const { meant } = compileArguments(loop)({ a: { a: { a: '4' } } })
    assert.deepEqual(meant, { a: { a: { a: 4 } } })
  })
})
