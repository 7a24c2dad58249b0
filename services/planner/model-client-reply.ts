// Reads what a provider sent, whole or in chunks, into a ModelReply.
//
// 1. Nothing about its shape is taken for granted: what has no meaning is skipped, and what is left must make an answer.
// 2. A stream ends with a finish reason. One that stops without it was cut, whatever it had said by then.
// 3. What an answer may hold is bounded (MAX_REPLY_CHARS).
import { FlotillaError } from '../../runtime/errors.ts'
import type { CallSite } from './model-client-errors.ts'
import {
  nothingSpent,
  type ModelReply,
  type ModelRequest,
  type ModelSpend,
  type ModelToolCall,
} from './model.ts'
import { estimatedInputTokens, estimatedTokens } from './token-estimates.ts'

/** Far beyond any model's output; a server that sends more is broken. */
export const MAX_REPLY_CHARS = 4_000_000

type Shape = Readonly<Record<string, unknown>>

const shapeOf = (value: unknown): Shape =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Shape) : {}
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const countOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.round(value) : null

interface GrowingCall {
  id: string
  name: string
  argumentsText: string
}

export class ReplyReader {
  readonly #request: ModelRequest
  readonly #site: CallSite
  readonly #calls: GrowingCall[] = []
  #text = ''
  #refusal = ''
  #chars = 0
  #bytes = 0
  #finishReason = ''
  #model = ''
  #inputTokens: number | null = null
  #outputTokens: number | null = null
  #understood = false
  #sent = false

  constructor(request: ModelRequest, site: CallSite) {
    this.#request = request
    this.#site = site
  }

  /** One chunk of a stream. Returns the text it added. */
  chunk(value: unknown): string {
    return this.#read(value, 'delta')
  }

  /** A whole completion. Returns its text. */
  completion(value: unknown): string {
    const text = this.#read(value, 'message')
    // A server that sends a whole answer has finished it, also where it does not say how.
    if (this.#understood) this.#finishReason ||= 'stop'
    return text
  }

  /** The request has begun to leave: from now on it is to be paid for. */
  sent(): void {
    this.#sent = true
  }

  /** Something of an answer has arrived. */
  get hasBegun(): boolean {
    return this.#understood
  }

  /**
   * What a call has used that broke off or was stopped. Some servers report as they go, and others begin with figures of
   * nothing: what has arrived counts at least.
   */
  spend(): ModelSpend {
    if (!this.#sent && !this.#understood) return nothingSpent
    const arrived = estimatedTokens(this.#bytes)
    return {
      inputTokens: this.#inputTokens || estimatedInputTokens(this.#request),
      outputTokens: Math.max(this.#outputTokens ?? 0, arrived),
      usageIsEstimate: !this.#inputTokens || (this.#outputTokens ?? 0) < arrived,
    }
  }

  /**
   * Throws MODEL_ANSWER_MALFORMED, MODEL_UNAVAILABLE (cut) or MODEL_REQUEST_REFUSED (filtered). An empty answer is a
   * reply: it was paid for, and the planner reminds the model.
   */
  reply(): ModelReply {
    if (!this.#understood)
      throw this.#error('MODEL_ANSWER_MALFORMED', 'sent something that is not a chat completion')
    if (this.#finishReason === '') throw this.#error('MODEL_UNAVAILABLE', 'cut its answer in the middle')
    const text = this.#text || this.#refusal
    if (text === '' && this.#calls.length === 0 && this.#finishReason === 'content_filter')
      throw this.#error('MODEL_REQUEST_REFUSED', 'withheld the answer by its content filter')
    return {
      text,
      toolCalls: this.#calls.map(named),
      inputTokens: this.#inputTokens ?? estimatedInputTokens(this.#request),
      outputTokens: this.#outputTokens ?? estimatedTokens(this.#bytes),
      usageIsEstimate: this.#inputTokens === null || this.#outputTokens === null,
      finishReason: this.#finishReason,
      model: this.#model || this.#site.model,
    }
  }

  #read(value: unknown, part: 'delta' | 'message'): string {
    const shape = shapeOf(value)
    this.#model ||= textOf(shape['model'])
    this.#readUsage(shape)
    const choice = shapeOf(listOf(shape['choices'])[0])
    if (Array.isArray(shape['choices']))
      this.#understood ||= part === 'delta' || shapeOf(choice['message']) === choice['message']
    this.#finishReason ||= textOf(choice['finish_reason'])
    const content = shapeOf(choice[part])
    const text = contentText(content['content'])
    this.#text += text
    this.#refusal += textOf(content['refusal'])
    for (const call of listOf(content['tool_calls'])) this.#readCall(shapeOf(call))
    this.#count(text + textOf(content['reasoning_content']))
    return text
  }

  #readUsage(shape: Shape): void {
    // Groq puts the usage of a stream into an extension of its own.
    const usage = shapeOf(shape['usage'] ?? shapeOf(shape['x_groq'])['usage'])
    this.#inputTokens = countOf(usage['prompt_tokens']) ?? this.#inputTokens
    this.#outputTokens = countOf(usage['completion_tokens']) ?? this.#outputTokens
  }

  #readCall(shape: Shape): void {
    const wanted = shapeOf(shape['function'])
    const id = textOf(shape['id'])
    const call = this.#callAt(shape['index'], id)
    call.id ||= id
    call.name += call.name === textOf(wanted['name']) ? '' : textOf(wanted['name'])
    // Some servers send the arguments as an object instead of its text.
    const written = wanted['arguments'] ?? ''
    const argumentsText = typeof written === 'string' ? written : JSON.stringify(written)
    call.argumentsText += argumentsText
    this.#count(argumentsText)
  }

  /** By index; servers that give every call index 0, or none, tell calls apart by id. */
  #callAt(index: unknown, id: string): GrowingCall {
    const last = this.#calls.at(-1)
    const at = countOf(index)
    const found = at === null ? last : this.#calls[at]
    if (found !== undefined && (id === '' || found.id === '' || found.id === id)) return found
    const call = { id, name: '', argumentsText: '' }
    this.#calls.push(call)
    return call
  }

  #count(text: string): void {
    this.#chars += text.length
    this.#bytes += Buffer.byteLength(text)
    if (this.#chars > MAX_REPLY_CHARS)
      throw this.#error('MODEL_ANSWER_MALFORMED', `sent more than ${MAX_REPLY_CHARS} characters`)
  }

  #error(
    code: 'MODEL_ANSWER_MALFORMED' | 'MODEL_UNAVAILABLE' | 'MODEL_REQUEST_REFUSED',
    what: string,
  ): FlotillaError {
    const { provider, model } = this.#site
    return new FlotillaError(code, `${provider} ${what} (model ${model}).`, { details: this.spend() })
  }
}

function named(call: GrowingCall, index: number): ModelToolCall {
  return { ...call, id: call.id || `call_${index}` }
}

/** A string, or the parts that some servers send instead. */
function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  return listOf(content)
    .map((part) => textOf(shapeOf(part)['text']))
    .join('')
}
