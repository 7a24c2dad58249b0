// What a task keeps of its steps until its result: all of the newest ones, and of older ones the beginning and end of
// each text, so that the state of a task and its result are bounded however many steps it takes.
import { boundedText } from '../../runtime/bounded-text.ts'
import type { Json } from '../../runtime/stage.ts'
import { MAX_KEPT_CHARS } from './constants.ts'
import { put, type RowChanges, type Run, type Situation, type Step } from './rows.ts'

/** Steps shortened in one transition; usually one. */
const MAX_AT_ONCE = 50
const TEXT_CHARS = 400
/** Arguments and outputs of a step with many calls. */
const MANY_CALLS = 4
const CALL_CHARS = 120

/** Rows and progress with this step kept, and as many older ones shortened as that takes. */
export function keepStep(from: Situation, step: Step): { rows: RowChanges; run: Run } {
  let { chars, whole } = from.run.kept ?? { chars: 0, whole: 1 }
  const rows: RowChanges = put(`step:${step.step}`, step)
  chars += charsOf(step)
  for (let done = 0; chars > MAX_KEPT_CHARS && whole < step.step && done < MAX_AT_ONCE; done++, whole++) {
    const older = from.rows[`step:${whole}`]
    if (!older) continue
    const short = shortened(older)
    chars -= charsOf(older) - charsOf(short)
    Object.assign(rows, put(`step:${whole}`, short))
  }
  return { rows, run: { ...from.run, kept: { chars, whole } } }
}

const charsOf = (step: Step): number => JSON.stringify(step).length

function shortened(step: Step): Step {
  const { text, code, observation, toolCalls } = step
  const most = toolCalls.length > MANY_CALLS ? CALL_CHARS : TEXT_CHARS
  return {
    ...step,
    text: boundedText(text, TEXT_CHARS),
    code: code && boundedText(code, TEXT_CHARS),
    observation: observation && boundedText(observation, TEXT_CHARS),
    toolCalls: toolCalls.map((call) => ({
      ...call,
      arguments: bounded(call.arguments, most),
      ...(call.output === undefined ? {} : { output: bounded(call.output, most) }),
    })),
  }
}

/** The value, or the beginning and end of its text. */
function bounded(value: Json, most: number): Json {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length <= most ? value : boundedText(text, most)
}
