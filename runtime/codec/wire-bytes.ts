// Avro's bytes for the generated converters of events (schemas/generated/wire.ts): the common case of avro.ts.
//
// 1. Whatever succeeds here has the same result as the general codec: half of a surrogate pair is written as U+FFFD.
//    Anything else throws, and that codec decides: a value of the wrong type, a number past 2^52, bytes that end too
//    early, a text that is not UTF-8.
// 2. Nothing is read past the end, and no list is begun that announces more items than there are bytes.
import { isUtf8 } from 'node:buffer'
import { bufferOf } from '../bytes.ts'
import { parseExact } from '../json/exact.ts'
import type { Json } from '../../schemas/json.ts'
import type { WireInput, WireOutput } from '../../schemas/wire.ts'

/** Thrown at what is not plain; it has no stack, because nobody sees it. */
class NotPlain extends Error {
  override readonly name = 'NotPlain'
}
const stackTraceLimit = Error.stackTraceLimit
Error.stackTraceLimit = 0
const notPlain = new NotPlain('left to avsc')
Error.stackTraceLimit = stackTraceLimit

const MOST = 2 ** 52
const INT_BYTES = 5
const LONG_BYTES = 10
/** Texts up to this length are written character by character, which is faster than a call for each. */
const SHORT = 63
const REPLACEMENT = '\uFFFD'
const BYTES_OF_CHAR = 3

export class WireBytes implements WireOutput {
  buffer = Buffer.allocUnsafe(64 * 1024)
  /** Where the next value is written. */
  at = 0

  #reserve(count: number): void {
    if (this.at + count <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(2 * (this.at + count))
    this.buffer.copy(larger, 0, 0, this.at)
    this.buffer = larger
  }

  some<T>(value: T | null): value is T {
    this.#reserve(1)
    this.buffer[this.at++] = value === null ? 0 : 2
    return value !== null
  }

  string(value: string): void {
    if (typeof value !== 'string') throw notPlain
    const { length } = value
    this.#reserve(LONG_BYTES + BYTES_OF_CHAR * length)
    if (length <= SHORT && this.#ascii(value)) return
    this.#count(Buffer.byteLength(value))
    this.at += this.buffer.write(value, this.at)
  }

  /** False: nothing was written, because a character has more than one byte. */
  #ascii(value: string): boolean {
    const { buffer: bytes } = this
    const from = this.at + 1
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index)
      if (code > 0x7f) return false
      bytes[from + index] = code
    }
    bytes[this.at] = 2 * value.length
    this.at = from + value.length
    return true
  }

  oneOf(value: string, allowed: readonly string[]): void {
    if (!allowed.includes(value)) throw notPlain
    this.string(value)
  }

  int(value: number): void {
    if (value !== (value | 0)) throw notPlain
    this.#reserve(INT_BYTES)
    this.#count(value)
  }

  long(value: number): void {
    if (!Number.isInteger(value) || value > MOST || value < -MOST) throw notPlain
    this.#reserve(LONG_BYTES)
    this.#count(value)
  }

  /** A whole number, zigzag and seven bits at a time. */
  #count(value: number): void {
    const { buffer: bytes } = this
    let left = value >= 0 ? 2 * value : -2 * value - 1
    for (; left > 0x7fff_ffff; left = Math.floor(left / 128)) bytes[this.at++] = (left % 128) | 128
    for (; left > 127; left >>>= 7) bytes[this.at++] = (left & 127) | 128
    bytes[this.at++] = left
  }

  double(value: number): void {
    if (typeof value !== 'number') throw notPlain
    this.#reserve(8)
    this.at = this.buffer.writeDoubleLE(value, this.at)
  }

  boolean(value: boolean): void {
    if (typeof value !== 'boolean') throw notPlain
    this.#reserve(1)
    this.buffer[this.at++] = value ? 1 : 0
  }

  bytes(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) throw notPlain
    this.#reserve(LONG_BYTES + value.length)
    this.#count(value.length)
    this.buffer.set(value, this.at)
    this.at += value.length
  }

  json(value: Json): void {
    this.string(JSON.stringify(value) ?? 'null')
  }

  someJson(value: Json): void {
    if (this.some(value ?? null)) this.json(value)
  }

  array<T>(items: readonly T[], item: (value: T) => void): void {
    if (!Array.isArray(items)) throw notPlain
    this.#block(items.length)
    for (const each of items) item(each)
    if (items.length > 0) this.#block(0)
  }

  map<T>(entries: Readonly<Record<string, T>>, item: (value: T) => void): void {
    if (typeof entries !== 'object' || entries === null || Array.isArray(entries)) throw notPlain
    const names = Object.keys(entries)
    this.#block(names.length)
    for (const name of names) {
      this.string(name)
      item(entries[name] as T)
    }
    if (names.length > 0) this.#block(0)
  }

  /** Begins a block of so many items; one of none ends the list. */
  #block(count: number): void {
    this.#reserve(LONG_BYTES)
    this.#count(count)
  }
}

export class WireView implements WireInput {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0

  /** Reads from here on. */
  begin(bytes: Uint8Array, start: number): void {
    this.#bytes = bufferOf(bytes)
    this.#at = start
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw notPlain
    return byte
  }

  some(): boolean {
    const branch = this.#byte()
    if (branch !== 0 && branch !== 2) throw notPlain
    return branch === 2
  }

  string(): string {
    const length = this.#length()
    const from = this.#at
    this.#at = from + length
    const text = this.#bytes.toString('utf8', from, this.#at)
    // Each wrong byte has become this character, which few texts have.
    if (text.includes(REPLACEMENT) && !isUtf8(this.#bytes.subarray(from, this.#at))) throw notPlain
    return text
  }

  int(): number {
    const value = this.long()
    if (value !== (value | 0)) throw notPlain
    return value
  }

  long(): number {
    let byte = this.#byte()
    let read = byte & 127
    for (let scale = 128; byte > 127; scale *= 128) {
      byte = this.#byte()
      read += (byte & 127) * scale
      if (scale > MOST) throw notPlain
    }
    if (read > 2 * MOST) throw notPlain
    return read % 2 === 0 ? read / 2 : -(read + 1) / 2
  }

  /** A length that the bytes that are left allow. */
  #length(): number {
    const length = this.long()
    if (length < 0 || length > this.#bytes.length - this.#at) throw notPlain
    return length
  }

  double(): number {
    if (this.#bytes.length - this.#at < 8) throw notPlain
    const value = this.#bytes.readDoubleLE(this.#at)
    this.#at += 8
    return value
  }

  boolean(): boolean {
    const byte = this.#byte()
    if (byte > 1) throw notPlain
    return byte === 1
  }

  bytes(): Uint8Array {
    const length = this.#length()
    const from = this.#at
    this.#at = from + length
    return new Uint8Array(this.#bytes.subarray(from, this.#at))
  }

  json(): Json {
    return parseExact(this.string())
  }

  array<T>(item: () => T): T[] {
    const items: T[] = []
    for (let count = this.#items(); count > 0; count = this.#items())
      for (let index = 0; index < count; index++) items.push(item())
    return items
  }

  map<T>(item: () => T): Record<string, T> {
    const entries: Record<string, T> = {}
    for (let count = this.#items(); count > 0; count = this.#items())
      for (let index = 0; index < count; index++) {
        const name = this.string()
        if (name === '__proto__') throw notPlain
        entries[name] = item()
      }
    return entries
  }

  /** How many items a block has; a block that gives its size is left to avsc. */
  #items(): number {
    return this.#length()
  }
}
