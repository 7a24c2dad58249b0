// What the planner asks of a model and what it gets back. The caller (model.ts) implements them.
import type { JsonSchema } from '../../runtime/config/fleet.ts'
import type { Json } from '../../runtime/stage.ts'

/** A message in the shape of OpenAI's chat API, which every supported provider speaks. */
export type Message =
  | { role: 'system' | 'user'; content: string }
  | {
      role: 'assistant'
      content: string | null
      tool_calls?: MessageToolCall[]
      /** By whose model, and what it attached to the message and to its calls, in order. Never sent as it stands here. */
      attached?: { model: string; message: Attached; calls: Attached[] }
    }
  | { role: 'tool'; tool_call_id: string; content: string }

/** Fields that a provider wants to read again, unchanged. */
export type Attached = { [name: string]: Json }

export interface MessageToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

/** A tool as the model is told of it. */
export interface ModelTool {
  type: 'function'
  function: { name: string; description: string; parameters: JsonSchema }
}

/** Request of a Call of kind `model`. Its `target` is the provider, which names the breaker. */
export interface ModelRequest {
  /** As configured, with the provider's prefix: `groq/llama-3.3-70b-versatile`; a bare name is OpenAI's. */
  model: string
  messages: Message[]
  /** Absent or empty: the model may only write text. */
  tools?: ModelTool[]
  temperature: number
  maxOutputTokens: number
  /** True: text is passed on as TokensStreamed while it arrives. The reply is the same either way. */
  stream: boolean
  /** On whose behalf: limits go by it. */
  userId?: string | null
  /** The task's step, for TokensStreamed. */
  step: number
}

export interface ModelToolCall {
  /** Given by the provider; may repeat between turns. */
  id: string
  name: string
  /** As the model wrote it: possibly not JSON. */
  argumentsText: string
  /** Fields that go back with the call to the same model. */
  attached?: Attached
}

/** Value of a successful Call of kind `model`. */
export interface ModelReply {
  /** Empty when the model said nothing. */
  text: string
  toolCalls: ModelToolCall[]
  /** Fields of the message that go back with it to the same model. */
  attached?: Attached
  inputTokens: number
  outputTokens: number
  /** True when the provider sent no usage and the tokens were counted here. */
  usageIsEstimate: boolean
  /** As the provider says it: stop, length, tool_calls, content_filter. */
  finishReason: string
  /** The model that answered, as the provider names it. */
  model: string
}

/** `details` of a failed Call of kind `model`: what it had used before it failed. */
export interface ModelSpend {
  inputTokens: number
  outputTokens: number
  /** True where a figure was counted here, because the provider had not reported it. */
  usageIsEstimate?: boolean
}

export const nothingSpent: ModelSpend = { inputTokens: 0, outputTokens: 0 }
