// The model gives its result: it ends the task, or goes back with what is wrong.
//
// Prose without code, from an agent that writes code: it is reminded once. If it answers in prose again, or has no turn
// left, that prose is the result, because a plain answer is worth more to its reader than a failure.
import { failure } from '../../runtime/errors.ts'
import type { Failure, Json } from '../../runtime/stage.ts'
import { fail, succeed } from './completion.ts'
import type { Message } from './model.ts'
import { fit, isEmpty } from './output.ts'
import { answerCutOff, remindOfAnswer, remindOfCode, tellMiss } from './prompts/replies.ts'
import { both, type Move, type Situation, type Step } from './state.ts'
import { finished, nextTurn } from './turn.ts'

/** Text as the result. `cutOff`: it reached the limit of output tokens. */
export function takeText(from: Situation, step: Step, cutOff: boolean): Move {
  const { task, run } = from
  const lastChance = run.reminded || run.step >= task.maxSteps
  if (task.mode === 'code' && !lastChance && !isEmpty(step.text))
    return sendBack(from, step, remindOfCode, null)
  return takeValue(from, step, step.text, cutOff)
}

/** A value as the result. */
export function takeValue(from: Situation, step: Step, value: Json, cutOff = false): Move {
  if (isEmpty(value)) return takeNothing(from, step)
  if (cutOff)
    return sendBack(from, step, answerCutOff, invalid('it was cut off at the limit of output tokens'))
  const fitting = fit(value, from.task.outputSchema)
  if ('problem' in fitting) {
    return sendBack(from, step, tellMiss(fitting.problem), invalid(fitting.problem))
  }
  const { to, changes } = finished(from, step)
  return { changes: both(changes, succeed(to, fitting.output)) }
}

function takeNothing(from: Situation, step: Step): Move {
  const empty = failure('OUTPUT_EMPTY', `The model ended with an empty answer at step ${step.step}`)
  if (!from.run.reminded) return sendBack(from, step, remindOfAnswer, empty)
  const { to, changes } = finished(from, { ...step, error: empty })
  return { changes: both(changes, fail(to, empty)) }
}

function sendBack(from: Situation, step: Step, words: string, miss: Failure | null): Move {
  const told = [step.observation, words].filter((part) => part !== null).join('\n\n')
  const heard: Message[] = [{ role: 'user', content: told }]
  // A wrong result is an attempt; only no result at all, or no code, is a reminder.
  const reminded = miss === null || miss.code === 'OUTPUT_EMPTY' || from.run.reminded
  return nextTurn(from, { ...step, observation: told, error: miss }, heard, { miss, reminded })
}

function invalid(problem: string): Failure {
  return failure('OUTPUT_INVALID', `The final output does not fit: ${problem}`)
}
