// A registry with nothing to run and nothing to store: an id is the head of the schema's SHA-256, so that
// every process agrees. It knows the schemas of this version and every released one: all that a fleet can
// have written.
import { hash } from 'node:crypto'
import type { RecordSchema } from '../../schemas/record.ts'
import { releasedSchemas, schemas } from '../../schemas/generated/schemas.ts'
import { FlotillaError } from '../errors.ts'
import { canonicalForm } from './canonical-form.ts'
import type { AvroSchema, Registry } from './registry.ts'

/** 31 bits: ids are signed 32-bit numbers on the wire. A test checks that no two of our schemas share one. */
export const embeddedId = (schema: RecordSchema): number =>
  hash('sha256', canonicalForm(schema), 'buffer').readInt32BE(0) & 0x7fff_ffff

export function createEmbeddedRegistry(): Registry {
  const known = new Map<number, AvroSchema>()
  let isComplete = false
  const learn = (schema: RecordSchema): number => {
    const id = embeddedId(schema)
    known.set(id, schema as unknown as AvroSchema)
    return id
  }
  /** Released schemas are many, and needed only for records that another version wrote. */
  const learnReleased = (): void => {
    if (isComplete) return
    isComplete = true
    for (const schema of [...releasedSchemas, ...Object.values(schemas)]) learn(schema)
  }
  return {
    // Only the codec registers, and only our own.
    register: async (_, schema) => learn(schema as unknown as RecordSchema),
    byId: (id) => {
      if (!known.has(id)) learnReleased()
      const schema = known.get(id)
      if (schema !== undefined) return schema
      throw new FlotillaError(
        'UNDECODABLE_RECORD',
        `no released schema has id ${id}; records of other programs need a registry (SCHEMA_REGISTRY_URL), or plain JSON on tasks.submitted`,
      )
    },
    check: async () => {},
  }
}
