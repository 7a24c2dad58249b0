// Hostile schemas: each is refused before it is compiled, and harmless ones are not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { schemaMistakes } from '../../../runtime/foreign-schema/bounds.ts'
import type { Json } from '../../../schemas/json.ts'
import { ownMs } from '../../support/own-time.ts'

const MAX_BYTES = 32_768
const string = { type: 'string' }
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))
const properties = (count: number, value: Json = string): { [name: string]: Json } =>
  Object.fromEntries(times(count, (index) => [`p${index}`, value]))

function nested(depth: number): Json {
  return JSON.parse(`${'{"not":'.repeat(depth)}{}${'}'.repeat(depth)}`) as Json
}

/** Each definition refers to the one before it, `width` times. */
function chain(length: number, width: number): Json {
  const $defs = Object.fromEntries(
    times(length, (index) => [
      `a${index}`,
      index === 0 ? string : { allOf: times(width, () => ({ $ref: `#/$defs/a${index - 1}` })) },
    ]),
  )
  return { $defs, $ref: `#/$defs/a${length - 1}` }
}

const refused: [name: string, schema: Json, mistake: RegExp][] = [
  ['a list', [], /must be a JSON Schema object/],
  ['a text', 'number', /must be a JSON Schema object/],
  ['$async', { $async: true, type: 'number' }, /#\/\$async is not allowed/],
  ['$async below', { properties: { a: { $async: true } } }, /#\/properties\/a\/\$async/],
  ['$async where a reference may find it', { x: { y: { $async: true } }, $ref: '#/x/y' }, /\$async/],
  ['100,000 levels', nested(100_000), /nested more than 64 deep/],
  ['65 levels', nested(65), /nested more than 64 deep/],
  [
    'many bytes',
    { description: 'x'.repeat(MAX_BYTES) },
    /32786 bytes, at most 32768 .*limits\.input\.schemaBytes/,
  ],
  ['many values', { enum: times(1_000, () => 1), examples: times(6_000, () => 1) }, /values, at most 5000/],
  [
    'many references',
    { allOf: times(201, () => ({ $ref: '#/$defs/a' })), $defs: { a: {} } },
    /201 references/,
  ],
  [
    '200 references to 300 properties',
    { $defs: { a: { properties: properties(300) } }, allOf: times(200, () => ({ $ref: '#/$defs/a' })) },
    /multiply it to more than 20000/,
  ],
  ['references that double 30 times', chain(30, 2), /multiply it to more than 20000/],
  ['a long chain of references', chain(190, 1), /one behind another|multiply/],
  ['1,001 choices', { enum: times(1_001, (index) => index) }, /#\/enum has 1001 values/],
  ['a long pattern', { pattern: 'a'.repeat(1_001) }, /#\/pattern has 1001 characters/],
  [
    'a repetition of much',
    { pattern: `^(?:${String.raw`\p{L}`.repeat(25)}){1000}$` },
    /its patterns have 28002 parts .* at most 20000/,
  ],
  [
    'many repetitions',
    { properties: properties(30, { pattern: '^[a-z]{0,999}$' }) },
    /its patterns have 30030 parts/,
  ],
  [
    'repetitions within repetitions, as a name',
    { patternProperties: { [`(?:(?:a{10}b){10}|${'[(]'.repeat(50)}){500}`]: {} } },
    /its patterns have \d+ parts/,
  ],
  ['a long pattern as a name', { patternProperties: { ['a'.repeat(1_001)]: {} } }, /patternProperties/],
  ['a reference to itself', { $ref: '#' }, /# refers back to itself for the same value/],
  ['a circle of two', { $ref: '#/$defs/a', $defs: { a: { not: { $ref: '#' } } } }, /never end/],
  [
    'a circle below a property',
    {
      properties: { p: { $ref: '#/$defs/a' } },
      $defs: { a: { anyOf: [{ type: 'string' }, { $ref: '#/$defs/a' }] } },
    },
    /never end/,
  ],
  [
    'a circle of anchors',
    { $defs: { a: { $dynamicAnchor: 'x', allOf: [{ $dynamicRef: '#x' }] } } },
    /never end/,
  ],
  ['a file', { $ref: 'file:///etc/passwd' }, /#\/\$ref must begin with #/],
  ['a host', { items: { $ref: 'https://example.org/schema' } }, /#\/items\/\$ref must begin with #/],
  ['the metaschema', { $ref: 'https://json-schema.org/draft/2020-12/schema' }, /must begin with #/],
  ['no text as $ref', { $ref: 1 }, /must begin with #/],
  ['$dynamicRef elsewhere', { $dynamicRef: 'other#node' }, /#\/\$dynamicRef must begin with #/],
  ['$recursiveRef', { $recursiveRef: '#' }, /\$recursiveRef is not allowed/],
  ['a reference to nothing', { $ref: '#/$defs/none' }, /refers to #\/\$defs\/none, where no schema stands/],
  ['a reference into data', { examples: [{ $async: true }], $ref: '#/examples/0' }, /where no schema stands/],
  ['another base', { $defs: { a: { $id: 'https://example.org/a' } } }, /#\/\$defs\/a\/\$id is not allowed/],
  ['an unknown dialect', { $schema: 'https://example.org/own' }, /\$schema must be/],
]

for (const [name, schema, mistake] of refused)
  test(`refused: ${name}`, () => {
    const begunMs = ownMs()
    assert.match(schemaMistakes(schema, MAX_BYTES).join('; '), mistake)
    assert.ok(ownMs() - begunMs < 5_000)
  })

const taken: [name: string, schema: Json][] = [
  ['nothing', {}],
  ['drafts', { $schema: 'http://json-schema.org/draft-07/schema#', $id: 'https://example.org/a' }],
  ['a tree', { $defs: { n: { properties: { kids: { items: { $ref: '#/$defs/n' } } } } }, $ref: '#/$defs/n' }],
  ['a tree of the root', { properties: { left: { $ref: '#' }, right: { $ref: '#' } } }],
  [
    'anchors',
    { $dynamicAnchor: 'n', items: { $dynamicRef: '#n' }, $defs: { a: { $anchor: 'x' } }, $ref: '#x' },
  ],
  ['escaped names', { $defs: { 'a/b c~': string }, properties: { x: { $ref: '#/$defs/a~1b%20c~0' } } }],
  ['a boolean definition', { $defs: { any: true }, properties: { x: { $ref: '#/$defs/any' } } }],
  [
    'properties named like keywords',
    { properties: { $id: string, $ref: string, $async: string, pattern: string } },
  ],
  ['1,000 properties', { properties: properties(1_000) }],
  [
    '50 references to 50 properties',
    { $defs: { a: { properties: properties(50) } }, properties: properties(50, { $ref: '#/$defs/a' }) },
  ],
  ['unknown keywords', { nullable: true, 'x-order': 3, discriminator: { propertyName: 'kind' } }],
]

for (const [name, schema] of taken)
  test(`taken: ${name}`, () => assert.deepEqual(schemaMistakes(schema, MAX_BYTES), []))
