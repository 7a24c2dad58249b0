// schemas/generated/wire.ts: functions that write and read each event in Avro, field by field.
import {
  isJsonText,
  isRecord,
  shapeOf,
  type FieldSchema,
  type RecordSchema,
  type ValueType,
} from '../record.ts'
import type { Sources } from './sources.ts'

export function wireSource({ events, shared }: Sources): string {
  const imports = [...events, ...shared].map(({ name }) => name).join(', ')
  return [
    '// Generated from schemas/*.avsc by `npm run generate`. Do not edit.',
    `import type { WireInput, WireOutput } from '../wire.ts'`,
    `import type { EventMap, EventType, ${imports} } from './events.ts'`,
    ...[...shared, ...events].flatMap((record) => [
      ...(shared.includes(record) ? [] : record.fields.flatMap((field) => allowedSource(record, field))),
      writerSource(record, shared.includes(record)),
      readerSource(record),
    ]),
    `/** Writes an event of each type. */\nexport const wireWriters: { readonly [T in EventType]: (out: WireOutput, data: EventMap[T]) => void } = {\n${events.map(({ name }) => `${name}: write${name},`).join('\n')}\n}`,
    `/** Reads an event of each type that was written with its current schema. */\nexport const wireReaders: { readonly [T in EventType]: (from: WireInput) => EventMap[T] } = {\n${events.map(({ name }) => `${name}: read${name},`).join('\n')}\n}\n`,
  ].join('\n\n')
}

const allowedName = (record: RecordSchema, field: FieldSchema): string => `${field.name}Of${record.name}`

function allowedSource(record: RecordSchema, field: FieldSchema): string[] {
  if (!field.values) return []
  return [`const ${allowedName(record, field)} = ${JSON.stringify(field.values)} as const`]
}

/** Only fields of the event itself are held to their allowed texts. */
function writerSource(record: RecordSchema, isShared: boolean): string {
  const lines = record.fields.map((field) => {
    const { name, nullable, value, values } = shapeOf(field)
    const from = `data.${name}`
    if (isJsonText(value)) return nullable ? `out.someJson(${from})` : `out.json(${from})`
    const write =
      values && !isShared ? `out.oneOf(${from}, ${allowedName(record, field)})` : writeValue(value, from)
    return nullable ? `if (out.some(${from})) ${write}` : write
  })
  return `function write${record.name}(out: WireOutput, data: ${record.name}): void {\n${lines.join('\n')}\n}`
}

function writeValue(value: ValueType, from: string): string {
  if (typeof value === 'string') return `out.${value}(${from})`
  if (isJsonText(value)) return `out.json(${from})`
  if (isRecord(value)) return `write${value.name}(out, ${from})`
  const item = value.type === 'array' ? value.items : value.values
  return `out.${value.type}(${from}, (item) => out.${item}(item))`
}

function readerSource(record: RecordSchema): string {
  const fields = record.fields.map((field) => {
    const { name, nullable, value, values } = shapeOf(field)
    const read = readValue(value) + (values ? ` as ${record.name}['${name}']` : '')
    return `${name}: ${nullable ? `from.some() ? ${read} : null` : read},`
  })
  return `function read${record.name}(from: WireInput): ${record.name} {\nreturn {\n${fields.join('\n')}\n}\n}`
}

function readValue(value: ValueType): string {
  if (typeof value === 'string') return `from.${value}()`
  if (isJsonText(value)) return 'from.json()'
  if (isRecord(value)) return `read${value.name}(from)`
  return `from.${value.type}(() => from.${value.type === 'array' ? value.items : value.values}())`
}
