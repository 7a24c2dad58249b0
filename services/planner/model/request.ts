// The body of a chat completion, without what its model refuses (refusals.ts).
import { jsonOf } from '../../../runtime/json/written.ts'
import type { ChatBody } from './openai.ts'
import { attachable, type Refused } from './refusals.ts'
import type { Message, ModelRequest, ModelTool } from '../call.ts'
import { withoutKeywords } from '../tools/schemas.ts'

export function bodyOf(request: ModelRequest, model: string, refused: Refused, isOpenAi: boolean) {
  const { messages, tools, temperature, maxOutputTokens, stream } = request
  // OpenAI itself has replaced max_tokens; all others still accept it.
  const preferred = isOpenAi ? 'max_completion_tokens' : 'max_tokens'
  const other = isOpenAi ? 'max_tokens' : 'max_completion_tokens'
  const limit = refused.has(preferred) ? other : preferred
  const streams = stream && !refused.has('stream')
  const filled = withMissing(withoutFields(messages, refused), refused)
  return {
    model,
    messages: withSignatures(filled, model),
    ...(tools !== undefined && tools.length > 0 ? { tools: fitTools(tools, refused) } : {}),
    ...(refused.has('temperature') ? {} : { temperature }),
    ...(refused.has(limit) ? {} : { [limit]: maxOutputTokens }),
    ...(streams ? { stream } : {}),
    ...(streams && !refused.has('stream_options') ? { stream_options: { include_usage: true } } : {}),
  }
}

/** The body as it is sent: the lists are written once for all that needs their text. */
export function jsonOfBody({ model, messages, tools, ...rest }: ChatBody): string {
  const parts = [`{"model":${JSON.stringify(model)},"messages":${jsonOf(messages)}`]
  if (tools !== undefined) parts.push(`"tools":${jsonOf(tools)}`)
  const others = JSON.stringify(rest).slice(1, -1)
  if (others !== '') parts.push(others)
  return `${parts.join(',')}}`
}

function fitTools(tools: ModelTool[], refused: Refused): ModelTool[] {
  const prefix = 'schema '
  const keywords = new Set(
    [...refused].filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length)),
  )
  if (keywords.size === 0) return tools
  return tools.map((tool) => ({
    ...tool,
    function: { ...tool.function, parameters: withoutKeywords(tool.function.parameters, keywords) },
  }))
}

function withoutFields(messages: Message[], refused: Refused): Message[] {
  const out = attachable.filter((name) => refused.has(name))
  if (out.length === 0) return messages
  const without = <T extends object>(one: T): T =>
    Object.fromEntries(Object.entries(one).filter(([name]) => !out.some((field) => field === name))) as T
  return messages.map((message) =>
    message.role === 'assistant' && message.tool_calls
      ? { ...without(message), tool_calls: message.tool_calls.map(without) }
      : without(message),
  )
}

/** Stands for thoughts that a model wants back and another model's message never had. Not empty: that is refused. */
const NO_REASONING = '(none)'

function withMissing(messages: Message[], refused: Refused): Message[] {
  if (refused.size === 0 && messages.every(({ content }) => content !== undefined)) return messages
  const names = new Map<string, string>()
  return messages.map((message): Message => {
    if (message.role === 'tool' && refused.has('no tool name'))
      return { ...message, name: names.get(message.tool_call_id) ?? 'unknown_tool' } as Message
    if (message.role !== 'assistant') return message
    for (const call of message.tool_calls ?? []) names.set(call.id, call.function.name)
    const content = message.content ?? (refused.has('null content') ? '' : null)
    const isMissing = refused.has('no reasoning') && !('reasoning_content' in message)
    return { ...message, content, ...(isMissing ? { reasoning_content: NO_REASONING } : {}) }
  })
}

/**
 * Gemini from 3 on wants a signature with the first call of each message; this one says that another model
 * made the call.
 */
const NO_SIGNATURE = { google: { thought_signature: 'skip_thought_signature_validator' } }
const WANTS_SIGNATURES = /(^|\/)gemini-([3-9]|\d\d)/

function withSignatures(messages: Message[], model: string): Message[] {
  if (!WANTS_SIGNATURES.test(model)) return messages
  return messages.map((message) => {
    const [first, ...others] = (message.role === 'assistant' && message.tool_calls) || []
    if (first === undefined || 'extra_content' in first) return message
    return { ...message, tool_calls: [{ ...first, extra_content: NO_SIGNATURE }, ...others] } as Message
  })
}

/**
 * Prose has four to five characters a token and code fewer: with eight, hardly any text has fewer tokens than
 * this.
 */
const MOST_CHARS_PER_TOKEN = 8

export function leastInputTokens(request: ModelRequest): number {
  let chars = 0
  for (const { content } of request.messages) chars += content?.length ?? 0
  return Math.floor(chars / MOST_CHARS_PER_TOKEN)
}
