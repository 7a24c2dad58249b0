// Reads the body of an answer, piece by piece as it arrives: one JSON value, or server-sent events up to [DONE].
// The openai package reads events too, at twice the processor time of a whole call.
//
// 1. The body itself shows which of the two it is: content types are wrong too often.
// 2. Anything without JSON is not part of an answer: comments, empty events, pings. An `event: error` is an
//    error in any words; so is a page of HTML, or a line that says so, before the answer has ended.
// 3. The last event counts even without its blank line, but not if it was cut in the middle.
// 4. A value that is nested deeper than anything that walks it can follow is no part of an answer.
// 5. An event or a body with several values (lines of JSON, a list of chunks) is as many chunks.
// 6. No part of an answer is skipped for how its line begins: a mark that nobody sees, blanks, capitals.
import { createParser } from 'eventsource-parser'
import { isDeeperThan, MAX_JSON_DEPTH } from '../../../runtime/json/depth.ts'
import { decoderFor, type TextReader } from './answer-text.ts'
import { errorIn } from './bodies.ts'
import { behindGuard, NotJson, valuesIn, type Found } from './json-values.ts'
import { listOf, shapeOf } from './shapes.ts'
import { isJson } from '../result/json-text.ts'
import { MAX_REPLY_CHARS } from './reply.ts'
import type { BodyReader } from './transport.ts'

const MAX_BYTES = 16 * MAX_REPLY_CHARS

export interface AnswerSink {
  /** A body that is one JSON value. */
  whole(value: unknown): void
  /** Bytes of such a body arrived. `isWhole`: whether it may end here. */
  part(isWhole: () => boolean): void
  /** JSON of an event. */
  chunk(value: unknown): void
  /** Whether the answer is complete, and only usage may follow. */
  hasEnded(): boolean
  /** [DONE] arrived. The transport handles anything after it. */
  done(): void
  /** Converts an error that the provider sends instead of an answer or within it. */
  failed(error: unknown): Error
}

/** The reader of one answer. It throws the error from `failed`, or a SyntaxError for anything that is not JSON. */
export class AnswerReader implements BodyReader {
  readonly #sink: AnswerSink
  readonly #decoder: TextReader
  #bytes = 0
  /** Pieces of a body that is JSON. */
  readonly #parts: string[] = []
  /** Reads a body that is events; null before one has begun. */
  #events: EventReader | null = null

  constructor(sink: AnswerSink, contentType = '') {
    this.#sink = sink
    this.#decoder = decoderFor(contentType)
  }

