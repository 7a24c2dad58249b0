import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { recordName } from '../../../runtime/codec/avro.ts'
import type { AvroSchema } from '../../../runtime/codec/registry.ts'
import { drift, generatedFiles } from '../../../schemas/generate.ts'
import { asyncapiDocument, jsonSchemaOf, toYaml } from '../../../schemas/generator/asyncapi.ts'
import { nameOfFile, readSources } from '../../../schemas/generator/sources.ts'
import { typeOf } from '../../../schemas/generator/types.ts'
import { schemas } from '../../../schemas/generated/schemas.ts'
import { isJsonText, shapeOf, type FieldSchema, type RecordSchema } from '../../../schemas/record.ts'
import { topics } from '../../../schemas/topics.ts'

const directory = join(import.meta.dirname, '../../../schemas')
const sources = readSources(directory)
const everyField = [...sources.events, ...sources.shared].flatMap((record) =>
  record.fields.map((field) => ({ record, field, shape: shapeOf(field) })),
)

test('generated files are what the sources say', async () => {
  assert.deepEqual(await drift(), [])
  assert.equal((await generatedFiles()).size, 5)
})

test('every event has a file and a topic, every topic events that exist, and nothing is left over', () => {
  const files = readdirSync(directory).filter((file) => file.endsWith('.avsc'))
  const shared = sources.shared.map(({ name }) => name)
  const carried = new Set(topics.flatMap(({ events }) => events))
  assert.deepEqual([...carried].sort(), Object.keys(schemas).sort())
  assert.deepEqual(files.map(nameOfFile).sort(), [...carried, ...shared].sort())
  assert.equal(new Set(topics.map(({ name }) => name)).size, topics.length)
})

test('every record and field says what it is', () => {
  for (const { record, field } of everyField) {
    assert.ok(record.doc.length > 10, record.name)
    assert.ok(field.doc.length > 3 && field.doc.endsWith('.'), `${record.name}.${field.name}: ${field.doc}`)
  }
})

test('what may be null may be left out, so that it may also come and go', () => {
  for (const { record, field, shape } of everyField) {
    if (shape.nullable) assert.equal(field.default, null, `${record.name}.${field.name}`)
    else if (isJsonText(shape.value)) assert.equal(field.default, 'null', `${record.name}.${field.name}`)
  }
})

test('a submitted task needs its text and nothing else', () => {
  const required = schemas.TaskSubmitted.fields.map(shapeOf).filter((field) => !field.hasDefault)
  assert.deepEqual(
    required.map(({ name }) => name),
    ['text'],
  )
  assert.deepEqual(jsonSchemaOf(schemas.TaskSubmitted)['required'], ['text'])
})

test('every event registers alone: shared records are written out', () => {
  for (const [name, schema] of Object.entries(schemas)) {
    assert.equal(recordName(schema as unknown as AvroSchema), name)
    assert.equal((schema as RecordSchema).namespace, 'flotilla')
  }
})

const field = (type: FieldSchema['type'], values?: string[]): FieldSchema => ({
  name: 'f',
  type,
  doc: '',
  ...(values ? { values } : {}),
})
test('types follow the schema', () => {
  assert.equal(typeOf(field('long')), 'number')
  assert.equal(typeOf(field(['null', 'bytes'])), 'Uint8Array | null')
  assert.equal(typeOf(field(['null', 'string'], ['a', 'b'])), "'a' | 'b' | null")
  assert.equal(typeOf(field({ type: 'map', values: 'string' })), 'Record<string, string>')
  assert.equal(typeOf(field(['null', { type: 'string', logicalType: 'json' }])), 'Json')
})

test('every reference inside the AsyncAPI document leads somewhere', () => {
  const document = asyncapiDocument(sources)
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
    ([, path]) => path as string,
  )
  assert.ok(references.length > 40)
  for (const path of references) {
    const found = path
      .split('/')
      .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], document)
    assert.notEqual(found, undefined, path)
  }
})

test('YAML quotes what would not be a string', () => {
  assert.equal(
    toYaml({ a: 'no', b: [], c: [{ d: 1 }], $e: null }),
    '\na: "no"\nb: []\nc:\n  -\n    d: 1\n"$e": null\n',
  )
})
