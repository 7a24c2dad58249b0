// What a client writes on stdin, before the protocol's package reads it: the rules of a body over HTTP hold here too.
//
// 1. A message is UTF-8, JSON with each name once, at most MAX_BYTES long and MAX_DEPTH deep. Its digits are kept.
// 2. A request that can't be taken, but says its id, is answered with an error. An answer that can't be taken is an
//    error to whatever waits for it. Of anything else nobody waits for an answer: it is reported.
// 3. A line of more than MAX_LINE_BYTES ends the connection: it is held in memory until its end.
import { isUtf8 } from 'node:buffer'
import { Transform, type TransformCallback } from 'node:stream'
import { parseJSONRPCMessage, ProtocolErrorCode } from '@modelcontextprotocol/server'
import { messageOf } from '../../../runtime/errors.ts'
import { parseExact } from '../../../runtime/json/exact.ts'
import { isDeeperThan } from '../../../runtime/json/depth.ts'
import { mayRepeatNames, repeatedNames } from '../../../runtime/json/names.ts'
import { shown } from '../../../schemas/identity.ts'
import type { Json } from '../../../schemas/json.ts'

const MAX_BYTES = 1_000_000
const MAX_LINE_BYTES = 10 * MAX_BYTES
const MAX_DEPTH = 200
const NEWLINE = 0x0a

export interface LineParts {
  /** Writes a message to the client: the error that answers its request. */
  readonly answer: (message: object) => void
  /** Gets what is wrong with a line that nobody waits for. */
  readonly report: (error: Error) => void
}

/** Lines in; out come those that are messages of the protocol, one in a line. */
export class StdioLines extends Transform {
  readonly #parts: LineParts
  #pieces: Buffer[] = []
  #bytes = 0

  constructor(parts: LineParts) {
    super()
    this.#parts = parts
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, end))
      from = end + 1
      this.#end()
    }
    this.#keep(chunk.subarray(from))
    done(this.#bytes > MAX_LINE_BYTES ? new Error(`a line has more than ${MAX_LINE_BYTES} bytes`) : null)
  }

  #keep(piece: Buffer): void {
    if (piece.length > 0) this.#pieces.push(piece)
    this.#bytes += piece.length
  }

  #end(): void {
    const line = Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#bytes = 0
    const text = line.toString('utf8').replace(/^\uFEFF/, '')
    if (text.trim() === '') return
    try {
      this.#take(parseExact(text), text, isUtf8(line))
    } catch (error) {
      this.#parts.report(new Error(`a line that is not JSON: ${messageOf(error)}`))
    }
  }

  #take(value: Json, text: string, isText: boolean): void {
    const problem = isText ? problemOf(value, text) : 'the message is not UTF-8'
    if (problem === null) return void this.push(`${JSON.stringify(value)}\n`)
    const error = { code: ProtocolErrorCode.InvalidRequest, message: problem }
    const waiting = waitingFor(value)
    for (const { id, isAnswer } of waiting)
      if (isAnswer) this.push(`${JSON.stringify({ jsonrpc: '2.0', id, error })}\n`)
      else this.#parts.answer({ jsonrpc: '2.0', id, error })
    if (waiting.length === 0) this.#parts.report(new Error(`a message that can't be taken: ${problem}`))
  }
}

/** Null: it is a message. */
function problemOf(value: Json, text: string): string | null {
  if (text.length > MAX_BYTES) return `the message is longer than ${MAX_BYTES.toLocaleString('en')} bytes`
  if (isDeeperThan(value, MAX_DEPTH)) return `the message is nested more than ${MAX_DEPTH} levels deep`
  const twice = mayRepeatNames(text, value) ? repeatedNames(text) : []
  if (twice.length > 0)
    return `the message gives ${twice.map(shown).join(', ')} twice, with different values; send one`
  if (Array.isArray(value)) return 'a batch of messages is not taken; send them one by one'
  try {
    parseJSONRPCMessage(value)
    return null
  } catch {
    return 'this is no message of JSON-RPC 2.0 as MCP has it'
  }
}

interface Waiting {
  readonly id: string | number
  /** It is the answer to a request of ours, which waits here. */
  readonly isAnswer: boolean
}

/** Ids of those that wait for an answer, or for this one: the client for each of its requests, a request of ours for its answer. */
function waitingFor(value: Json): Waiting[] {
  if (Array.isArray(value)) return value.flatMap(waitingFor)
  if (typeof value !== 'object' || value === null) return []
  const { id } = value
  if (typeof id !== 'string' && !Number.isInteger(id)) return []
  const isAnswer =
    !Object.hasOwn(value, 'method') && (Object.hasOwn(value, 'result') || Object.hasOwn(value, 'error'))
  return [{ id: id as string | number, isAnswer }]
}
