// The planner's model call as data: request and reply. The caller (model/client.ts) makes it.
import type { JsonSchema } from '../../runtime/config/fleet.ts'
import type { Json } from '../../runtime/stage.ts'

/** A message in the shape of OpenAI's chat API, which every supported provider speaks. */
export type Message =
  | { role: 'system' | 'user'; content: string }
  | {
      role: 'assistant'
      content: string | null
      tool_calls?: MessageToolCall[]
      /**
       * The model, and the fields it attached to the message and to its calls, in order. Never sent in this
       * form.
       */
      attached?: { model: string; message: Attached; calls: Attached[] }
    }
  | { role: 'tool'; tool_call_id: string; content: string }

/** Fields that a provider wants back unchanged. */
export type Attached = { [name: string]: Json }

export interface MessageToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

/** A tool as the model is told about it. */
export interface ModelTool {
  type: 'function'
  function: { name: string; description: string; parameters: JsonSchema }
}

/** Request of a Call of kind `model`. Its `target` is the provider, which names the breaker. */
export interface ModelRequest {
  /**
   * The configured name, with the provider's prefix: `groq/llama-3.3-70b-versatile`; a bare name is OpenAI's.
   */
  model: string
  messages: Message[]
  /** Absent or empty: the model can only write text. */
  tools?: ModelTool[]
  temperature: number
  maxOutputTokens: number
  /** True: text is passed on as TokensStreamed while it arrives. The reply is the same either way. */
  stream: boolean
  /** The user whose limits apply. */
  userId?: string | null
  /** The task's step, for TokensStreamed. */
  step: number
  /** Task ids of the session's messages that are in the prompt. Absent: none. */
  steered?: readonly string[]
  /** Asks for a summary of these steps, which takes their place, instead of for the task's next step. */
  summarises?: { fromStep: number; throughStep: number }
}

export interface ModelToolCall {
  /** Given by the provider; may repeat between steps. */
  id: string
  name: string
  /** The model's text: possibly not JSON. */
  argumentsText: string
  /** Fields to send back with the call, to the same model. */
  attached?: Attached
}

/** Value of a successful Call of kind `model`. */
export interface ModelReply {
  /** Empty if the model wrote no text. */
  text: string
  toolCalls: ModelToolCall[]
  /** Fields to send back with the message, to the same model. */
  attached?: Attached
  inputTokens: number
  outputTokens: number
  /** True if a figure was counted here because the provider had not reported it. */
  usageIsEstimate: boolean
  /** The figure that the provider did report, if the other is an estimate. */
  reported?: 'input' | 'output'
  /** The provider's word: stop, length, tool_calls, content_filter. */
  finishReason: string
  /** The model that answered, as the provider names it. */
  model: string
  /**
   * Those of the prompt that it answers. It may have been asked before the handling that takes its answer was repeated, and
   * another message came between. Absent: an older version asked.
   */
  steered?: readonly string[]
}

/** `details` of a failed Call of kind `model`: its usage before it failed. */
export interface ModelSpend {
  inputTokens: number
  outputTokens: number
  /** As in a reply. */
  usageIsEstimate?: boolean
  reported?: 'input' | 'output'
}

export const nothingSpent: ModelSpend = { inputTokens: 0, outputTokens: 0 }
