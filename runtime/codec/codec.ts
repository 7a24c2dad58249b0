// The codec of a fleet: events to record values and back, by the ids of a schema registry.
import type { EventMap, EventType } from '../../schemas/generated/events.ts'
import { schemas } from '../../schemas/generated/schemas.ts'
import type { RecordSchema } from '../../schemas/record.ts'
import { topics, type TopicName } from '../../schemas/topics.ts'
import { FlotillaError, hasCode, messageOf } from '../errors.ts'
import { plural } from '../text/quantities.ts'
import { createReader, createWriter, isSameForm, recordName, type Reader, type Writer } from './avro.ts'
import { parsePlainJson } from './plain-json.ts'
import { embeddedId } from './embedded-registry.ts'
import type { Codec, Decoded } from './port.ts'
import { registryChanged, type AvroSchema, type Registered, type Registry } from './registry.ts'

export interface CodecOptions {
  readonly registry: Registry
  /** The fleet's prefix: part of the subjects `<prefix>.<topic>-value`. */
  readonly prefix: string
}

/** Topics of one record type that other programs use too; their serializers look for `<topic>-value`. */
const valueSubjects: readonly TopicName[] = ['tasks.submitted', 'tasks.completed']
const recordSubject = ({ namespace, name }: RecordSchema): string => `${namespace}.${name}`
const topicSubject = (topic: TopicName, prefix: string): string => `${prefix}.${topic}-value`

/** The subject under which a record on this topic is registered. */
export const subjectOf = (schema: RecordSchema, topic: TopicName, prefix: string): string =>
  valueSubjects.includes(topic) ? topicSubject(topic, prefix) : recordSubject(schema)

const HEADER_BYTES = 5
const eventTypes = Object.keys(schemas) as EventType[]
const eventsOf = new Map(topics.map((topic) => [topic.name, topic.events]))

/** Requests at once: a registry that has just started answers a few of them within the time limit, not all. */
const AT_ONCE = 8

interface KnownReader extends Reader {
  readonly type: EventType
}

export function createCodec({ registry, prefix }: CodecOptions): Codec {
  const writers = new Map<EventType, Writer>()
  const ids = new Map<string, number>()
  const readers = new Map<number, KnownReader>()
  const pending = new Map<number, Promise<KnownReader>>()
  /** Schemas of this version, by id. Their readers are made when a record comes: most processes see few types. */
  const registered = new Map<number, AvroSchema>()
  /** By subject and form. */
  const given = new Map<string, Registered>()
  let checked = 0

  const learn = (id: number, schema: AvroSchema): KnownReader => {
    const reader = readerFor(id, schema)
    readers.set(id, reader)
    return reader
  }
  const readerOf = (id: number): KnownReader | Promise<KnownReader> => {
    const known = readers.get(id) ?? pending.get(id)
    if (known) return known
    const schema = registered.get(id) ?? registry.byId(id)
    if (!(schema instanceof Promise)) return learn(id, schema)
    const asked = schema.then((found) => learn(id, found)).finally(() => pending.delete(id))
    pending.set(id, asked)
    return asked
  }
  const own = ownSchemas(prefix)
  const register = async ({ writes, kept, subject, schema }: Own): Promise<void> => {
    const id = await registry.register(subject, schema)
    ids.set(writes, id)
    registered.set(id, schema)
    given.set(kept, { subject, schema, id })
  }

  return {
    prepare: async () => {
      await eachOf(own, register)
      for (const type of eventTypes) writers.set(type, createWriter(schemas[type]))
    },
    encode: <T extends EventType>(type: T, data: EventMap[T], topic: TopicName) => {
      const writer = writers.get(type)
      const id = (valueSubjects.includes(topic) ? ids.get(topic) : undefined) ?? ids.get(type)
      if (!writer || id === undefined)
        throw new FlotillaError('INTERNAL', `encoding ${type} before the codec was prepared`)
      return writer.write(id, data)
    },
    decode: (value, topic) => {
      const plain = value.length > 0 && value[0] !== 0 ? plainJson[topic] : undefined
      if (plain) return { type: plain, data: parsePlainJson(schemas[plain], value) } as unknown as Decoded
      const reader = readerOf(schemaId(value, topic))
      return reader instanceof Promise
        ? reader.then((r) => read(r, value, topic))
        : read(reader, value, topic)
    },
    ids: () => Object.fromEntries([...given].map(([key, { id }]) => [key, id])),
    requireIds: (kept) =>
      eachOf(own, async (each) => {
        const former = kept[each.kept]
        if (former !== undefined && former !== given.get(each.kept)?.id)
          await requireUnder(registry, former, each)
      }),
    // Another one each time: a registry that was emptied gives some schemas the same numbers again.
    check: async () => {
      const all = [...given.values()]
      await registry.check(all[checked % all.length])
      checked++
    },
  }
}

