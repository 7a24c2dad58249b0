// schemas/generated/events.ts: one TypeScript interface for each record.
import {
  isJsonText,
  isRecord,
  shapeOf,
  type FieldSchema,
  type RecordSchema,
  type ValueType,
} from '../record.ts'
import type { Sources } from './sources.ts'

const primitives = {
  string: 'string',
  int: 'number',
  long: 'number',
  double: 'number',
  boolean: 'boolean',
  bytes: 'Uint8Array',
} as const

export function typesSource({ events, shared }: Sources): string {
  const map = events.map((event) => `  ${event.name}: ${event.name}`).join('\n')
  return [
    '// Generated from schemas/*.avsc by `npm run generate`. Do not edit.',
    `import type { Json } from '../json.ts'`,
    ...[...shared, ...events].map(interfaceOf),
    `export interface EventMap {\n${map}\n}`,
    'export type EventType = keyof EventMap\n',
  ].join('\n\n')
}

const interfaceOf = (record: RecordSchema): string =>
  `/** ${record.doc} */\nexport interface ${record.name} {\n${record.fields.map(memberOf).join('\n')}\n}`

const memberOf = (field: FieldSchema): string => `  /** ${field.doc} */\n  ${field.name}: ${typeOf(field)}`

/** The TypeScript type of a field, as events.ts and the docs show it. */
export function typeOf(field: FieldSchema): string {
  const { value, values, nullable } = shapeOf(field)
  const base = values ? values.map((v) => `'${v}'`).join(' | ') : typeOfValue(value)
  return nullable && base !== 'Json' ? `${base} | null` : base
}

function typeOfValue(value: ValueType): string {
  if (typeof value === 'string') return primitives[value]
  if (isJsonText(value)) return 'Json'
  if (isRecord(value)) return value.name
  return value.type === 'array'
    ? `${primitives[value.items]}[]`
    : `Record<string, ${primitives[(value as { values: keyof typeof primitives }).values]}>`
}
