// The supported part of a chat completion request. parameters.ts has every parameter.
import { z } from 'zod'
import { metadata, responseFormat, temperature, tokenLimit, userFields } from './fields.ts'

const textPart = z.strictObject({ type: z.literal('text'), text: z.string() })
const content = z.union([z.string(), z.array(textPart).min(1)])
const refusalPart = z.strictObject({ type: z.literal('refusal'), refusal: z.string() })
const nothing = z.union([z.null(), z.array(z.never()).max(0)]).optional()

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content }),
  z.strictObject({ role: z.literal('developer'), content }),
  z.strictObject({ role: z.literal('user'), content }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z.union([z.string(), z.array(z.union([textPart, refusalPart])), z.null()]).optional(),
    refusal: z.string().nullish(),
    /** Earlier reasoning is not sent again. */
    reasoning_content: z.string().nullish(),
    annotations: nothing,
    tool_calls: nothing,
    function_call: z.null().optional(),
    audio: z.null().optional(),
  }),
])

export type ChatMessage = z.infer<typeof message>

export const chatRequest = z.object({
  model: z.string().min(1),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({
      include_usage: z.boolean().nullish(),
      include_obfuscation: z.literal(false).nullish(),
    })
    .nullish(),
  max_completion_tokens: tokenLimit,
  max_tokens: tokenLimit,
  temperature,
  response_format: responseFormat.nullish(),
  metadata,
  ...userFields,
})

export type ChatRequest = z.infer<typeof chatRequest>

const finishReason = z.enum(['stop', 'length', 'content_filter'])
const usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
})

export const chatCompletion = z
  .object({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.literal(0),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string(),
          refusal: z.null(),
          reasoning_content: z.string().optional(),
        }),
        logprobs: z.null(),
        finish_reason: finishReason,
      }),
    ),
    usage,
  })
  .meta({ id: 'ChatCompletion' })

export const chatChunk = z
  .object({
    id: z.string(),
    object: z.literal('chat.completion.chunk'),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.literal(0),
        delta: z.object({
          role: z.literal('assistant').optional(),
          content: z.string().optional(),
          reasoning_content: z.string().optional(),
        }),
        logprobs: z.null(),
        finish_reason: finishReason.nullable(),
      }),
    ),
    usage: usage.nullish().describe('If asked for: in the last chunk.'),
  })
  .meta({ id: 'ChatCompletionChunk' })

export type ChatCompletion = z.infer<typeof chatCompletion>
export type FinishReason = z.infer<typeof finishReason>
