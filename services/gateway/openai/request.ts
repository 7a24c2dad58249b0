// Requests of the OpenAI-compatible routes as tasks.
//
// 1. Nothing is accepted and ignored: a parameter is used, neutral, a documented hint, or refused
//    (api/openai/parameters.ts).
// 2. The last message, which must be the user's, is the task; those before it are its history.
import { z } from 'zod'
import {
  chatParameters,
  parameterMistake,
  responseParameters,
  type Parameters,
} from '../../../api/openai/parameters.ts'
import { chatRequest, type ChatMessage, type ChatRequest } from '../../../api/openai/chat.ts'
import { paramOf, RESERVED_LABELS } from '../../../api/openai/fields.ts'
import { responseRequest, type InputItem, type ResponseRequest } from '../../../api/openai/responses.ts'
import type { TaskInput } from '../../../client/types.ts'
import { boundedText } from '../../../runtime/text/bounded-text.ts'
import type { HistoryMessage } from '../../../schemas/history.ts'
import type { Json } from '../../../schemas/json.ts'
import { Refusal, refuse } from './errors.ts'
import { refuseLostNames, refuseUnsupported } from './unsupported.ts'

/** Labels that the gateway keeps with a task, to show a response again. */
export const labels = {
  background: `${RESERVED_LABELS}background`,
  store: `${RESERVED_LABELS}store`,
  format: `${RESERVED_LABELS}format`,
} as const

/** Everything of a task but its agent and its user. */
export type Asked = Omit<TaskInput, 'agent' | 'taskId'>

export function chatOf(body: unknown): ChatRequest {
  const fields = fieldsOf(body, chatParameters)
  refuseUnsupported('messages', fields['messages'])
  return parsed(chatRequest, fields)
}

export function responseRequestOf(body: unknown): ResponseRequest {
  const fields = fieldsOf(body, responseParameters)
  refuseUnsupported('input', fields['input'])
  return parsed(responseRequest, fields)
}

/** The body of a request that has no table of parameters. */
export function bodyOf<T>(schema: z.ZodType<T>, body: unknown): T {
  const fields = withoutNulls(body)
  refuseLostNames('metadata', fields['metadata'])
  return parsed(schema, fields)
}

function fieldsOf(body: unknown, table: Parameters): Record<string, unknown> {
  const fields = withoutNulls(body)
  const mistake = parameterMistake(body as Record<string, unknown>, table)
  if (mistake) throw new Refusal(mistake)
  for (const param of ['metadata', 'response_format', 'text']) refuseLostNames(param, fields[param])
  return fields
}

/** Null is absent, as in the originals. */
function withoutNulls(body: unknown): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw refuse(null, 'the body must be a JSON object')
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
}

const MAX_PARAM_CHARS = 200

function parsed<T>(schema: z.ZodType<T>, fields: Record<string, unknown>): T {
  const result = schema.safeParse(fields)
  if (result.success) return result.data
  const issue = deepest(result.error.issues)
  // Names in it are the client's, and may be of any length.
  const param = paramOf(issue.path)?.slice(0, MAX_PARAM_CHARS) ?? null
  throw refuse(param, boundedText(param === null ? issue.message : `${param}: ${issue.message}`))
}

type Issue = z.core.$ZodIssue

/** The mistake to report. Of a union: that of the branch that fits best, whose mistake lies deepest. */
function deepest(issues: readonly Issue[]): { path: PropertyKey[]; message: string } {
  const [first] = issues
  if (!first) return { path: [], message: 'the request is not valid' }
  if (first.code !== 'invalid_union' || first.errors.length === 0) return first
  const inner = first.errors.map(deepest).toSorted((a, b) => b.path.length - a.path.length)[0]
  return inner && inner.path.length > 0
    ? { path: [...first.path, ...inner.path], message: inner.message }
    : { path: first.path, message: first.errors.map((each) => deepest(each).message).join('; or ') }
}

export function chatTask(request: ChatRequest): Asked {
  const { max_tokens: older, max_completion_tokens: newer, response_format: format } = request
  if (older != null && newer != null && older !== newer)
    throw refuse('max_tokens', 'max_tokens and max_completion_tokens differ; send one of them')
  const messages = request.messages.map(chatMessage)
  const schema = format?.type === 'json_schema' ? format.json_schema : null
  return {
    ...conversation('messages', messages),
    ...outputOf(format?.type ?? 'text', schema),
    ...choicesOf(request, newer ?? older ?? null),
    ...labelsOf(request.metadata, {}),
  }
}

