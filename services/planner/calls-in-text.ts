// Tool calls that a model writes as text, because its server does not read its marks, or because it is small. They are no
// result of a task: they are told from texts about calls by the marks that begin them, or by the name of a tool of the task.
import type { JsonSchema } from '../../runtime/config/fleet.ts'
import type { Json } from '../../runtime/stage.ts'
import { jsonTextOf, parseJson } from './output-schema.ts'

/** The marks by which models write a call where their server, or they themselves, should have made one. */
const MARK = String.raw`<tool_calls?>|<\|tool_calls?|<｜tool|\[TOOL_CALLS\]|<\|python_tag\|>|<function=|<function_calls?|<invoke\s|functools\[|<\|channel\|>commentary to=`
const BEGINS = new RegExp(`^(${MARK})`)
const ON_A_LINE = new RegExp(`^[ \\t]*(${MARK})`, 'm')

/** Text is looked at so far behind a mark for the name of a tool. */
const NAME_WITHIN_CHARS = 300

/** The whole text, or what it comes to, is a call of one of these tools. */
export function isCallInText(text: string, tools: readonly string[]): boolean {
  const said = text.trim()
  if (BEGINS.test(said) || said.endsWith('</tool_call>')) return true
  return namesTool(said, tools) || isJsonCall(parseJson(jsonTextOf(said)), tools) || isPlainCall(said, tools)
}

/** A mark behind other words, with a tool's name behind it. */
function namesTool(said: string, tools: readonly string[]): boolean {
  const at = said.search(ON_A_LINE)
  if (at < 0) return false
  const behind = said.slice(at, at + NAME_WITHIN_CHARS)
  return tools.some((tool) => behind.includes(tool))
}

const NAMES = ['name', 'function', 'tool', 'tool_name', 'action'] as const
const ARGUMENTS = ['arguments', 'parameters', 'args', 'input', 'action_input', 'tool_input'] as const

/** `{"name": …, "arguments": …}` and its likes, in `function` or not, or a list of them. Never deeper: it may have any depth. */
function isJsonCall(value: Json | undefined, tools: readonly string[]): boolean {
  const all = Array.isArray(value) ? value : [value ?? null]
  return (
    all.length > 0 &&
    all.every((one) => isOneCall(isObject(one) ? (one['function'] ?? one) : one, one, tools))
  )
}

const isObject = (value: Json): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function isOneCall(inner: Json, outer: Json, tools: readonly string[]): boolean {
  const value = isObject(inner) ? inner : outer
  if (!isObject(value)) return false
  const name = NAMES.map((field) => value[field]).find((one) => typeof one === 'string')
  return tools.includes(String(name)) && ARGUMENTS.some((field) => field in value)
}

/** `[look(city="Rome")]`, and `Action: look` with `Action Input:`. */
function isPlainCall(said: string, tools: readonly string[]): boolean {
  const [, called = ''] = /^\[?\s*([A-Za-z_]\w*)\(/.exec(said) ?? []
  if (tools.includes(called) && /\)\s*\]?$/.test(said.slice(-20))) return true
  const [, action = ''] = /^Action:[ \t]*`?([A-Za-z_]\w*)/m.exec(said) ?? []
  return tools.includes(action) && /^Action Input:/m.test(said)
}
