// Avro bodies of our records, and the only importer of avsc.
//
// 1. Json fields are text in Avro and JSON values outside; bytes are plain Uint8Arrays outside; decoded
//    records are plain objects.
// 2. Longs are JavaScript numbers; avsc refuses those past 2^53, on both sides.
// 3. Bytes that announce more array or map items than there are bytes, or whose texts are not UTF-8, are refused before
//    avsc reads them (check-bytes.ts). Half of a surrogate pair, which avsc writes as bytes that are no UTF-8, is written
//    as U+FFFD; a record of an earlier version is read with it, unless anybody may have written it.
import avsc, { type Type } from 'avsc'
import type { EventType } from '../../schemas/generated/events.ts'
import { schemas } from '../../schemas/generated/schemas.ts'
import { wireReaders, wireWriters } from '../../schemas/generated/wire.ts'
import { isJsonText, isRecord, shapeOf, type FieldShape, type RecordSchema } from '../../schemas/record.ts'
import { topics } from '../../schemas/topics.ts'
import { bufferOf } from '../bytes.ts'
import { FlotillaError, messageOf } from '../errors.ts'
import { parseExact } from '../json/exact.ts'
import type { AvroSchema } from './registry.ts'
import { skim } from './check-bytes.ts'
import { WireBytes, WireView } from './wire-bytes.ts'

type Fields = Record<string, unknown>

/** Writes one kind of record. */
export interface Writer {
  /** Magic byte, id, body. Throws SCHEMA_MISMATCH naming the field. */
  write(id: number, data: object): Uint8Array
}

/** Reads a record of one writer's schema as this process's version of it. */
export interface Reader {
  /** The body starts at `start`. Throws UNDECODABLE_RECORD. */
  read(bytes: Uint8Array, start: number): object
}

const HEADER_BYTES = 5
const wire = new WireBytes()
const view = new WireView()

/** Small records share memory: one of their own would cost more than all else in writing them. */
const SLAB_BYTES = 4_096
const MOST_SHARED = SLAB_BYTES / 4
let slab = new Uint8Array(SLAB_BYTES)
let slabUsed = 0

/** A copy of the first bytes. */
function copyOf(bytes: Buffer, end: number): Uint8Array {
  if (end > MOST_SHARED) return new Uint8Array(bytes.subarray(0, end))
  if (slabUsed + end > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES)
    slabUsed = 0
  }
  const copy = slab.subarray(slabUsed, slabUsed + end)
  bytes.copy(copy, 0, 0, end)
  slabUsed += end
  return copy
}

/** Types by their schema: avsc compiles a type as it is made, so each is made when it is first needed. */
const types = new WeakMap<object, Type>()

function parse(schema: AvroSchema): Type {
  const known = typeof schema === 'object' ? types.get(schema) : undefined
  if (known) return known
  const type = avsc.Type.forSchema(schema as never, { omitRecordMethods: true })
  if (typeof schema === 'object') types.set(schema, type)
  return type
}

/** Whether both read and write the same bytes. */
export const isSameForm = (one: AvroSchema, other: AvroSchema): boolean =>
  JSON.stringify(parse(one).schema()) === JSON.stringify(parse(other).schema())

export function createWriter(schema: RecordSchema): Writer {
  const fields = schema.fields.map(shapeOf).filter(needsWriting)
  const write = isCurrent(schema) ? wireWriters[schema.name as EventType] : undefined
  return {
    write: (id, data) => {
      if (!write || !plainlyWritten(write, data)) writeWithAvsc(schema, fields, data)
      wire.buffer.writeUInt8(0, 0)
      wire.buffer.writeInt32BE(id, 1)
      return copyOf(wire.buffer, wire.at)
    },
  }
}

/** Writes behind the header. False: avsc must look at it. */
function plainlyWritten(write: (out: WireBytes, data: never) => void, data: object): boolean {
  wire.at = HEADER_BYTES
  try {
    write(wire, data as never)
    return true
  } catch {
    return false
  }
}

/** The converters are made for this version's schemas. */
const isCurrent = (schema: RecordSchema): boolean => schemas[schema.name as EventType] === schema

/** Writes behind the header of the buffer, which grows as needed. */
function writeWithAvsc(schema: RecordSchema, fields: readonly FieldShape[], data: object): void {
  const { name } = schema
  const type = parse(schema as unknown as AvroSchema)
  const value = wholeTexts(fields.length === 0 ? data : toWire(name, fields, data as Fields)) as object
  try {
    wire.at = type.encode(value, wire.buffer, HEADER_BYTES)
    if (wire.at >= 0) return
    wire.buffer = Buffer.allocUnsafe(2 * (wire.buffer.length - wire.at))
    wire.at = type.encode(value, wire.buffer, HEADER_BYTES)
  } catch (error) {
    throw new FlotillaError('SCHEMA_MISMATCH', mismatch(type, name, value, error), { cause: error })
  }
}

