// How a body is packed, by its first bytes and the name in its content-encoding: headers are wrong as often as servers and
// proxies are, which pack without saying so, and unpack without taking the header away.
import { brotliDecompressSync, constants } from 'node:zlib'

/** The names of content-encoding. */
export type Encoding = 'gzip' | 'x-gzip' | 'deflate' | 'br' | 'zstd'

/** `zlib`: deflate with zlib's header, as the standard says. `deflate`: without. */
export type Packing = 'gzip' | 'zlib' | 'deflate' | 'br' | 'zstd'

const encodings: readonly string[] = ['gzip', 'x-gzip', 'deflate', 'br', 'zstd'] satisfies Encoding[]

export const isEncoding = (name: string): name is Encoding => encodings.includes(name)

/** So many bytes show it, if the first of them do not yet (`packingByMark`). */
export const TELLING_BYTES = 16

/** Bytes of which text has no control characters, and what is packed has some. */
const BEGINNING = 64

const GZIP = [0x1f, 0x8b, 8]
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd]

/** The packing that the bytes show whatever the header says, also the first few of them; null if they show none. */
export function packingByMark(bytes: Uint8Array): 'gzip' | 'zstd' | null {
  if (bytes.length >= 1 && hasMark(bytes, GZIP)) return 'gzip'
  // Text may begin with the first byte of the other.
  return bytes.length >= 2 && hasMark(bytes, ZSTD) ? 'zstd' : null
}

const hasMark = (bytes: Uint8Array, mark: readonly number[]): boolean =>
  mark.every((byte, at) => at >= bytes.length || bytes[at] === byte)

/** How a body is packed whose header names this encoding; null: it is not packed. `isWhole`: it has no more bytes. */
export function packingOf(beginning: Uint8Array, named: Encoding, isWhole = false): Packing | null {
  const marked = packingByMark(beginning)
  if (marked !== null) return marked
  if (named === 'br' && beginsAsBrotli(beginning, isWhole)) return 'br'
  if (beginsAsZlib(beginning)) return 'zlib'
  if (named === 'deflate' ? beginsAsUtf8(beginning) : beginsAsText(beginning)) return null
  return named === 'x-gzip' ? 'gzip' : named
}

const beginsAsText = (bytes: Uint8Array): boolean =>
  bytes.subarray(0, BEGINNING).every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d))

/** Deflate without a header may begin with bytes that another charset of text has. The last character may be cut. */
const beginsAsUtf8 = (bytes: Uint8Array): boolean =>
  beginsAsText(bytes) &&
  !/\ufffd(?!$)/.test(new TextDecoder().decode(bytes.subarray(0, BEGINNING), { stream: true }))

const DEFLATE = 8
const PRESET_DICTIONARY = 0x20

/** Two bytes that text may have too (`x^`), unless the second is no ASCII. */
function beginsAsZlib(bytes: Uint8Array): boolean {
  const [method = 0, flags = 0] = bytes
  const isHeader = (method & 0x8f) === DEFLATE && ((method << 8) | flags) % 31 === 0
  return isHeader && (flags & PRESET_DICTIONARY) === 0 && (flags >= 0x80 || !beginsAsText(bytes))
}

/** Tried of a body, and the most that may come of it. Bytes. */
const TRIED = { bytes: 4_096, maxOutputLength: 1_000_000 }

/** Brotli has no mark: its beginning is unpacked. A few bytes of text may begin so, and have no end. */
function beginsAsBrotli(bytes: Uint8Array, isWhole: boolean): boolean {
  const finishFlush = isWhole ? constants.BROTLI_OPERATION_FINISH : constants.BROTLI_OPERATION_FLUSH
  try {
    brotliDecompressSync(bytes.subarray(0, TRIED.bytes), {
      finishFlush,
      maxOutputLength: TRIED.maxOutputLength,
    })
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE'
  }
}