/** What a response continues. */
export interface Continued {
  /** The conversation of the previous response. */
  readonly earlier: readonly HistoryMessage[]
  /** The task of that response. */
  readonly parent: string | null
  /** The session of a conversation, which remembers by itself. */
  readonly sessionId: string | null
}

export function responseTask(request: ResponseRequest, { earlier, parent, sessionId }: Continued): Asked {
  const { input, instructions, text, background, store } = request
  if (background === true && store === false)
    throw refuse('store', 'a background response is retrieved later: it can’t have store: false')
  const format = text?.format
  const messages =
    typeof input === 'string' ? [{ role: 'user' as const, content: input }] : input.flatMap(inputMessage)
  const first = instructions ? [{ role: 'system' as const, content: instructions }] : []
  return {
    ...conversation('input', [
      ...first,
      ...earlier,
      ...(sessionId === null ? messages : oneMessage(messages)),
    ]),
    ...outputOf(format?.type ?? 'text', format?.type === 'json_schema' ? format : null),
    ...choicesOf(request, request.max_output_tokens ?? null),
    ...labelsOf(request.metadata, {
      ...(background === true ? { [labels.background]: 'true' } : {}),
      ...(store === false ? { [labels.store]: 'false' } : {}),
      ...(format?.type === 'json_schema' ? { [labels.format]: format.name } : {}),
    }),
    ...(parent === null ? {} : { parent }),
    ...(sessionId === null ? {} : { sessionId }),
  }
}

/** Messages of a conversation that remembers what was said before: the application's, then what the user says now. */
function oneMessage(messages: readonly HistoryMessage[]): HistoryMessage[] {
  if (messages.some(({ role }) => role === 'assistant'))
    throw refuse('input', 'the conversation has the earlier messages: send only what the user says now')
  const said = messages.filter(({ role }) => role === 'user').map(({ content }) => content)
  const brought = messages.filter(({ role }) => role !== 'user')
  return said.length === 0 ? brought : [...brought, { role: 'user', content: said.join('\n\n') }]
}

function conversation(param: string, messages: readonly HistoryMessage[]): Pick<Asked, 'text' | 'history'> {
  const last = messages.at(-1)
  if (last?.role !== 'user')
    throw refuse(param, `the last message must be the user’s: it is what the agent is asked to do`)
  const history = messages.slice(0, -1)
  return { text: last.content, ...(history.length > 0 ? { history } : {}) }
}

function chatMessage(message: ChatMessage): HistoryMessage {
  const { role, content } = message
  const refusal = message.role === 'assistant' ? (message.refusal ?? '') : ''
  return { role, content: [textOf(content ?? ''), refusal].filter(Boolean).join('\n') }
}

function inputMessage(item: InputItem): HistoryMessage[] {
  if (!('role' in item)) return []
  const { role, content } = item as Extract<InputItem, { role: HistoryMessage['role'] }>
  // Only `instructions` are at the beginning as `system`, so that the next response leaves them out.
  return [{ role: role === 'system' ? 'developer' : role, content: textOf(content) }]
}

function textOf(content: string | readonly ({ text: string } | { refusal: string })[]): string {
  if (typeof content === 'string') return content
  return content.map((part) => ('text' in part ? String(part.text) : part.refusal)).join('\n')
}

type Format = 'text' | 'json_object' | 'json_schema'

function outputOf(
  type: Format,
  format: { name: string; schema?: Record<string, unknown> | undefined } | null,
): Pick<Asked, 'outputSchema'> {
  if (type === 'text') return {}
  const schema = type === 'json_schema' ? (format?.schema ?? {}) : { type: 'object' }
  return { outputSchema: schema as { [key: string]: Json } }
}

function choicesOf(
  { temperature }: { temperature?: number | null | undefined },
  limit: number | null,
): Pick<Asked, 'temperature' | 'maxOutputTokens'> {
  return {
    ...(temperature == null ? {} : { temperature }),
    ...(limit === null ? {} : { maxOutputTokens: limit }),
  }
}

function labelsOf(
  given: Record<string, string> | null | undefined,
  own: Record<string, string>,
): Pick<Asked, 'metadata'> {
  const metadata = { ...given, ...own }
  return Object.keys(metadata).length > 0 ? { metadata } : {}
}
