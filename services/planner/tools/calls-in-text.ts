// Detects tool calls that a model writes as text, because its server does not parse its marks, or because it
// is small. They are not a result of a task. Marks at the beginning, or the name of one of the task's tools,
// distinguish them from texts about calls.
import type { JsonSchema } from '../../../runtime/config/fleet.ts'
import type { Json } from '../../../runtime/stage.ts'
import { parseJson } from '../result/json-text.ts'
import { jsonTextOf } from '../result/output-schema.ts'

/** Marks of calls that models write as text instead of making the call. */
const MARK = [
  String.raw`<(?:\w+:)?(?:tool_?calls?|function_calls?|invoke\s)`,
  String.raw`<\|tool_calls?|<｜tool|\[TOOL_CALLS\]|<\|python_tag\|>|<function=|<tool name=|<ctrl\d+>call\b`,
  String.raw`functools\[|<\|channel\|>commentary to=`,
].join('|')
const BEGINS = new RegExp(`^(?:${MARK})`, 'i')
const ON_A_LINE = new RegExp(`^[ \\t]*(?:${MARK})`, 'im')

/** How far behind a mark a tool's name is searched. Characters. */
const NAME_WITHIN_CHARS = 300

/** Whether the text is in effect a call of one of these tools. */
export function isCallInText(text: string, tools: readonly string[]): boolean {
  const said = text.trim()
  if (BEGINS.test(said) || said.endsWith('</tool_call>')) return true
  if (namesTool(said, tools) || isJsonCall(parseJson(jsonTextOf(said.replace(/^Action:\s*/, ''))), tools))
    return true
  return isPlainCall(FENCED.exec(said)?.[1] ?? said, tools) || isElement(said, tools)
}

/** Nothing but one code fence. */
const FENCED = /^```\w*[ \t]*\n([^`]*)```$/

/** Whether a mark stands behind other words, followed by a tool's name. */
function namesTool(said: string, tools: readonly string[]): boolean {
  const at = said.search(ON_A_LINE)
  if (at < 0) return false
  const behind = said.slice(at, at + NAME_WITHIN_CHARS)
  return tools.some((tool) => behind.includes(tool))
}

const NAMES = ['name', 'function', 'tool', 'tool_name', 'action'] as const
const ARGUMENTS = ['arguments', 'parameters', 'args', 'input', 'action_input', 'tool_input'] as const

/**
 * `{"name": …, "arguments": …}` and similar, in `function` or not, or a list of them, as a message holds it or
 * alone. Not searched deeper: nesting is unbounded.
 */
function isJsonCall(said: Json | undefined, tools: readonly string[]): boolean {
  const value = isObject(said ?? null) ? (heldCalls(said as JsonSchema) ?? said) : said
  const all = Array.isArray(value) ? value : [value ?? null]
  return (
    all.length > 0 &&
    all.every((one) => isOneCall(isObject(one) ? (one['function'] ?? one) : one, one, tools))
  )
}

const heldCalls = (message: JsonSchema): Json | undefined => message['tool_calls'] ?? message['function_call']

const isObject = (value: Json): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function isOneCall(inner: Json, outer: Json, tools: readonly string[]): boolean {
  const value = isObject(inner) ? inner : outer
  if (!isObject(value)) return false
  const name = NAMES.map((field) => value[field]).find((one) => typeof one === 'string')
  return tools.includes(String(name)) && ARGUMENTS.some((field) => field in value)
}

/** `[look(city="Rome")]`, `print(default_api.look(city="Rome"))`, and `Action: look` with `Action Input:`. */
function isPlainCall(said: string, tools: readonly string[]): boolean {
  const [, called = ''] = /^\[?\s*(?:print\()?(?:\w+\.)?([A-Za-z_]\w*)\(/.exec(said) ?? []
  if (tools.includes(called) && /\)\s*\]?\s*$/.test(said.slice(-20))) return true
  const [, action = ''] = /^Action:[ \t]*`?([A-Za-z_]\w*)/m.exec(said) ?? []
  return tools.includes(action) && /^Action Input:/m.test(said)
}

/** `<look><city>Rome</city></look>`. */
function isElement(said: string, tools: readonly string[]): boolean {
  const [, name = ''] = /^<([A-Za-z_]\w*)>/.exec(said) ?? []
  return tools.includes(name) && said.endsWith(`</${name}>`)
}