/** A schema that this version writes by. */
interface Own {
  /** Its type, or the topic that has a subject of its own. */
  readonly writes: string
  /** Its key among kept ids: subject and form. */
  readonly kept: string
  readonly subject: string
  readonly schema: AvroSchema
}

function ownSchemas(prefix: string): Own[] {
  const own = (writes: string, subject: string, type: EventType): Own => ({
    writes,
    kept: `${subject} ${embeddedId(schemas[type])}`,
    subject,
    schema: schemas[type] as unknown as AvroSchema,
  })
  return [
    ...eventTypes.map((type) => own(type, recordSubject(schemas[type]), type)),
    ...valueSubjects.map((topic) => own(topic, topicSubject(topic, prefix), onlyEventOf(topic))),
  ]
}

async function eachOf(all: readonly Own[], ask: (own: Own) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += AT_ONCE) await Promise.all(all.slice(at, at + AT_ONCE).map(ask))
}

/** A registry may give a schema another id and keep the former one: what was written under that is still read. */
async function requireUnder(registry: Registry, id: number, { subject, schema }: Own): Promise<void> {
  const found = await schemaUnder(registry, id)
  if (found !== null && isSameForm(found, schema)) return
  throw registryChanged({ subject, id }, `has ${found === null ? 'none' : 'another'} under that id`)
}

async function schemaUnder(registry: Registry, id: number): Promise<AvroSchema | null> {
  try {
    return await registry.byId(id)
  } catch (error) {
    if (hasCode(error, 'UNDECODABLE_RECORD')) return null
    throw error
  }
}

/** Topics that also take one JSON object: tasks from anywhere, and notifications replayed by hand. */
const plainJson: Partial<Record<TopicName, EventType>> = {
  'tasks.submitted': 'TaskSubmitted',
  'alerts.notifications': 'NotificationRequested',
}

function onlyEventOf(topic: TopicName): EventType {
  const [type, ...others] = eventsOf.get(topic) ?? []
  if (type && others.length === 0) return type
  throw new FlotillaError(
    'INTERNAL',
    `${topic} carries ${others.length + 1} record types, so it has no subject of its own`,
  )
}

function schemaId(value: Uint8Array, topic: TopicName): number {
  if (value.length > HEADER_BYTES && value[0] === 0) {
    const [, a = 0, b = 0, c = 0, d = 0] = value
    return (a << 24) | (b << 16) | (c << 8) | d
  }
  const what = value.length <= HEADER_BYTES ? plural(value.length, 'byte') : `a first byte of ${value[0]}`
  const message = `decoding a record of ${topic}: ${what} instead of byte 0, a 4-byte schema id and the body`
  throw new FlotillaError('UNDECODABLE_RECORD', message)
}

function readerFor(id: number, schema: AvroSchema): KnownReader {
  let type: EventType | undefined
  try {
    const name = recordName(schema)
    type = eventTypes.find((known) => known === name)
    if (type) return { type, read: createReader(schemas[type], schema).read }
    const what = `schema ${id} is ${name ?? 'no record'}, which is no event of the fleet`
    throw new FlotillaError('UNDECODABLE_RECORD', what)
  } catch (error) {
    if (error instanceof FlotillaError) throw error
    const what = `schema ${id} can't be read as ${type === undefined ? 'an event' : `our ${type}`}`
    throw new FlotillaError('UNDECODABLE_RECORD', `${what}: ${messageOf(error)}`, { cause: error })
  }
}

function read(reader: KnownReader, value: Uint8Array, topic: TopicName): Decoded {
  if (!eventsOf.get(topic)?.includes(reader.type)) {
    throw new FlotillaError(
      'UNDECODABLE_RECORD',
      `decoding a record of ${topic}: ${reader.type} does not belong there`,
    )
  }
  return { type: reader.type, data: reader.read(value, HEADER_BYTES) } as unknown as Decoded
}