  feed(bytes: Uint8Array): boolean {
    this.#bytes += bytes.length
    if (this.#bytes > MAX_BYTES) throw new NotJson('an answer that does not end')
    const text = this.#decoder.decode(bytes)
    if (this.#events !== null) this.#events.feed(text)
    else if (this.#parts.length > 0) this.#addPart(text)
    else this.#begin(text)
    return this.#events?.isDone !== true
  }

  /** A JSON value may be whole although its body never ends, or the connection breaks behind it. */
  end(error?: Error): void {
    if (this.#parts.length > 0) {
      if (error !== undefined && !this.#isWhole()) throw error
      return readWhole(this.#parts.join(''), this.#sink)
    }
    if (error !== undefined) throw error
    const events = this.#events ?? new EventReader(this.#sink)
    if (!events.isDone) events.end()
  }

  /** Blanks before the answer keep the connection open; they need not be kept. */
  #begin(text: string): void {
    const head = behindGuard(text).trimStart()
    if (head === '') return
    if (head.startsWith('{') || head.startsWith('[')) return this.#addPart(head)
    this.#events = new EventReader(this.#sink)
    this.#events.feed(head)
  }

  #addPart(text: string): void {
    this.#parts.push(text)
    this.#sink.part(this.#isWhole)
  }

  readonly #isWhole = (): boolean => isJson(this.#parts.join(''))
}

function readWhole(text: string, sink: AnswerSink): void {
  const { values, isDone } = valuesIn(text)
  const [only] = values
  const isList = values.length === 1 && Array.isArray(only)
  const parts = isList ? listOf(only) : values
  for (const value of parts) {
    const error = errorIn(value)
    if (error !== null) throw sink.failed(error)
    assertShallow(value)
  }
  if (parts.length === 1 && !isChunk(parts[0])) return sink.whole(parts[0])
  for (const value of parts) sink.chunk(value)
  // Lines of JSON may have been cut between two of them; a list has an end.
  if (isDone || isList) sink.done()
}

function assertShallow(value: unknown): void {
  if (isDeeperThan(value, MAX_JSON_DEPTH))
    throw new NotJson(`it is nested more than ${MAX_JSON_DEPTH} levels deep`)
}

const isChunk = (value: unknown): boolean => 'delta' in shapeOf(listOf(shapeOf(value)['choices'])[0])

/** A line whose field is `data`, but for what stands before it or how it is written. */
const NEARLY_DATA = /^[\s\0]*data[ \t]*:(?<said>[^]*)$/i
/** Names that servers give the event behind an answer. */
const LAST_EVENT = /^(?:done|end|complete)$/i
const DONE = /^"?\[?DONE\]?"?$/i

/** `[DONE]`, and other forms of it. */
const isDone = (said: string): boolean => said.length < 10 && DONE.test(said)

/** Words of a proxy whose server has gone, instead of the rest of an answer. */
const FAILURE =
  /^\s*<(?:!doctype|html)|\b(?:error|fail(?:ed|ure)|unavailable|timed? ?out|overloaded|exceeded)\b/i
const MAX_FAILURE_CHARS = 10_000
const isFailure = (said: string): boolean => said.length < MAX_FAILURE_CHARS && FAILURE.test(said)

const isJsonLike = (said: string): boolean => said.startsWith('{') || said.startsWith('[')

class EventReader {
  readonly #sink: AnswerSink
  readonly #parser = createParser({
    onEvent: ({ event, data }) => this.#event(event, data),
    // A line outside of any event: its field is nearly `data`, or some servers write their error as bare JSON.
    onError: ({ type, line = '' }) => {
      if (type !== 'unknown-field') return
      const said = NEARLY_DATA.exec(line)?.groups?.['said'] ?? line
      if (isDone(said.trim()) || isJsonLike(said.trim()) || isFailure(said)) this.#event(undefined, said)
    },
  })
  #done = false
  #ending = false
  #events = 0
  /** Its first part, for the error. */
  #first = ''

  constructor(sink: AnswerSink) {
    this.#sink = sink
  }

  get isDone(): boolean {
    return this.#done
  }

  feed(text: string): void {
    this.#first ||= text
    this.#parser.feed(text)
  }

  /** The body has ended: its last event may lack the blank line. */
  end(): void {
    this.#ending = true
    this.#parser.feed('\n\n')
    if (this.#events === 0 && !this.#done) throw new NotJson(this.#first)
  }

  #event(event: string | undefined, data: string): void {
    const trimmed = data.trim()
    const said = trimmed.startsWith('data:') ? trimmed.replace(/^(?:data:\s*)+/, '') : trimmed
    if (this.#done) return
    if (isDone(said)) return this.#finish()
    const isJson = isJsonLike(said)
    if (!isJson && said !== '' && (event === 'error' || (!this.#sink.hasEnded() && isFailure(said))))
      throw this.#sink.failed({ message: said })
    const found = isJson ? this.#parse(said) : undefined
    for (const value of found?.values ?? []) this.#value(event, value, said.length)
    if (found?.isDone || (event !== undefined && LAST_EVENT.test(event))) this.#finish()
  }

  #value(event: string | undefined, value: unknown, chars: number): void {
    const error = errorIn(value) ?? (event === 'error' ? value : null)
    if (error !== null) throw this.#sink.failed(error)
    // Fewer characters can't be nested as deep.
    if (chars > MAX_JSON_DEPTH) assertShallow(value)
    this.#events++
    this.#sink.chunk(value)
  }

  #finish(): void {
    this.#done = true
    this.#events++
    this.#sink.done()
  }

  /** Undefined if it was cut. */
  #parse(text: string): Found | undefined {
    try {
      return valuesIn(text)
    } catch (error) {
      if (this.#ending) return undefined
      throw error
    }
  }
}
