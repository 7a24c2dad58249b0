// Reads a body as text: the JSON of a list, or what a server says about an error.
import { isDeeperThan } from '../../../runtime/json/depth.ts'
import { MAX_SHOWN_DEPTH } from './bodies.ts'
import type { BodyReader } from './transport.ts'

/** Largest body read whole, in bytes. */
const MAX_BYTES = 32_000_000
/** An error's text is cut here, and much shorter later. Bytes. */
const MAX_ERROR_BYTES = 64_000

/** `take` gets the text once it is whole; what it throws is how the exchange has failed. */
export function textReader(take: (text: string) => void): BodyReader {
  const pieces: Buffer[] = []
  let length = 0
  return {
    feed(bytes) {
      pieces.push(bytes)
      length += bytes.length
      if (length > MAX_BYTES) throw new Error(`the answer has more than ${MAX_BYTES} bytes`)
      return true
    },
    end(error) {
      if (error !== undefined) throw error
      take(textOf(pieces))
    },
  }
}

/** `fail` gets the text as far as it is shown, or the message of the error that broke it off, and throws. */
export function errorReader(fail: (text: string) => never): BodyReader {
  const pieces: Buffer[] = []
  let length = 0
  const shown = () => textOf([Buffer.concat(pieces).subarray(0, MAX_ERROR_BYTES)])
  return {
    feed(bytes) {
      pieces.push(bytes)
      length += bytes.length
      return length <= MAX_ERROR_BYTES || fail(bounded(shown()))
    },
    end: (error) => fail(error === undefined ? bounded(shown()) : error.message),
  }
}

const textOf = (pieces: readonly Buffer[]): string => new TextDecoder().decode(Buffer.concat(pieces))

/** An error's JSON is written out, which overflows the stack if it is nested deep. */
function bounded(text: string): string {
  try {
    return isDeeperThan(JSON.parse(text), MAX_SHOWN_DEPTH) ? '(deeply nested)' : text
  } catch {
    return text
  }
}
