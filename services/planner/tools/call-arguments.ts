// Reads the arguments of a tool call, which a model wrote: possibly no JSON, or JSON with something around it.
//
// 1. What can be meant in one way only is read as meant: empty text, null and an empty list (PHP's empty object)
//    are no arguments, JSON may stand within a string or a code fence, between blanks and byte order marks,
//    before a leaked mark of the model's template, and be written as Python or JavaScript write it (slips.ts).
// 2. Nothing is chosen for the model: two values for one name are refused.
// 3. A property `__proto__` is refused: the tool is foreign code, which may copy it.
import { isDeeperThan, MAX_JSON_DEPTH } from '../../../runtime/json/depth.ts'
import { hasPrototypeName, mayRepeatNames, repeatedNames } from '../../../runtime/json/names.ts'
import { withoutSlips } from '../../../runtime/json/slips.ts'
import type { Json } from '../../../runtime/stage.ts'
import { parseJson } from '../result/json-text.ts'
import { fencesIn, jsonTextOf } from '../result/output-schema.ts'
import { withoutAtEnd } from '../text-end.ts'

/** Checking takes the planner's own time: a value that fits nowhere is a problem at each of its parts. */
const MAX_ARGUMENT_CHARS = 1_000_000
const SHOWN_CHARS = 200

/** `json` is the text of the value, with all its digits. */
export type ReadArguments =
  { readonly value: { [name: string]: Json }; readonly json: string } | { readonly problem: string }

export function readArguments(text: string): ReadArguments {
  if (text.length > MAX_ARGUMENT_CHARS)
    return { problem: `have ${text.length} characters, at most ${MAX_ARGUMENT_CHARS} are taken` }
  const direct = parseJson(text)
  const isMeant = direct !== undefined && typeof direct !== 'string'
  const json = isMeant ? text : textOf(text, direct)
  const value = isMeant ? direct : json.trim() === '' ? null : parseJson(json)
  if (value === null || isEmptyList(value)) return { value: {}, json: '{}' }
  if (typeof value !== 'object' || Array.isArray(value))
    return { problem: `are not a JSON object: ${text.slice(0, SHOWN_CHARS)}` }
  if (isDeeperThan(value, MAX_JSON_DEPTH)) return { problem: `are nested more than ${MAX_JSON_DEPTH} deep` }
  const twice = mayRepeatNames(json, value) ? repeatedNames(json) : []
  if (twice.length > 0)
    return { problem: `give more than one value for ${twice.map((name) => JSON.stringify(name)).join(', ')}` }
  if (hasPrototypeName(value)) return { problem: 'have a property "__proto__", which no tool takes' }
  return { value, json }
}

/** Undefined if they can't be read. */
export function argumentsOf(text: string): Json | undefined {
  const read = readArguments(text)
  return 'problem' in read ? undefined : read.value
}

const isEmptyList = (value: Json | undefined): boolean => Array.isArray(value) && value.length === 0

/** Behind the object: marks of a chat template. */
const LEAKED = /(?:\s*<\/?[\w|]+>)+\s*$/
const LEAKED_WITHIN_CHARS = 300

/** The JSON that is meant by a text that is none, or by one within a string. */
function textOf(text: string, within: string | undefined): string {
  const bare = within ?? fenced(text)
  const cut = withoutAtEnd(bare, LEAKED, LEAKED_WITHIN_CHARS).trim()
  const corrected = () => withoutSlips(cut, (number) => number)
  return parseJson(cut) === undefined && cut !== '' ? firstJson(corrected(), text) : cut
}

/** The content of the fence, or of the single backticks, that the text is. */
function fenced(text: string): string {
  const json = jsonTextOf(text)
  const said = text.trim()
  if (json !== text || !said.startsWith('`')) return json
  return fencesIn(said)[0] ?? /^`([^`]*)`$/.exec(said)?.[1] ?? text
}

const firstJson = (one: string, other: string): string => (parseJson(one) === undefined ? other : one)
