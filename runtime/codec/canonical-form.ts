// The Parsing Canonical Form of our schemas (Avro's specification): names in full, and only what decides about bytes.
// Of schemas of our own alone, whose types are those of schemas/record.ts: avsc gives the same, but compiles each first.
import type { FieldSchema, RecordSchema } from '../../schemas/record.ts'

/** The same text for schemas that read and write the same bytes. */
export function canonicalForm(schema: RecordSchema): string {
  return JSON.stringify(recordForm(schema, schema.namespace, new Set()))
}

function recordForm({ name, namespace, fields }: RecordSchema, outer: string, seen: Set<string>): unknown {
  const fullName = `${namespace ?? outer}.${name}`
  if (seen.has(fullName)) return fullName
  seen.add(fullName)
  const forms = fields.map((field) => ({
    name: field.name,
    type: typeForm(field.type, namespace ?? outer, seen),
  }))
  return { name: fullName, type: 'record', fields: forms }
}

function typeForm(type: FieldSchema['type'], outer: string, seen: Set<string>): unknown {
  if (typeof type === 'string') return type
  // Of an array TypeScript would not keep the members apart.
  if (isUnion(type)) return ['null', typeForm(type[1], outer, seen)]
  switch (type.type) {
    case 'record':
      return recordForm(type, outer, seen)
    case 'array':
      return { type: 'array', items: type.items }
    case 'map':
      return { type: 'map', values: type.values }
    case 'string':
      return 'string'
  }
}

const isUnion = (type: FieldSchema['type']): type is Extract<FieldSchema['type'], readonly unknown[]> =>
  Array.isArray(type)
