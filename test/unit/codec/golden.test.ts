import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import { incompatibility } from '../../../runtime/codec/avro.ts'
import { createCodec } from '../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry, embeddedId } from '../../../runtime/codec/embedded-registry.ts'
import type { AvroSchema } from '../../../runtime/codec/registry.ts'
import { releasedFiles } from '../../../schemas/generate.ts'
import type { EventType } from '../../../schemas/generated/events.ts'
import { releasedSchemas, schemas } from '../../../schemas/generated/schemas.ts'
import type { RecordSchema } from '../../../schemas/record.ts'
import { asJson, goldenFile, readGolden, topicOf } from '../../golden/golden.ts'
import { samples } from '../../golden/samples.ts'

const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'flotilla' })
await codec.prepare()
const golden = readGolden()
const avro = (schema: RecordSchema): AvroSchema => schema as unknown as AvroSchema

test('every released schema version has golden bytes', () => {
  const recorded = golden.map(({ file }) => file).sort()
  const released = releasedFiles().map(({ name, version }) => goldenFile(name, version))
  assert.deepEqual(recorded, released.sort())
  assert.equal(new Set(releasedFiles().map(({ name }) => name)).size, Object.keys(schemas).length)
})

for (const { file, type, value, data } of golden) {
  test(`golden ${file} is read, and read as what was written`, async () => {
    const decoded = await codec.decode(value, topicOf(type))
    assert.equal(decoded.type, type)
    const found = asJson(decoded.data) as Record<string, unknown>
    for (const [name, expected] of Object.entries(data as Record<string, unknown>)) {
      if (name in found) assert.deepEqual(asBefore(found[name], expected), expected, name)
    }
  })
}

/** Without the fields that a shared record has got since, which are null in what was written before. */
function asBefore(found: unknown, expected: unknown): unknown {
  if (typeof found !== 'object' || found === null || Array.isArray(found)) return found
  const known = Object.keys(expected ?? {})
  return Object.fromEntries(
    Object.entries(found).filter(([name, value]) => value !== null || known.includes(name)),
  )
}

test('this version writes the same bytes as its own release', () => {
  for (const { type, value } of golden.filter((g) => value0(g.value) === embeddedId(schemas[g.type]))) {
    const written = Buffer.from(codec.encode(type, samples[type] as never, topicOf(type)))
    assert.equal(written.toString('hex'), value.toString('hex'), type)
  }
})
const value0 = (value: Buffer): number => value.readInt32BE(1)

test('ids of the embedded registry are the head of the fingerprint that Avro specifies', () => {
  for (const schema of [...Object.values(schemas), ...releasedSchemas]) {
    const fingerprint = avsc.Type.forSchema(schema as never).fingerprint('sha256')
    assert.equal(embeddedId(schema), fingerprint.readInt32BE(0) & 0x7fff_ffff, schema.name)
  }
})

test('ids of the embedded registry differ from each other', () => {
  const all = [...Object.values(schemas), ...releasedSchemas].map((schema) => [
    embeddedId(schema),
    schema.name,
  ])
  const names = new Map<number, string>()
  for (const [id, name] of all as [number, string][]) {
    assert.equal(names.get(id) ?? name, name)
    names.set(id, name)
  }
})

test('every released version and the present one read each other (FULL_TRANSITIVE)', () => {
  for (const released of releasedSchemas) {
    const current = schemas[released.name as EventType]
    assert.equal(
      incompatibility(avro(current), avro(released)),
      null,
      `${released.name} can't read a released version`,
    )
    assert.equal(
      incompatibility(avro(released), avro(current)),
      null,
      `a released reader can't read ${released.name}`,
    )
  }
})

test('the compatibility check sees a field without default that comes, goes or changes its type', () => {
  const { TaskClosed } = schemas
  const field = { name: 'extra', type: 'string', doc: '' } as const
  const more = { ...TaskClosed, fields: [...TaskClosed.fields, field] }
  const changed = { ...TaskClosed, fields: TaskClosed.fields.map((f) => ({ ...f, type: 'long' as const })) }
  assert.match(incompatibility(avro(more), avro(TaskClosed)) ?? '', /extra/)
  assert.equal(incompatibility(avro(TaskClosed), avro(more)), null)
  assert.notEqual(incompatibility(avro(changed), avro(TaskClosed)), null)
})
