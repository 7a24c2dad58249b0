// A result of the model ends the task, or is sent back with its mistake.
//
// Prose without code, from an agent that writes code: it is reminded once. If it answers in prose again, or
// has no step left, that prose is the result, because a plain answer is worth more than a failure.
//
// A tool call written as text, because the server does not parse the model's own marks, is not a result. Nor
// is one in code mode, where the tools are functions, or an empty code block.
//
// If the task has an output schema, the result is checked first, by a call: in the handling of the event that
// brought it, or, if that handling has made its call already, in the next one; `answer` keeps the result
// until then.
import { failure } from '../../../runtime/errors.ts'
import type { JsonSchema } from '../../../runtime/config/fleet.ts'
import { merge } from '../../../runtime/decisions.ts'
import type { Call, CallOutcome, Failure, Json } from '../../../runtime/stage.ts'
import { isCallInText } from '../tools/calls-in-text.ts'
import { fail, succeed } from './task-end.ts'
import { divergence, toolNames } from '../recorded.ts'
import type { Message } from '../call.ts'
import { isEmpty, type Fit, type OutputCheck } from './output-schema.ts'
import {
  answerCutOff,
  callInCodeMode,
  callInText,
  remindOfAnswer,
  remindOfCode,
  remindOfNone,
  tellMiss,
} from '../prompts/replies.ts'
import type { ToolBook } from '../tools/catalogue.ts'
import { change, type Answer, type Changes, type Move, type Situation, type Step } from '../rows.ts'
import { endStep, nextStep } from '../step.ts'

/** Takes text as the result. `cutOff`: it reached the limit of output tokens. */
export function takeText(from: Situation, step: Step, cutOff: boolean, book: ToolBook): Move {
  const { task, run } = from
  // A result with a schema may look like a call: its schema decides.
  const named = schemaOf(from) === null ? toolNames(task) : []
  if (isCallInText(step.text, named)) {
    if (task.mode === 'code') return askForCode(from, step, book)
    return sendBack(from, step, callInText, invalid('it is a tool call written as text'))
  }
  // An empty code block is not an answer.
  if (task.mode === 'code' && isEmpty(step.text.replaceAll(EMPTY_BLOCK, ''))) return takeNothing(from, step)
  const lastChance = run.reminded || run.step >= task.maxSteps
  if (task.mode === 'code' && !lastChance && !isEmpty(step.text))
    return sendBack(from, step, remindOfCode, null)
  return takeValue(from, step, step.text, cutOff)
}

/** Sends back a tool call in code mode. */
export function askForCode(from: Situation, step: Step, book: ToolBook): Move {
  const names = book.of(from.task).map(({ name }) => name)
  return sendBack(from, step, callInCodeMode(names), invalid('it is a tool call, not Python'))
}

const EMPTY_BLOCK = /^[ \t]*(?:`{3,}|~{3,})[\w ]*$|<\/?(?:code|python|execute)>/gm

/** Takes a value as the result. */
export function takeValue(from: Situation, step: Step, value: Json, cutOff = false): Move {
  if (isEmpty(value)) return takeNothing(from, step)
  if (cutOff)
    return sendBack(from, step, answerCutOff, invalid('it was cut off at the limit of output tokens'))
  if (schemaOf(from) !== null) return { changes: {}, check: { step, value } }
  return takeFitting(from, step, value)
}

function takeFitting(from: Situation, step: Step, output: Json): Move {
  const { to, changes } = endStep(from, step)
  const diverged = divergence(from, step, true)
  return { changes: merge(changes, diverged ? fail(to, diverged) : succeed(to, output)) }
}

function schemaOf({ task: { outputSchema } }: Situation): JsonSchema | null {
  return typeof outputSchema === 'object' && !Array.isArray(outputSchema) ? outputSchema : null
}

/** `ownSchema`: the agent's, if it has one. It is trusted; a task's is not. */
export function checkCall(from: Situation, { value }: Answer, ownSchema: JsonSchema | undefined): Call {
  const schema = schemaOf(from) ?? {}
  const isOwn = ownSchema !== undefined && JSON.stringify(ownSchema) === JSON.stringify(schema)
  const request: OutputCheck = { schema, isOwn, value, userId: from.task.userId }
  // It has no effects: after a crash it is repeated.
  return {
    kind: 'check',
    target: 'output',
    request,
    timeoutMs: Math.max(1, from.task.deadlineMs - from.atMs),
    idempotent: true,
    journalled: false,
  }
}

/** Keeps the result until the next handling, which is due at once. */
export function keepAnswer(answer: Answer, atMs: number): Changes {
  return { rows: { answer }, timers: { turn: atMs } }
}

export function takeChecked(from: Situation, { step }: Answer, outcome: CallOutcome): Move {
  if (!outcome.ok && outcome.failure.code === 'CALL_ABORTED') return { changes: {} }
  const { to, rows } = change(from, { answer: null })
  const fit: Fit = outcome.ok
    ? (outcome.value as Fit)
    : { problem: `it could not be checked: ${outcome.failure.message}` }
  const move =
    'problem' in fit
      ? sendBack(to, step, tellMiss(fit.problem), invalid(fit.problem))
      : takeFitting(to, step, fit.output)
  return { ...move, changes: merge({ rows }, move.changes) }
}

function takeNothing(from: Situation, step: Step): Move {
  const empty = failure('OUTPUT_EMPTY', `The model ended with an empty answer at step ${step.step}`)
  // An empty value comes from code; without code, nothing was written.
  const words = step.kind === 'code' ? remindOfNone : remindOfAnswer
  if (!from.run.reminded) return sendBack(from, step, words, empty)
  const { to, changes } = endStep(from, { ...step, error: empty })
  return { changes: merge(changes, fail(to, empty)) }
}

function sendBack(from: Situation, step: Step, words: string, miss: Failure | null): Move {
  const observation = [step.observation, words].filter((part) => part !== null).join('\n\n')
  // Replies to the calls of a step that was handed over.
  const replies = step.kind === 'tools' ? (from.rows[`heard:${step.step}`] ?? []) : []
  const heard: Message[] = [...replies, { role: 'user', content: observation }]
  // A wrong result is an attempt; only a missing result, or missing code, counts as a reminder.
  const reminded = miss === null || miss.code === 'OUTPUT_EMPTY' || from.run.reminded
  return nextStep(from, { ...step, observation, error: miss }, heard, { miss, reminded })
}

function invalid(problem: string): Failure {
  return failure('OUTPUT_INVALID', `The final output does not fit: ${problem}`)
}
