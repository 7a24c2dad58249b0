// Finds the Python of a model that calls an interpreter which its training had, in place of writing a block:
// {"name": "python", "arguments": {"code": "…"}}, <tool_call> around it, or the channels of gpt-oss.
import type { Json } from '../../../runtime/stage.ts'
import type { ModelToolCall } from '../call.ts'
import type { FoundCode } from './blocks.ts'
import { parseJson } from '../result/json-text.ts'
import { jsonTextOf } from '../result/output-schema.ts'

const INTERPRETER =
  /^(?:functions\.)?(?:i?python|jupyter|(?:python|code)[_-]?interpreter|(?:execute|run|exec)[_-]?(?:python|code)(?:[_-]code)?|python[_-](?:exec|execute|code|repl|tool))$/i
const CODE_FIELDS = ['code', 'script', 'source', 'input', 'command', 'query'] as const
const MAX_CHARS = 400_000

const CHANNEL =
  /<\|channel\|>\s*(?:commentary|analysis)\s+to=(?:functions\.)?python\b[^<]{0,100}<\|message\|>(?<code>[^]*?)(?:<\|(?:call|end|return)\|>|$)/

/** The code of a call in text; null if the text is none. */
export function codeInCall(text: string): string | null {
  if (text.length > MAX_CHARS) return null
  const inChannel = CHANNEL.exec(text)?.groups?.['code']
  if (inChannel !== undefined) return codeOf(parseJson(inChannel)) ?? inChannel.trim()
  const wrapped = /^\s*<(tool_call|function_call)>(?<call>[^]*?)<\/\1>/.exec(text)?.groups?.['call']
  const call = parseJson(jsonTextOf(wrapped ?? text))
  if (!isObject(call)) return null
  const inner = isObject(call['function']) ? call['function'] : call
  const name = [inner['name'], inner['tool'], inner['tool_name'], inner['action'], call['function']].find(
    (one) => typeof one === 'string',
  )
  return typeof name === 'string' && isInterpreter(name) ? codeOf(argumentsIn(inner)) : null
}

/** The program of calls by the interface, unless a tool of the task has that name; null if they are none. */
export function codeInCalls(calls: readonly ModelToolCall[], tools: readonly string[]): FoundCode | null {
  const codes = calls.map(({ name, argumentsText }) =>
    isInterpreter(name) && !tools.includes(name)
      ? (codeOf(parseJson(argumentsText)) ?? (argumentsText.trim() || null))
      : null,
  )
  if (codes.length === 0 || !codes.every((code) => code !== null)) return null
  const code = codes.join('\n\n')
  return { code, said: `\`\`\`python\n${code}\n\`\`\``, imagined: false }
}

const isInterpreter = (name: string): boolean => INTERPRETER.test(name)

const isObject = (value: Json | undefined): value is { [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function argumentsIn(call: { [name: string]: Json }): Json {
  const given = call['arguments'] ?? call['parameters'] ?? call['args'] ?? call['action_input'] ?? call
  return typeof given === 'string' ? (parseJson(given) ?? given) : given
}

function codeOf(given: Json | undefined): string | null {
  if (typeof given === 'string') return given
  const code = isObject(given)
    ? CODE_FIELDS.map((field) => given[field]).find((one) => typeof one === 'string')
    : null
  return typeof code === 'string' && code.trim() !== '' ? code : null
}
