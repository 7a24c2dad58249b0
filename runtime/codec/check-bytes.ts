// Walks Avro bytes by their writer's schema without building anything, to check that they are complete before
// avsc reads them: avsc silently reads past the end, so a few forged bytes that announce four thousand
// million array items would stop the process.
//
// 1. No block of an array or map has more items than bytes are left (which also refuses items of no size).
// 2. Nothing ends past the end.
// 3. Every text is UTF-8: avsc would make another character of each wrong byte.
import { isUtf8 } from 'node:buffer'
import type { AvroSchema } from './registry.ts'
import { wrongByteAt } from './utf8.ts'

type Named = Map<string, AvroSchema>
type Node = { readonly [key: string]: unknown }

class Cursor {
  position: number
  readonly bytes: Uint8Array
  readonly #halves: boolean
  /** Names of the fields that are being walked, the outermost first. */
  readonly fields: string[] = []
  constructor(bytes: Uint8Array, position: number, halves: boolean) {
    this.bytes = bytes
    this.position = position
    this.#halves = halves
  }
  text(): void {
    const length = this.long()
    const from = this.position
    this.skip(length)
    if (isUtf8(this.bytes.subarray(from, this.position))) return
    const at = wrongByteAt(this.bytes, { from, to: this.position, halves: this.#halves })
    if (at === null) return
    const byte = (this.bytes[at] as number).toString(16)
    throw new RangeError(`${this.fields.join('.')} is not UTF-8: byte ${at} of the record is 0x${byte}`)
  }
  skip(count: number): void {
    if (!(count >= 0 && this.position + count <= this.bytes.length))
      throw new RangeError('the bytes end too early')
    this.position += count
  }
  long(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const byte = this.bytes[this.position]
      this.skip(1)
      value += ((byte as number) & 127) * scale
      if ((byte as number) < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw new RangeError('a number is longer than 64 bits')
  }
}

/**
 * Throws a RangeError with the reason if `bytes` from `start` do not begin with a value of the schema. `halves`: half of a
 * surrogate pair may be written in three bytes, as avsc does.
 */
export function skim(schema: AvroSchema, bytes: Uint8Array, start: number, halves: boolean): void {
  walk(schema, new Cursor(bytes, start, halves), new Map())
}

function walk(schema: AvroSchema, cursor: Cursor, named: Named): void {
  if (Array.isArray(schema)) return walk(branchOf(schema, cursor), cursor, named)
  if (typeof schema === 'string') return walkName(schema, cursor, named)
  const node = schema as Node
  if (typeof node['name'] === 'string') named.set(unqualified(node['name']), node)
  if (node['type'] === 'record' || node['type'] === 'error') {
    for (const field of node['fields'] as Node[]) walkField(field, cursor, named)
  } else if (node['type'] === 'array')
    walkBlocks(cursor, () => walk(node['items'] as AvroSchema, cursor, named))
  else if (node['type'] === 'map') {
    walkBlocks(cursor, () => {
      cursor.text()
      walk(node['values'] as AvroSchema, cursor, named)
    })
  } else if (node['type'] === 'enum') cursor.long()
  else if (node['type'] === 'fixed') cursor.skip(node['size'] as number)
  else walk(node['type'] as AvroSchema, cursor, named)
}

function walkField(field: Node, cursor: Cursor, named: Named): void {
  cursor.fields.push(String(field['name']))
  walk(field['type'] as AvroSchema, cursor, named)
  cursor.fields.pop()
}

function walkName(name: string, cursor: Cursor, named: Named): void {
  if (name === 'null') return
  if (name === 'boolean') cursor.skip(1)
  else if (name === 'int' || name === 'long') cursor.long()
  else if (name === 'float') cursor.skip(4)
  else if (name === 'double') cursor.skip(8)
  else if (name === 'bytes') cursor.skip(cursor.long())
  else if (name === 'string') cursor.text()
  else {
    const known = named.get(unqualified(name))
    if (!known) throw new RangeError(`the schema uses ${name} without defining it`)
    walk(known, cursor, named)
  }
}

function branchOf(union: readonly AvroSchema[], cursor: Cursor): AvroSchema {
  const branch = union[cursor.long()]
  if (branch === undefined) throw new RangeError('a union has no such branch')
  return branch
}

function walkBlocks(cursor: Cursor, walkItem: () => void): void {
  for (let count = cursor.long(); count !== 0; count = cursor.long()) {
    if (count < 0) cursor.long()
    const items = Math.abs(count)
    if (items > cursor.bytes.length - cursor.position) throw new RangeError(`${items} items in too few bytes`)
    for (let i = 0; i < items; i++) walkItem()
  }
}

const unqualified = (name: string): string => name.slice(name.lastIndexOf('.') + 1)
