// Bytes of a request, written in one pass into one buffer that grows as needed. kafkajs's encoder takes 512 zeroed
// bytes for each part of a request and copies them into its whole: for a record of six headers that is done
// seven times.

const TWO_TO_32 = 2 ** 32
/** Zigzag and unsigned varints of 32 bits. */
const MAX_VARINT_BYTES = 5
const MAX_VARLONG_BYTES = 8

export class ByteWriter {
  /** Named as in kafkajs's encoder, which copies from it. */
  buf: Buffer
  #end = 0

  constructor(bytes = 256) {
    this.buf = Buffer.allocUnsafe(bytes)
  }

  get length(): number {
    return this.#end
  }

  /** The bytes written so far. Valid until more are written. */
  get buffer(): Buffer {
    return this.buf.subarray(0, this.#end)
  }

  /** Room for so many bytes more; returns where they begin. */
  #take(count: number): number {
    const start = this.#end
    const end = start + count
    if (end > this.buf.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, 2 * this.buf.length))
      this.buf.copy(larger, 0, 0, start)
      this.buf = larger
    }
    this.#end = end
    return start
  }

  int8(value: number): this {
    const at = this.#take(1)
    this.buf[at] = value
    return this
  }

  int16(value: number): this {
    const at = this.#take(2)
    this.buf.writeInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#take(4)
    this.buf.writeInt32BE(value, at)
    return this
  }

  uint32(value: number): this {
    const at = this.#take(4)
    this.buf.writeUInt32BE(value, at)
    return this
  }

  /** A safe integer, or a decimal of 64 bits. */
  int64(value: number | string): this {
    const at = this.#take(8)
    if (typeof value === 'string') this.buf.writeBigInt64BE(BigInt(value), at)
    else {
      this.buf.writeInt32BE(Math.floor(value / TWO_TO_32), at)
      this.buf.writeUInt32BE(value >>> 0, at + 4)
    }
    return this
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  uvarint(value: number): this {
    let at = this.#take(MAX_VARINT_BYTES)
    let rest = value >>> 0
    for (; rest > 127; rest >>>= 7) this.buf[at++] = (rest & 127) | 128
    this.buf[at++] = rest
    this.#end = at
    return this
  }

  /** Zigzag, of 32 bits. */
  varint(value: number): this {
    return this.uvarint((value << 1) ^ (value >> 31))
  }

  /** Zigzag, of a whole number from 0 to 2 ** 52. */
  varlong(value: number): this {
    let at = this.#take(MAX_VARLONG_BYTES)
    let rest = 2 * value
    for (; rest > 127; rest = Math.floor(rest / 128)) this.buf[at++] = (rest % 128) | 128
    this.buf[at++] = rest
    this.#end = at
    return this
  }

  bytes(value: Uint8Array): this {
    const at = this.#take(value.length)
    this.buf.set(value, at)
    return this
  }

  /** Its UTF-8, without a length. `byteLength` is that of the text. */
  text(value: string, byteLength: number = Buffer.byteLength(value)): this {
    const at = this.#take(byteLength)
    this.buf.write(value, at, byteLength, 'utf8')
    return this
  }

  /** A string with its length in 16 bits, as in versions that are not flexible. */
  string(value: string): this {
    const byteLength = Buffer.byteLength(value)
    return this.int16(byteLength).text(value, byteLength)
  }

  /** A string of flexible versions: its length + 1 as a varint, 0 for null. */
  compactString(value: string | null): this {
    if (value === null) return this.uvarint(0)
    const byteLength = Buffer.byteLength(value)
    return this.uvarint(byteLength + 1).text(value, byteLength)
  }

  /** An array of flexible versions. */
  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.uvarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  /** An array with its length in 32 bits. */
  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  /** The end of a structure of a flexible version: no tagged fields. */
  noTags(): this {
    return this.int8(0)
  }
}

/** Bytes of a zigzag varint of 32 bits. */
export function varintBytes(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  let bytes = 1
  for (; rest > 127; rest >>>= 7) bytes++
  return bytes
}

/** Bytes of a zigzag varint of a whole number from 0 to 2 ** 52. */
export function varlongBytes(value: number): number {
  let bytes = 1
  for (let rest = 2 * value; rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
