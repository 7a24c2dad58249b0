// Record values of a fleet with another registry: the id before the body is replaced, the body stays byte for byte.
//
// 1. An id that the embedded registry does not know stays: it is of the target's registry already, or of no schema.
// 2. A dead letter carries the bytes of another record, which are reframed too, so that it can be replayed.
import type { RecordSchema } from '../../schemas/record.ts'
import type { TopicName } from '../../schemas/topics.ts'
import { bufferOf } from '../bytes.ts'
import { hasCode } from '../errors.ts'
import { subjectOf } from './codec.ts'
import { createEmbeddedRegistry } from './embedded-registry.ts'
import type { Codec } from './port.ts'
import type { BlobStore } from '../store/port.ts'
import type { AvroSchema, Registry } from './registry.ts'

const FRAME_BYTES = 5
const LETTERS: TopicName = 'dead-letters'

export interface Reframer {
  /** Null stays null; so do bytes that are no Avro of the fleet. */
  reframe(value: Uint8Array | null, topic: TopicName): Promise<Buffer | null>
}

interface ReframerParts {
  readonly registry: Registry
  /** The target's codec, prepared. */
  readonly codec: Codec
  readonly blobs: BlobStore
  readonly prefix: string
}

type Reframed = (bytes: Buffer, topic: TopicName) => Promise<Buffer>

export function createReframer(parts: ReframerParts): Reframer {
  const { registry, prefix } = parts
  const source = createEmbeddedRegistry()
  const ids = new Map<string, Promise<number>>()
  const idFor = (schema: AvroSchema, topic: TopicName): Promise<number> => {
    const subject = subjectOf(schema as unknown as RecordSchema, topic, prefix)
    const key = `${subject} ${JSON.stringify(schema)}`
    const asked = ids.get(key) ?? registry.register(subject, schema)
    ids.set(key, asked)
    return asked
  }
  const reframed: Reframed = async (bytes, topic) => {
    const schema = schemaOf(source, bytes)
    if (schema === null) return bytes
    const framed = Buffer.from(bytes)
    framed.writeInt32BE(await idFor(schema, topic), 1)
    return framed
  }
  return {
    async reframe(value, topic) {
      if (value === null) return null
      const bytes = bufferOf(value)
      const framed = await reframed(bytes, topic)
      return topic === LETTERS && framed !== bytes ? reframeLetter(parts, framed, reframed) : framed
    },
  }
}

async function reframeLetter(
  { codec, blobs }: ReframerParts,
  framed: Buffer,
  reframed: Reframed,
): Promise<Buffer> {
  const decoded = await codec.decode(framed, LETTERS)
  if (decoded.type !== 'DeadLettered') return framed
  const { data } = decoded
  const topic = data.sourceTopic as TopicName
  const value = await reframed(bufferOf(data.value), topic)
  const whole = data.valueBlob === null ? null : await blobs.get(data.valueBlob)
  const valueBlob = whole === null ? data.valueBlob : await blobs.put(await reframed(bufferOf(whole), topic))
  return bufferOf(codec.encode('DeadLettered', { ...data, value, valueBlob }, LETTERS))
}

/** The schema of the value; null if it is not one of the fleet's. */
function schemaOf(source: Registry, bytes: Buffer): AvroSchema | null {
  if (bytes.length <= FRAME_BYTES || bytes[0] !== 0) return null
  try {
    return source.byId(bytes.readInt32BE(1)) as AvroSchema
  } catch (error) {
    if (hasCode(error, 'UNDECODABLE_RECORD')) return null
    throw error
  }
}