/** Every text with U+FFFD in place of halves of surrogate pairs. */
function wholeTexts(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (Array.isArray(value)) return value.map(wholeTexts)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, wholeTexts(inner)]))
}

const needsWriting = (field: FieldShape): boolean =>
  isJsonText(field.value) || field.value === 'bytes' || field.values !== null

function toWire(name: string, fields: readonly FieldShape[], data: Fields): Fields {
  const wire = { ...data }
  for (const field of fields) {
    const value = data[field.name]
    if (field.value === 'bytes') wire[field.name] = asBuffer(value)
    else if (isJsonText(field.value))
      wire[field.name] = field.nullable && value == null ? null : jsonText(name, field, value)
    else checkValue(name, field, value)
  }
  return wire
}

function jsonText(name: string, field: FieldShape, value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null'
  } catch (error) {
    const why = messageOf(error)
    throw new FlotillaError('SCHEMA_MISMATCH', `encoding ${name}: ${field.name} is not JSON: ${why}`, {
      cause: error,
    })
  }
}

function checkValue(name: string, field: FieldShape, value: unknown): void {
  if (field.nullable && value == null) return
  if (field.values?.includes(value as string)) return
  const message = `encoding ${name}: ${field.name} is ${show(value)}, not one of ${field.values?.join(', ')}`
  throw new FlotillaError('SCHEMA_MISMATCH', message)
}

const asBuffer = (value: unknown): unknown =>
  value instanceof Uint8Array && !Buffer.isBuffer(value) ? bufferOf(value) : value

function mismatch(type: Type, name: string, wire: object, error: unknown): string {
  let found: string | null = null
  type.isValid(wire, {
    errorHook: (path, value, expected) => {
      found ??= `${path.join('.')} is ${show(value)}, not ${expected.typeName.replace('union:unwrapped', String(expected))}`
    },
  })
  return `encoding ${name}: ${found ?? messageOf(error)}`
}

function show(value: unknown): string {
  if (value === undefined) return 'missing'
  const text = typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) ?? typeof value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** Events that programs other than the stages may write. */
const ofAnyone: ReadonlySet<string> = new Set(
  topics.filter(({ writers }) => writers.includes('anyone')).flatMap(({ events }) => events),
)

export function createReader(schema: RecordSchema, writerSchema: AvroSchema): Reader {
  const type = parse(schema as unknown as AvroSchema)
  const writer = parse(writerSchema)
  const resolver = type.equals(writer) ? undefined : type.createResolver(writer, { ignoreNamespaces: true })
  const fields = schema.fields.map(shapeOf).filter(needsReading)
  const halves = !ofAnyone.has(schema.name)
  const readPlain = resolver || !isCurrent(schema) ? undefined : wireReaders[schema.name as EventType]
  return {
    read: (bytes, start) => {
      const data = readPlain && plainlyRead(readPlain, bytes, start)
      if (data) return data
      try {
        skim(writerSchema, bytes, start, halves)
        const { value, offset } = type.decode(asBuffer(bytes) as Buffer, start, resolver)
        if (offset !== bytes.length)
          throw new RangeError(offset < 0 ? 'the bytes end too early' : 'bytes are left over')
        return fromWire(fields, value as Fields)
      } catch (error) {
        const why = messageOf(error)
        throw new FlotillaError('UNDECODABLE_RECORD', `decoding ${schema.name}: ${why}`, { cause: error })
      }
    },
  }
}

/** Null if avsc must look at the bytes. */
function plainlyRead(read: (from: WireView) => object, bytes: Uint8Array, start: number): object | null {
  view.begin(bytes, start)
  try {
    const data = read(view)
    return view.isAtEnd ? data : null
  } catch {
    return null
  }
}

const needsReading = (field: FieldShape): boolean =>
  isJsonText(field.value) || field.value === 'bytes' || isRecord(field.value)

function fromWire(fields: readonly FieldShape[], wire: Fields): Fields {
  const data = { ...wire }
  for (const field of fields) {
    const value = data[field.name]
    if (value === null) continue
    if (field.value === 'bytes') data[field.name] = new Uint8Array(value as Uint8Array)
    else if (isJsonText(field.value)) data[field.name] = parseJson(field, value as string)
    else data[field.name] = { ...(value as Fields) }
  }
  return data
}

function parseJson(field: FieldShape, text: string): unknown {
  try {
    return parseExact(text)
  } catch (error) {
    throw new Error(`${field.name} does not hold JSON`, { cause: error })
  }
}

/** The unqualified name of a record schema; null when it is something else. */
export function recordName(schema: AvroSchema): string | null {
  const type = parse(schema)
  return type instanceof avsc.types.RecordType ? (type.name ?? '').replace(/^.*\./, '') : null
}

/** Why `reader` can't read what `writer` wrote; null when it can. */
export function incompatibility(reader: AvroSchema, writer: AvroSchema): string | null {
  try {
    parse(reader).createResolver(parse(writer), { ignoreNamespaces: true })
    return null
  } catch (error) {
    return messageOf(error)
  }
}
