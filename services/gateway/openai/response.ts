// A task as a response of the Responses API, and the events of its stream.
//
// 1. Both follow from the log alone: from the submission and the result. So any gateway answers for any response,
//    and `sequence_number` of an event is the same each time the stream is read.
// 2. Content is only what the result says (chat.ts, rule 1).
import type { MessageItem, ReasoningItem, Response } from '../../../api/openai/responses.ts'
import { RESERVED_LABELS } from '../../../api/openai/fields.ts'
import { namedAtMs } from '../../../client/log/result-search.ts'
import type { TaskResult } from '../../../client/types.ts'
import type { HistoryMessage } from '../../../schemas/history.ts'
import type { TaskSubmitted } from '../../../schemas/generated/events.ts'
import { activityOfResult } from './activity.ts'
import { modelName, type Agent } from './agents.ts'
import { answerOf, piecesOf, type Answer } from './answer.ts'
import { conversationId } from './conversations.ts'
import { openAiError } from './errors.ts'
import { failed } from './chat.ts'
import { labels } from './request.ts'

const PREFIX = 'resp_'

const responseId = (taskId: string): string => PREFIX + taskId

/** Null if no response can have this id. */
export const taskIdOf = (id: string): string | null =>
  id.startsWith(PREFIX) ? id.slice(PREFIX.length) : null

/** All that is known of a response's task. */
export interface Known {
  readonly taskId: string
  /** Null: the log no longer has it. */
  readonly task: TaskSubmitted | null
  readonly submittedAtMs: number
  readonly result: TaskResult | null
  readonly agent: Agent
}

export const labelsOf = (task: TaskSubmitted | null): Readonly<Record<string, string>> =>
  (task?.metadata ?? {}) as Record<string, string>

const isBackground = ({ task }: Pick<Known, 'task'>): boolean => labelsOf(task)[labels.background] === 'true'

export const historyOf = (task: TaskSubmitted | null): readonly HistoryMessage[] =>
  (task?.history ?? []) as unknown as HistoryMessage[]

const seconds = (ms: number): number => Math.floor(ms / 1_000)

type Status = Response['status']

/** As it is now; `running`: its status until there is a result. */
export function responseOf(known: Known, running: 'queued' | 'in_progress' = 'in_progress'): Response {
  const { taskId, task, submittedAtMs, result, agent } = known
  const given = labelsOf(task)
  const answer = result && answerOf(result, task !== null && task.outputSchema !== null)
  const status = result === null ? running : statusOf(result, answer)
  return {
    id: responseId(taskId),
    object: 'response',
    created_at: seconds(namedAtMs(taskId) || submittedAtMs),
    completed_at: result === null ? null : seconds(result.completedAtMs),
    status,
    background: isBackground(known),
    error: result !== null && status === 'failed' ? errorOf(result) : null,
    incomplete_details: status === 'incomplete' && answer ? detailsOf(answer) : null,
    instructions: instructionsOf(task),
    conversation: task?.sessionId ? { id: conversationId(task.sessionId) } : null,
    max_output_tokens: task?.maxOutputTokens ?? null,
    max_tool_calls: null,
    metadata: Object.fromEntries(Object.entries(given).filter(([name]) => !name.startsWith(RESERVED_LABELS))),
    model: modelName(agent.name),
    output: result && answer ? outputOf(taskId, result, answer, agent) : [],
    parallel_tool_calls: true,
    previous_response_id: task?.parent ? responseId(task.parent) : null,
    prompt_cache_key: null,
    reasoning: { effort: null, summary: null },
    safety_identifier: null,
    service_tier: 'default',
    store: given[labels.store] !== 'false',
    temperature: task?.temperature ?? agent.temperature,
    text: { format: formatOf(task), verbosity: 'medium' },
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    truncation: 'disabled',
    usage: result && usageOf(result),
    user: result?.userId ?? task?.userId ?? null,
  }
}

function statusOf({ status }: TaskResult, answer: Answer | null): Status {
  if (answer) return answer.finish === 'stop' ? 'completed' : 'incomplete'
  return status === 'cancelled' ? 'cancelled' : 'failed'
}

const detailsOf = ({ finish }: Answer): Response['incomplete_details'] => ({
  reason: finish === 'content_filter' ? 'content_filter' : 'max_output_tokens',
})

