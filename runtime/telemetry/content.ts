// Content on spans, by the GenAI convention: messages, instructions, tools, arguments and results. Opt-in.
//
// 1. Each attribute is JSON that fits the convention's schema, at most `maxChars` long: a text that is cut
//    says how long it was, and of a long history the newest messages are kept.
// 2. No secret that the process knows is in it. Texts are cleaned before they are cut, because half a secret
//    is not recognised.
import { redacted, redactedJson } from '../text/redaction.ts'
import type { Call, CallOutcome } from '../stage.ts'
import { fieldOf, genAi, type Attributes } from './names.ts'

export interface ContentLimits {
  /** Longest value of an attribute, in characters. */
  readonly maxChars: number
}

/** Longer secrets than this don't exist: a text is cleaned with this much beyond the part that is kept. */
const MARGIN = 10_000
/** What a message or a part costs besides its texts. */
const OVERHEAD = 80

/** Characters that are left for one attribute. */
class Budget {
  #left: number

  constructor(chars: number) {
    this.#left = chars
  }

  get isSpent(): boolean {
    return this.#left <= 0
  }

  text(text: string): string {
    const cut = shortened(text, Math.max(0, this.#left))
    this.#left -= cut.length + OVERHEAD
    return cut
  }

  /** The value itself if it fits, else the beginning of its JSON. */
  json(value: unknown): unknown {
    const text = JSON.stringify(value) ?? 'null'
    if (text.length > this.#left) return this.text(text)
    this.#left -= text.length + OVERHEAD
    return redactedJson(value)
  }
}

function shortened(text: string, max: number): string {
  const isCut = text.length > max + MARGIN
  const clean = redacted(isCut ? text.slice(0, max + MARGIN) : text)
  if (!isCut && clean.length <= max) return clean
  const end = isCut ? Math.min(max, clean.length - MARGIN) : max
  return `${clean.slice(0, Math.max(0, end)).replace(/[\ud800-\udbff]$/, '')}… [cut, ${text.length} characters]`
}

/** JSON of at most `maxChars`: escapes may make it longer than the texts in it. */
function bounded({ maxChars }: ContentLimits, build: (budget: Budget) => unknown, none = '[]'): string {
  for (let chars = maxChars; chars > 0; chars = Math.floor(chars / 2)) {
    const text = JSON.stringify(build(new Budget(chars - 2 * OVERHEAD)))
    if (text.length <= maxChars) return text
  }
  return none
}

/** Stands for messages, or parts of one, that have no room: a part of a type of ours. */
const omitted = (count: Readonly<Record<string, number>>) => ({ type: 'flotilla.omitted', ...count })

const MAX_NAME_CHARS = 200

/** A model's or a tool's call and its answer. */
export function callContent(
  { kind, request }: Call,
  outcome: CallOutcome,
  limits: ContentLimits,
): Attributes {
  const value = outcome.ok ? outcome.value : null
  if (kind === 'model') return modelContent(request, value, limits)
  if (kind !== 'tool') return {}
  const output = outcome.ok ? fieldOf(value, 'output') : undefined
  return {
    [genAi.toolArguments]: object(fieldOf(request, 'arguments'), 'arguments', limits),
    ...(output === undefined ? {} : { [genAi.toolResult]: object(output, 'result', limits) }),
  }
}

/** A task's text and its output, for the span of the whole task. */
export function taskContent(text: string, output: unknown, limits: ContentLimits): Attributes {
  const message = (role: string, content: unknown, extra = {}) =>
    bounded(limits, (budget) => [{ role, parts: [textPart(asText(content), budget)], ...extra }])
  return {
    [genAi.inputMessages]: message('user', text),
    ...(output === null || output === undefined
      ? {}
      : { [genAi.outputMessages]: message('assistant', output, { finish_reason: 'stop' }) }),
  }
}

/** A text of a person about a result. */
export const remark = (text: string, { maxChars }: ContentLimits): string => shortened(text, maxChars - 100)

function modelContent(request: unknown, reply: unknown, limits: ContentLimits): Attributes {
  const all = listOf(fieldOf(request, 'messages'))
  const begin = all.findIndex((message) => fieldOf(message, 'role') !== 'system')
  const [system, history] = begin < 0 ? [all, []] : [all.slice(0, begin), all.slice(begin)]
  const tools = listOf(fieldOf(request, 'tools'))
  return {
    [genAi.inputMessages]: bounded(limits, (budget) => newest(history, budget)),
    ...(system.length === 0
      ? {}
      : {
          [genAi.systemInstructions]: bounded(limits, (budget) =>
            system.map((message) => textPart(asText(fieldOf(message, 'content')), budget)),
          ),
        }),
    ...(tools.length === 0 ? {} : { [genAi.toolDefinitions]: definitions(tools, limits) }),
    ...(reply === null
      ? {}
      : { [genAi.outputMessages]: bounded(limits, (budget) => [answer(reply, budget)]) }),
  }
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : [])
const asText = (value: unknown): string =>
  typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value)
const textPart = (text: string, budget: Budget) => ({ type: 'text', content: budget.text(text) })

/** From the last message backwards. */
function newest(history: readonly unknown[], budget: Budget): unknown[] {
  const kept: unknown[] = []
  for (let index = history.length - 1; index >= 0; index--) {
    if (budget.isSpent)
      return [{ role: 'user', parts: [omitted({ messages: index + 1 })] }, ...kept.reverse()]
    kept.push(messageOf(history[index], budget))
  }
  return kept.reverse()
}

function messageOf(message: unknown, budget: Budget): unknown {
  const role = asText(fieldOf(message, 'role'))
  const content = fieldOf(message, 'content')
  if (role === 'tool') {
    const id = fieldOf(message, 'tool_call_id') ?? null
    return { role, parts: [{ type: 'tool_call_response', id, response: budget.text(asText(content)) }] }
  }
  const calls = listOf(fieldOf(message, 'tool_calls')).map((call) => {
    const called = fieldOf(call, 'function')
    return { id: fieldOf(call, 'id'), name: fieldOf(called, 'name'), text: fieldOf(called, 'arguments') }
  })
  return { role, parts: partsOf(asText(content), calls, budget) }
}

interface WrittenCall {
  readonly id: unknown
  readonly name: unknown
  /** Arguments as the model wrote them: JSON, if it made no mistake. */
  readonly text: unknown
}

function partsOf(text: string, calls: readonly WrittenCall[], budget: Budget): unknown[] {
  const parts: unknown[] = text === '' ? [] : [textPart(text, budget)]
  for (const [index, call] of calls.entries()) {
    if (budget.isSpent) return [...parts, omitted({ tool_calls: calls.length - index })]
    const id = typeof call.id === 'string' ? shortened(call.id, MAX_NAME_CHARS) : null
    const name = shortened(asText(call.name), MAX_NAME_CHARS)
    parts.push({ type: 'tool_call', id, name, arguments: budget.json(parsed(call.text)) })
  }
  return parts
}

function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function answer(reply: unknown, budget: Budget): unknown {
  const calls = listOf(fieldOf(reply, 'toolCalls')).map((call) => ({
    id: fieldOf(call, 'id'),
    name: fieldOf(call, 'name'),
    text: fieldOf(call, 'argumentsText'),
  }))
  const reason = fieldOf(reply, 'finishReason')
  const finish = reason === 'tool_calls' ? 'tool_call' : asText(reason)
  return {
    role: 'assistant',
    parts: partsOf(asText(fieldOf(reply, 'text')), calls, budget),
    finish_reason: finish,
  }
}

/** With descriptions and parameters if all of it has room, else the names alone. */
function definitions(tools: readonly unknown[], limits: ContentLimits): string {
  const named = tools.map((tool) => fieldOf(tool, 'function'))
  const whole = named.map((tool) => ({
    type: 'function',
    name: asText(fieldOf(tool, 'name')),
    description: asText(fieldOf(tool, 'description')),
    parameters: fieldOf(tool, 'parameters') ?? null,
  }))
  const text = JSON.stringify(redactedJson(whole))
  if (text.length <= limits.maxChars) return text
  return bounded(limits, (budget) =>
    whole.flatMap(({ type, name }) => (budget.isSpent ? [] : [{ type, name: budget.text(name) }])),
  )
}

/** The convention wants objects: another value stands in one, as does the beginning of one that is too long. */
function object(value: unknown, name: string, limits: ContentLimits): string {
  const build = (budget: Budget) => {
    const fitting = budget.json(value ?? null)
    const isObject = typeof fitting === 'object' && fitting !== null && !Array.isArray(fitting)
    return isObject ? fitting : { [name]: fitting }
  }
  return bounded(limits, build, '{}')
}
