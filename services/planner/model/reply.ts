// Reads a provider's answer, whole or in chunks, into a ModelReply.
//
// 1. No shape is assumed: unknown parts are skipped, and the rest must make an answer.
// 2. A stream ends with a finish reason, or with [DONE] behind some part of an answer. One that stops without
//    either was cut, whatever had arrived; one whose reason says that it was broken off or withheld is no
//    answer.
// 3. The size of an answer is bounded (MAX_REPLY_CHARS, MAX_CALLS, MAX_NAME_CHARS).
// 4. Of several choices one is read: the one whose index came first.
import { errorTable, FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import { AttachedReader } from './attached.ts'
import { CallReader } from './tool-calls.ts'
import type { CallSite } from './errors.ts'
import { endOf } from './finish.ts'
import { contentText, isMessage, messageOf, reasoningText, refusalText } from './message-text.ts'
import { entriesOf, hasFields, listOf, shapeOf, textOf, type Shape } from './shapes.ts'
import { estimatedTokens } from '../conversation/token-estimates.ts'
import { UsageReader } from './usage.ts'
import { nothingSpent, type ModelReply, type ModelRequest, type ModelSpend } from '../call.ts'

/** Far beyond any model's output; a server that sends more is broken. */
export const MAX_REPLY_CHARS = 4_000_000
/** Far beyond what a model calls at once; each call costs rows and events. */
const MAX_CALLS = 1_000
/** Far beyond the names and ids of so many calls. */
const MAX_NAME_CHARS = 400_000
/** Longest name of a model, and longest finish reason, that are kept: they are stored with each call, and shown. */
const MAX_WORD_CHARS = 200
/** Longest part of a model's refusal shown in the error. */
const MAX_REFUSAL_CHARS = 300

export class ReplyReader {
  readonly #request: ModelRequest
  readonly #site: CallSite
  readonly #calls = new CallReader()
  readonly #usage = new UsageReader()
  readonly #attached = new AttachedReader()
  #text = ''
  #refusal = ''
  #chars = 0
  #bytes = 0
  #finishReason = ''
  #model = ''
  #understood = false
  #sent = false
  #parts = 0
  /** Index of the choice that is read; undefined before the first. */
  #index: unknown
  /** Fields of a whole answer that is no completion. */
  #fields = ''

  constructor(request: ModelRequest, site: CallSite) {
    this.#request = request
    this.#site = site
  }

  /** Reads one chunk of a stream. Returns the text it added. */
  chunk(value: unknown): string {
    const { choice, message } = this.#read(value)
    // Some servers send a whole message in a chunk; after pieces it would repeat them.
    const isPiece = choice['delta'] !== undefined && choice['delta'] !== null
    const isEmptyPiece = hasFields(message) && !hasFields(messageOf(choice['delta']))
    if (isPiece && !isEmptyPiece)
      return this.#take(messageOf(choice['delta']), (call) => this.#calls.piece(call))
    // Servers of the older API send text alone, in pieces.
    if (typeof choice['text'] === 'string') return this.#take(messageOf(choice['text']), () => '')
    return this.#isBlank ? this.#take(message, (call) => this.#calls.whole(call)) : ''
  }

  /** Reads a whole completion. Returns its text. */
  completion(value: unknown): string {
    const { choice, message } = this.#read(value)
    this.#understood = isMessage(choice['message'] ?? choice['text'])
    if (!this.#understood) this.#fields = Object.keys(shapeOf(value)).slice(0, 10).join(', ').slice(0, 200)
    // A server that sends a whole answer has finished it, even without a finish reason.
    if (this.#understood) this.#finishReason ||= 'stop'
    return this.#take(message, (call) => this.#calls.whole(call))
  }

  /** The stream sent [DONE]: some servers send no finish reason. */
  done(): void {
    if (!this.#isBlank) this.#finishReason ||= 'stop'
  }

  /** The request has begun to leave: from now on it may be billed. */
  sent(): void {
    this.#sent = true
  }

  /** Whether the request has begun to leave. */
  get isSent(): boolean {
    return this.#sent
  }

  /** Whether a part of an answer has arrived. */
  get hasBegun(): boolean {
    return this.#understood
  }

  /** Parts of an answer that have arrived: choices, or usage. */
  get parts(): number {
    return this.#parts
  }

  /** Describes the part that has arrived; empty if none has. */
  get received(): string {
    if (this.#chars === 0) return ''
    return `after about ${estimatedTokens(this.#bytes)} tokens (${this.#chars} characters) of its answer`
  }

  /** The finish reason has arrived: only usage may follow. */
  get hasEnded(): boolean {
    return this.#finishReason !== ''
  }

  /**
   * Usage of a call that broke off or was stopped. Some servers report as they go, and others begin with
   * figures of zero: the part that has arrived counts at least.
   */
  spend(): ModelSpend {
    if (!this.#sent && !this.#understood) return nothingSpent
    return this.#usage.spend(this.#request, this.#bytes, false)
  }

  /**
   * Throws MODEL_ANSWER_MALFORMED, MODEL_UNAVAILABLE (cut or broken off) or MODEL_CONTENT_FILTERED. An empty
   * answer is a reply: it was paid for, and the planner reminds the model.
   */
  reply(): ModelReply {
    const end = this.#goodEnd()
    const cutOff = end === 'length'
    const toolCalls = this.#calls.calls(cutOff)
    const attached = toolCalls.length > 0 ? this.#attached.value : {}
    return {
      text: this.#text,
      toolCalls,
      ...(hasFields(attached) ? { attached } : {}),
      ...this.#usage.spend(this.#request, this.#bytes, true),
      finishReason: cutOff ? 'length' : this.#finishReason,
      model: this.#model || this.#site.model,
      steered: this.#request.steered ?? [],
    }
  }

  #goodEnd(): 'good' | 'length' {
    if (!this.#understood) throw this.#error('MODEL_ANSWER_MALFORMED', this.#misunderstood)
    if (this.#finishReason === '') throw this.#error('MODEL_UNAVAILABLE', 'cut its answer in the middle')
    const how = `finish reason ${this.#finishReason.slice(0, 50)}`
    const end = endOf(this.#finishReason)
    switch (end) {
      case 'broken':
        throw this.#error('MODEL_UNAVAILABLE', `broke its answer off (${how})`)
      case 'malformed':
        throw this.#error('MODEL_ANSWER_MALFORMED', `could not make its answer out (${how})`)
      case 'withheld':
        throw this.#error('MODEL_CONTENT_FILTERED', `withheld the answer by its content filter, ${how}`)
      case 'good':
      case 'length':
        if (this.#announcesMissingCall)
          throw this.#error('MODEL_ANSWER_MALFORMED', `announced a tool call and sent none (${how})`)
        if (this.#refusal !== '' && this.#isBlank)
          throw this.#error('MODEL_CONTENT_FILTERED', `refused: ${this.#refusal.slice(0, MAX_REFUSAL_CHARS)}`)
        return end
    }
  }

  get #isBlank(): boolean {
    return this.#text === '' && this.#calls.count === 0
  }

  /** Its server did not recognise the call that the model wrote: the text is only what stood before it. */
  get #announcesMissingCall(): boolean {
    const hasTools = (this.#request.tools?.length ?? 0) > 0
    return hasTools && this.#calls.count === 0 && /^(tool|function)_?(call|use)/i.test(this.#finishReason)
  }

  get #misunderstood(): string {
    const of = this.#fields === '' ? '' : `, but an object with ${this.#fields}`
    return `sent something that is not a chat completion${of}`
  }

  #read(value: unknown): { choice: Shape; message: Shape } {
    const shape = shapeOf(value)
    const choices = entriesOf(shape['choices'])
    const choice = this.#choiceOf(choices)
    this.#model ||= textOf(shape['model']).slice(0, MAX_WORD_CHARS)
    this.#usage.read(shape, choice)
    const isAnswer = Array.isArray(shape['choices']) || choices.length > 0
    this.#understood ||= isAnswer
    if (isAnswer || typeof shape['usage'] === 'object') this.#parts++
    this.#setEnd(textOf(choice['finish_reason']).slice(0, MAX_WORD_CHARS))
    return { choice, message: messageOf(choice['message'] ?? choice['text']) }
  }

  #choiceOf(choices: readonly Shape[]): Shape {
    const [first] = choices
    if (first === undefined) return {}
    this.#index ??= choices.find(({ index }) => index === 0)?.['index'] ?? first['index']
    const same = choices.filter(({ index }) => index === this.#index)
    return same.length > 1 ? withCalls(same) : (same[0] ?? {})
  }

  /** A reason that says the answer is incomplete outweighs the others. */
  #setEnd(reason: string): void {
    if (reason !== '' && (this.#finishReason === '' || endOf(reason) !== 'good')) this.#finishReason = reason
  }

  #take(content: Shape, takeCall: (call: unknown) => string): string {
    const text = contentText(content['content'])
    this.#text += text
    this.#refusal += refusalText(content)
    this.#attached.read(content)
    this.#count(text + reasoningText(content))
    const legacy = content['function_call'] ? [{ function: content['function_call'] }] : []
    const inParts = entriesOf(content['content']).filter(
      ({ type }) => type === 'tool_use' || type === 'tool_call',
    )
    const calls = [...entriesOf(content['tool_calls']), ...inParts]
    for (const call of calls.length > 0 ? calls : legacy) {
      this.#count(takeCall(call))
      if (this.#calls.count > MAX_CALLS) throw this.#tooLarge(`sent more than ${MAX_CALLS} tool calls`)
      if (this.#calls.nameChars > MAX_NAME_CHARS)
        throw this.#tooLarge(`sent tool calls with more than ${MAX_NAME_CHARS} characters of names and ids`)
    }
    return text
  }

  #count(text: string): void {
    this.#chars += text.length
    this.#bytes += Buffer.byteLength(text)
    if (this.#chars > MAX_REPLY_CHARS) throw this.#tooLarge(`sent more than ${MAX_REPLY_CHARS} characters`)
  }

  /** Most likely so is the next one, and each is paid. */
  #tooLarge(what: string): FlotillaError {
    return this.#error('MODEL_ANSWER_MALFORMED', what, false)
  }

  #error(code: ErrorCode, what: string, retryable = errorTable[code].retryable): FlotillaError {
    const { provider, model } = this.#site
    const message = `${provider} ${what} (model ${model}).`
    return new FlotillaError(code, message, { details: this.spend(), retryable })
  }
}

/** The first choice; some servers send the text of an answer and its calls as two. */
function withCalls(choices: readonly Shape[]): Shape {
  const [first = {}] = choices
  const messages = choices.map(({ message }) => shapeOf(message))
  const calls = messages.map((message) => message['tool_calls']).find((some) => listOf(some).length > 0)
  return calls === undefined ? first : { ...first, message: { ...messages[0], tool_calls: calls } }
}