function errorOf(result: TaskResult): Response['error'] {
  const { body, status } = openAiError(failed(result))
  const code = status === 429 ? 'rate_limit_exceeded' : status === 400 ? 'invalid_prompt' : 'server_error'
  return { code, message: body.message }
}

function instructionsOf(task: TaskSubmitted | null): string | null {
  const [first] = historyOf(task)
  return first?.role === 'system' ? first.content : null
}

function formatOf(task: TaskSubmitted | null): Response['text']['format'] {
  const schema = task?.outputSchema
  if (schema == null || typeof schema !== 'object' || Array.isArray(schema)) return { type: 'text' }
  const name = labelsOf(task)[labels.format]
  return name === undefined ? { type: 'json_object' } : { type: 'json_schema', name, schema, strict: true }
}

function usageOf({ usage: { inputTokens, outputTokens } }: TaskResult): Response['usage'] {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  }
}

function outputOf(taskId: string, result: TaskResult, answer: Answer, agent: Agent): Response['output'] {
  const activity = agent.showActivity ? activityOfResult(result) : ''
  const message: MessageItem = {
    id: `msg_${taskId}`,
    type: 'message',
    role: 'assistant',
    status: answer.finish === 'stop' ? 'completed' : 'incomplete',
    content: [{ type: 'output_text', text: answer.text, annotations: [], logprobs: [] }],
  }
  if (activity === '') return [message]
  return [
    { id: `rs_${taskId}`, type: 'reasoning', summary: [{ type: 'summary_text', text: activity }] },
    message,
  ]
}

export interface ResponseEvent {
  readonly type: string
  readonly [field: string]: unknown
}

/** The first events of a stream, before there is a result. */
export function openingEvents(known: Known): ResponseEvent[] {
  const begun = { ...known, result: null }
  const first = responseOf(begun, isBackground(known) ? 'queued' : 'in_progress')
  return [
    { type: 'response.created', response: first },
    { type: 'response.in_progress', response: responseOf(begun) },
  ]
}

/** Those that follow, of a task that has a result. */
export function closingEvents(known: Known): ResponseEvent[] {
  const response = responseOf(known)
  const items = response.output.flatMap((item, index) =>
    item.type === 'message' ? messageEvents(item, index) : reasoningEvents(item, index),
  )
  return [...items, { type: lastTypes[response.status], response }]
}

const lastTypes: Readonly<Record<Status, string>> = {
  queued: 'response.queued',
  in_progress: 'response.in_progress',
  completed: 'response.completed',
  incomplete: 'response.incomplete',
  failed: 'response.failed',
  // There is no event of this name: the response's status says so.
  cancelled: 'response.incomplete',
}

function messageEvents(item: MessageItem, outputIndex: number): ResponseEvent[] {
  const at = { item_id: item.id, output_index: outputIndex, content_index: 0 }
  const part = item.content[0] ?? { type: 'output_text', text: '', annotations: [], logprobs: [] }
  return [
    {
      type: 'response.output_item.added',
      output_index: outputIndex,
      item: { ...item, status: 'in_progress', content: [] },
    },
    { type: 'response.content_part.added', ...at, part: { ...part, text: '' } },
    ...piecesOf(part.text).map((delta) => ({
      type: 'response.output_text.delta',
      ...at,
      delta,
      logprobs: [],
    })),
    { type: 'response.output_text.done', ...at, text: part.text, logprobs: [] },
    { type: 'response.content_part.done', ...at, part },
    { type: 'response.output_item.done', output_index: outputIndex, item },
  ]
}

function reasoningEvents(item: ReasoningItem, outputIndex: number): ResponseEvent[] {
  const at = { item_id: item.id, output_index: outputIndex, summary_index: 0 }
  const text = item.summary[0]?.text ?? ''
  const part = { type: 'summary_text', text }
  return [
    { type: 'response.output_item.added', output_index: outputIndex, item: { ...item, summary: [] } },
    { type: 'response.reasoning_summary_part.added', ...at, part: { ...part, text: '' } },
    ...piecesOf(text).map((delta) => ({ type: 'response.reasoning_summary_text.delta', ...at, delta })),
    { type: 'response.reasoning_summary_text.done', ...at, text },
    { type: 'response.reasoning_summary_part.done', ...at, part },
    { type: 'response.output_item.done', output_index: outputIndex, item },
  ]
}
