// Forms for calls that wait: what `elicitation/create` asks, and the decision that a filled-in one is.
//
// 1. Only an accepted form that fits decides. A form that is dismissed, or filled in wrongly, decides nothing.
// 2. Declining a form declines the call.
// 3. Forms of the protocol are flat. An answer of another shape is asked for as JSON.
import { z } from 'zod'
import type { ApprovalInput } from '../../../client/types.ts'
import { shortened } from '../../../runtime/text/bounded-text.ts'
import type { Json } from '../../../schemas/json.ts'
import type { WaitingCall } from './waiting.ts'

type Fields = Readonly<Record<string, Json>>

interface Form {
  readonly type: 'object'
  readonly properties: Record<string, Fields>
  readonly required: string[]
}

export type Decision = Omit<ApprovalInput, 'taskId' | 'callId' | 'decidedBy' | 'heldAtMs'>

/** The decision about this wait of the call, and about no later one. */
export function decisionAbout(
  taskId: string,
  { callId, heldAtMs }: WaitingCall,
  decision: Decision,
): ApprovalInput {
  return { taskId, callId, ...(heldAtMs === null ? {} : { heldAtMs }), ...decision }
}

const reason: Fields = { type: 'string', title: 'Reason', description: 'The agent is told it.' }

const approval: Form = {
  type: 'object',
  properties: {
    confirm: { type: 'boolean', title: 'Approve', description: 'True lets the call run.' },
    reason,
  },
  required: ['confirm'],
}

const doubt: Form = {
  type: 'object',
  properties: {
    tookEffect: { type: 'boolean', title: 'It took effect' },
    again: { type: 'boolean', title: 'If not: make it again' },
    reason,
  },
  required: ['tookEffect'],
}

export const questionsOf = (calls: readonly WaitingCall[]) =>
  Object.fromEntries(calls.map((call) => [call.key, questionOf(call)]))

function questionOf(call: WaitingCall) {
  const message =
    call.problem === null
      ? messageOf(call)
      : `${messageOf(call)}\nThe last answer did not count: ${call.problem}`
  const params = { mode: 'form' as const, message, requestedSchema: formOf(call) }
  return { method: 'elicitation/create' as const, params }
}

const MAX_ARGUMENTS_CHARS = 4_000

function messageOf({ why, tool, arguments: given }: WaitingCall): string {
  const shown = shortened(JSON.stringify(given, null, 2), MAX_ARGUMENTS_CHARS)
  if (why === 'question') return textOf(fieldsOf(given)['question']) ?? `${tool} asks:\n${shown}`
  if (why === 'doubt')
    return `The agent called ${tool} with\n${shown}\nNobody knows whether that took effect. Did it?`
  return `The agent wants to call ${tool} with\n${shown}\nMay it?`
}

function formOf(call: WaitingCall): Form {
  if (call.why === 'approval') return approval
  if (call.why === 'doubt') return doubt
  const schema = fieldsOf(call.answer)
  if (isFlat(schema)) {
    const properties = Object.entries(fieldsOf(schema['properties'])).map(([name, field]) => [
      name,
      plain(fieldsOf(field)),
    ])
    return {
      type: 'object',
      properties: Object.fromEntries(properties) as Form['properties'],
      required: textsIn(schema['required']),
    }
  }
  return { type: 'object', properties: { answer: answerField(schema, call) }, required: ['answer'] }
}

const primitives: readonly unknown[] = ['string', 'number', 'integer', 'boolean']
const isPrimitive = (schema: Fields): boolean => primitives.includes(schema['type'])

function isFlat(schema: Fields): boolean {
  const fields = Object.values(fieldsOf(schema['properties']))
  return (
    schema['type'] === 'object' && fields.length > 0 && fields.every((field) => isPrimitive(fieldsOf(field)))
  )
}

function answerField(schema: Fields, { arguments: given }: WaitingCall): Fields {
  const options = textsIn(fieldsOf(given)['options'])
  if (Object.keys(schema).length === 0 || (schema['type'] === 'string' && schema['enum'] === undefined))
    return { ...plain({ ...schema, type: 'string' }), ...(options.length > 0 ? { enum: options } : {}) }
  if (isPrimitive(schema)) return plain(schema)
  return {
    type: 'string',
    description: `JSON that fits ${shortened(JSON.stringify(schema), MAX_ARGUMENTS_CHARS)}`,
  }
}

/** Keywords that forms know. */
const keywords = [
  'type',
  'title',
  'description',
  'enum',
  'default',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
]
const formats: readonly unknown[] = ['email', 'uri', 'date', 'date-time']

function plain(schema: Fields): Fields {
  const known = Object.entries(schema).filter(
    ([name, value]) => keywords.includes(name) || (name === 'format' && formats.includes(value)),
  )
  return Object.fromEntries(known)
}

const accepted = z.object({ action: z.literal('accept'), content: z.record(z.string(), z.unknown()) })
const declined = z.object({ action: z.literal('decline') })
const remark = z.string().max(10_000).optional()
const approved = z.object({ confirm: z.boolean(), reason: remark })
const settled = z.object({ tookEffect: z.boolean(), again: z.boolean().optional(), reason: remark })

/** Null: nothing was decided. */
export function decisionOf(call: WaitingCall, response: unknown): Decision | null {
  if (declined.safeParse(response).success) return call.why === 'doubt' ? null : { approved: false }
  const { data } = accepted.safeParse(response)
  if (data === undefined) return null
  if (call.why === 'approval') return approvalIn(data.content)
  return call.why === 'doubt' ? doubtIn(data.content) : answerIn(call, data.content)
}

function approvalIn(content: unknown): Decision | null {
  const { data } = approved.safeParse(content)
  return data === undefined ? null : { approved: data.confirm, ...because(data.reason) }
}

function doubtIn(content: unknown): Decision | null {
  const { data } = settled.safeParse(content)
  if (data === undefined) return null
  const { tookEffect, again = false } = data
  return { approved: tookEffect || again, tookEffect, ...because(data.reason) }
}

/** Whether it fits, the stage says. */
function answerIn(call: WaitingCall, content: Readonly<Record<string, unknown>>): Decision | null {
  const schema = fieldsOf(call.answer)
  if (isFlat(schema)) return { approved: true, answer: content as Json }
  if (!Object.hasOwn(content, 'answer')) return null
  const given = content['answer'] as Json
  if (typeof given !== 'string' || Object.keys(schema).length === 0 || isPrimitive(schema))
    return { approved: true, answer: given }
  try {
    return { approved: true, answer: JSON.parse(given) as Json }
  } catch {
    return null
  }
}

const because = (text: string | undefined): { reason?: string } => (text ? { reason: text } : {})
const textOf = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null)
const textsIn = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []

function fieldsOf(value: Json | undefined): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}
