// Decodes the bytes of an answer as they arrive.
//
// 1. JSON is UTF-8, and a header that names another charset is wrong more often than right: bytes that are
//    UTF-8 are read so whatever it says.
// 2. From the first byte that can't be, the answer is in the named charset. UTF-16 shows by its zero bytes.
// 3. Without another charset a wrong byte is U+FFFD.
import { TextDecoder } from 'node:util'

export interface TextReader {
  decode(bytes: Uint8Array): string
}

/** Reads bytes in order. An unknown charset counts as none. */
export function decoderFor(contentType: string): TextReader {
  const charset = /;\s*charset\s*=\s*["']?([^"';\s]+)/i.exec(contentType)?.[1]
  const named = charset === undefined ? null : decoderOf(charset)
  return named === null || named.encoding === 'utf-8' ? streaming(new TextDecoder()) : new Doubtful(named)
}

function decoderOf(charset: string): TextDecoder | null {
  try {
    return new TextDecoder(charset)
  } catch {
    return null
  }
}

const streaming = (decoder: TextDecoder): TextReader => ({
  decode: (bytes) => decoder.decode(bytes, { stream: true }),
})

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const nothing = new Uint8Array()

class Doubtful implements TextReader {
  readonly #named: TextReader
  readonly #isWide: boolean
  #isUtf8 = true
  /** The bytes of a character that the last piece cut. */
  #held: Uint8Array = nothing

  constructor(named: TextDecoder) {
    this.#named = streaming(named)
    this.#isWide = named.encoding.startsWith('utf-16')
  }

  decode(bytes: Uint8Array): string {
    if (!this.#isUtf8) return this.#named.decode(bytes)
    const known = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    try {
      if (this.#isWide && known.includes(0)) throw new TypeError('zero bytes')
      const end = wholeCharacters(known)
      const text = strict.decode(known.subarray(0, end))
      this.#held = known.slice(end)
      return text
    } catch {
      this.#isUtf8 = false
      return this.#named.decode(known)
    }
  }
}

/** Position behind the last whole character of UTF-8. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) break
    if (byte < 0xc0) continue
    const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    return length > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
