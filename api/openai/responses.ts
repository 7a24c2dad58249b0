// The supported part of a request for a response, and the response. parameters.ts has every parameter.
import { z } from 'zod'
import { metadata, temperature, textFormat, tokenLimit, userFields } from './fields.ts'

const inputText = z.strictObject({ type: z.literal('input_text'), text: z.string() })
const outputText = z.looseObject({ type: z.literal('output_text'), text: z.string() })
const refusal = z.strictObject({ type: z.literal('refusal'), refusal: z.string() })

const said = {
  type: z.literal('message').optional(),
  id: z.string().nullish(),
  status: z.enum(['in_progress', 'completed', 'incomplete']).nullish(),
}
const content = z.union([z.string(), z.array(inputText).min(1)])

const inputItem = z.union([
  z.strictObject({ ...said, role: z.enum(['system', 'developer', 'user']), content }),
  z.strictObject({
    ...said,
    role: z.literal('assistant'),
    content: z.union([z.string(), z.array(z.union([outputText, refusal, inputText]))]),
    phase: z.string().nullish(),
  }),
  /** Earlier reasoning is not sent again. */
  z.looseObject({ type: z.literal('reasoning') }),
])

export type InputItem = z.infer<typeof inputItem>

export const responseRequest = z.object({
  model: z.string().min(1),
  input: z.union([z.string(), z.array(inputItem).min(1)]),
  instructions: z.string().nullish(),
  previous_response_id: z.string().nullish(),
  conversation: z.union([z.string(), z.strictObject({ id: z.string() })]).nullish(),
  background: z.boolean().nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  max_output_tokens: tokenLimit,
  temperature,
  text: z.strictObject({ format: textFormat.nullish(), verbosity: z.literal('medium').nullish() }).nullish(),
  metadata,
  ...userFields,
})

export type ResponseRequest = z.infer<typeof responseRequest>

/** Text of an assistant, as an item has it. */
export const answerText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(z.never()),
})
const messageItem = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  status: z.enum(['in_progress', 'completed', 'incomplete']),
  content: z.array(answerText),
})
const reasoningItem = z.object({
  id: z.string(),
  type: z.literal('reasoning'),
  summary: z.array(z.object({ type: z.literal('summary_text'), text: z.string() })),
})

export const response = z
  .object({
    id: z.string(),
    object: z.literal('response'),
    created_at: z.int(),
    completed_at: z.int().nullable(),
    status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
    background: z.boolean(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    incomplete_details: z.object({ reason: z.enum(['max_output_tokens', 'content_filter']) }).nullable(),
    instructions: z.string().nullable(),
    conversation: z.object({ id: z.string() }).nullable(),
    max_output_tokens: z.int().nullable(),
    max_tool_calls: z.null(),
    metadata: z.record(z.string(), z.string()),
    model: z.string(),
    output: z.array(z.union([reasoningItem, messageItem])),
    parallel_tool_calls: z.literal(true),
    previous_response_id: z.string().nullable(),
    prompt_cache_key: z.null(),
    reasoning: z.object({ effort: z.null(), summary: z.null() }),
    safety_identifier: z.null(),
    service_tier: z.literal('default'),
    store: z.boolean(),
    temperature: z.number(),
    text: z.object({ format: textFormat, verbosity: z.literal('medium') }),
    tool_choice: z.literal('auto'),
    tools: z.array(z.never()),
    top_logprobs: z.literal(0),
    top_p: z.literal(1),
    presence_penalty: z.literal(0),
    frequency_penalty: z.literal(0),
    truncation: z.literal('disabled'),
    usage: z
      .object({
        input_tokens: z.int(),
        input_tokens_details: z.object({ cached_tokens: z.int() }),
        output_tokens: z.int(),
        output_tokens_details: z.object({ reasoning_tokens: z.int() }),
        total_tokens: z.int(),
      })
      .nullable(),
    user: z.string().nullable(),
  })
  .meta({ id: 'Response' })

export type Response = z.infer<typeof response>
export type MessageItem = z.infer<typeof messageItem>
export type ReasoningItem = z.infer<typeof reasoningItem>
