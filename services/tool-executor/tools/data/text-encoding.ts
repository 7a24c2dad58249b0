// Detects the encoding of a text: by its byte order mark, else by its bytes.
//
// 1. Bytes that are UTF-8 are read as UTF-8. A text that is UTF-8 except for a few bytes stays UTF-8, and
//    those are counted.
// 2. Anything else is read as Windows-1252 (Latin-1 and more), which has a letter for every byte: nothing is
//    lost.
import { isAscii } from 'node:buffer'

/** The encoding that a byte order mark names. UTF-32 has no decoder here. */
export function encodingOfMark(head: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' | 'utf-32' | null {
  const [a, b, c, d] = head
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8'
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 && head.length > 3 ? 'utf-32' : 'utf-16le'
  if (a === 0xfe && b === 0xff) return 'utf-16be'
  return a === 0 && b === 0 && c === 0xfe && d === 0xff ? 'utf-32' : null
}

const LEAST_UNITS = 2
/** Shares of zero bytes: western text has one in nearly each unit of UTF-16, on one side. */
const MANY = 0.4
const FEW = 0.1

/** UTF-16 without a mark, recognised by the position of the zero bytes. */
export function wideEncoding(head: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  const units = Math.floor(head.length / 2)
  if (units < LEAST_UNITS) return null
  const zeros = [0, 0] as [number, number]
  for (let at = 0; at < units * 2; at++) if (head[at] === 0) zeros[at % 2 === 0 ? 0 : 1]++
  const [even, odd] = zeros
  if (odd > units * MANY && even < units * FEW) return 'utf-16le'
  return even > units * MANY && odd < units * FEW ? 'utf-16be' : null
}

export interface Guess {
  /** A label that TextDecoder knows. */
  readonly encoding: string
  /** Bytes, or runs of them, that are not a character in the encoding. */
  readonly undecodable: number
}

/** The encoding of all these bytes, which are read to the end unless their beginning decides. */
export function guessEncoding(chunks: Iterable<Uint8Array>): Guess | { encoding: 'utf-32' } {
  const decoder = new TextDecoder()
  let isFirst = true
  const seen = { wide: 0, replaced: 0 }
  for (const chunk of chunks) {
    if (isFirst) {
      const encoding = encodingOfMark(chunk) ?? wideEncoding(chunk)
      if (encoding !== null && encoding !== 'utf-8') return { encoding, undecodable: 0 }
      isFirst = false
    }
    // A character cut at the end of the last chunk is whole only with this one.
    count(decoder.decode(chunk, { stream: true }), isAscii(chunk), seen)
  }
  count(decoder.decode(), false, seen)
  const isUtf8 = seen.replaced === 0 || seen.wide > seen.replaced
  return { encoding: isUtf8 ? 'utf-8' : 'windows-1252', undecodable: isUtf8 ? seen.replaced : 0 }
}

function count(text: string, fromAscii: boolean, seen: { wide: number; replaced: number }): void {
  if (fromAscii && !text.startsWith('\ufffd')) return
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0xfffd) seen.replaced++
    else if (code > 0x7f) seen.wide++
  }
}

/** Whether TextDecoder knows the label. */
export function isEncoding(label: string): boolean {
  try {
    return new TextDecoder(label) !== null
  } catch {
    return false
  }
}
