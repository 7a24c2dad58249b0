// The part of Avro that this contract uses, as types, and the shape of one field.
//
// 1. A field is a primitive, a JSON text, an array or map of primitives, or one of the shared records; or any of these
//    and null.
// 2. `values` (ours) lists the allowed texts of a string. It is not an Avro enum, because a symbol added to an enum
//    breaks older readers.
// 3. Shared records are named in the files, and written out at each use before a schema is registered or parsed.

export type Primitive = 'string' | 'int' | 'long' | 'double' | 'boolean' | 'bytes'
/** JSON text: Avro readers that don't know the logical type see a string. */
export interface JsonText {
  readonly type: 'string'
  readonly logicalType: 'json'
}
export interface ArrayOf {
  readonly type: 'array'
  readonly items: Primitive
}
export interface MapOf {
  readonly type: 'map'
  readonly values: Primitive
}
export type ValueType = Primitive | JsonText | ArrayOf | MapOf | RecordSchema

export interface FieldSchema {
  readonly name: string
  readonly type: ValueType | readonly ['null', ValueType]
  readonly doc: string
  readonly values?: readonly string[]
  readonly default?: null | string | number | boolean
}

export interface RecordSchema {
  readonly type: 'record'
  readonly name: string
  readonly namespace: string
  readonly doc: string
  readonly fields: readonly FieldSchema[]
}

/** A field without its union: what it holds, and whether null may stand for it. */
export interface FieldShape {
  readonly name: string
  readonly doc: string
  readonly nullable: boolean
  readonly value: ValueType
  readonly values: readonly string[] | null
  readonly hasDefault: boolean
}

export function shapeOf(field: FieldSchema): FieldShape {
  const nullable = Array.isArray(field.type)
  return {
    name: field.name,
    doc: field.doc,
    nullable,
    value: (nullable ? (field.type as readonly ['null', ValueType])[1] : field.type) as ValueType,
    values: field.values ?? null,
    hasDefault: field.default !== undefined,
  }
}

export function isJsonText(value: ValueType): value is JsonText {
  return typeof value === 'object' && 'logicalType' in value && value.logicalType === 'json'
}

export function isRecord(value: ValueType): value is RecordSchema {
  return typeof value === 'object' && value.type === 'record'
}
