// Steps whose texts were cut, so that a task of many steps stays bounded.
import type { Json } from '../../schemas/json.ts'
import { boundedText } from '../text/bounded-text.ts'

const TEXT_CHARS = 400
/** Arguments and outputs of a step with many calls. */
const MANY_CALLS = 4
const CALL_CHARS = 120

interface Call {
  readonly arguments: Json
  readonly output?: Json
}

interface Texts {
  readonly text: string | null
  readonly code: string | null
  readonly observation: string | null
  readonly toolCalls: readonly Call[]
}

/** The step with the beginning and end of each long text; `shortened` if one is cut. Idempotent. */
export function shortStep<C extends Call, T extends Texts & { toolCalls: C[]; shortened?: boolean }>(
  step: T,
): T {
  const { text, code, observation, toolCalls } = step
  const most = toolCalls.length > MANY_CALLS ? CALL_CHARS : TEXT_CHARS
  const short: T = {
    ...step,
    text: cut(text),
    code: cut(code),
    observation: cut(observation),
    toolCalls: toolCalls.map((call) => shortCall(call, most)),
  }
  const isCut = [text, code, observation].some((each) => (each?.length ?? 0) > TEXT_CHARS)
  const isShort = isCut || short.toolCalls.some((call, index) => call !== toolCalls[index])
  return isShort ? { ...short, shortened: true } : short
}

const cut = (text: string | null): string | null => text && boundedText(text, TEXT_CHARS)

/** The call itself if nothing of it is cut. */
function shortCall<C extends Call>(call: C, most: number): C {
  const [args, output = null] = [bounded(call.arguments, most), bounded(call.output ?? null, most)]
  if (args === call.arguments && output === (call.output ?? null)) return call
  return { ...call, arguments: args, ...(call.output === undefined ? {} : { output }) }
}

/** The value, or the beginning and end of its text. */
function bounded(value: Json, most: number): Json {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length <= most ? value : boundedText(text, most)
}
