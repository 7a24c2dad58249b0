// Estimates how demanding a task is from its text, if its sender does not say.
//
// 1. Rules of thumb, not understanding: length, listed steps, words that announce work or a sequence. They
//    only choose between models; no task is refused because of them.
// 2. Pure, so that the same task always gets the same estimate.
import type { Complexity } from '../../../runtime/models/strategies.ts'
import type { Json } from '../../../runtime/stage.ts'
import type { Recording, RecordedStep } from '../../../runtime/task/recording.ts'
import type { TaskAdmitted } from '../../../schemas/generated/events.ts'
import type { HistoryMessage } from '../../../schemas/history.ts'

const WORK =
  /\b(analy[sz]e|compare|contrast|design|plan|evaluate|assess|investigate|research|optimi[sz]e|refactor|implement|debug|prove|derive|forecast|reconcile|correlate|cross-?check)\w*/gi
const SEQUENCE =
  /\b(then|after that|afterwards|next|finally|first(?:ly)?|second(?:ly)?|third(?:ly)?|step by step)\b/gi
const LISTED = /^[^\S\n]*(?:[-*•]|\d{1,9}[.)])[^\S\n]+\S/gm

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0
const distinct = (text: string, pattern: RegExp): number =>
  new Set(text.match(pattern)?.map((word) => word.toLowerCase())).size

/** 0 points: simple; 1 or 2: moderate; more: complex. */
export function complexityOf(text: string, hasOutputSchema: boolean): Complexity {
  const words = count(text, /\S+/g)
  const points = [
    words > 60,
    words > 200,
    distinct(text, WORK) >= 1,
    distinct(text, WORK) >= 2,
    count(text, SEQUENCE) >= 2,
    count(text, LISTED) >= 3,
    count(text, /\?/g) >= 3,
    hasOutputSchema && words > 20,
  ].filter(Boolean).length
  if (points === 0) return 'simple'
  return points <= 2 ? 'moderate' : 'complex'
}

const TURNS: Readonly<Record<Complexity, number>> = { simple: 2, moderate: 4, complex: 8 }
/** Tokens of system prompt and tools. */
const OPENING_TOKENS = 700
const CHARS_PER_TOKEN = 4
/** Tokens that one step adds to the conversation, which every later step sends again. */
const TURN_TOKENS = 400
const ANSWER_TOKENS = 250

/** Characters of an admitted task's history. */
export function historyChars(history: Json): number {
  const messages = (history ?? []) as unknown as readonly HistoryMessage[]
  return messages.reduce((sum, { content }) => sum + content.length, 0)
}

/** Tokens of an admitted task's history and recorded steps, which every model call sends. */
export function broughtTokens({ history, recording }: Pick<TaskAdmitted, 'history' | 'recording'>): number {
  const { steps = [] } = (recording ?? {}) as Recording
  const stepChars = steps.reduce((sum, step) => sum + charsOf(step), 0)
  return Math.ceil((historyChars(history) + stepChars) / CHARS_PER_TOKEN)
}

function charsOf({ text, observation, toolCalls }: RecordedStep): number {
  const ofCalls = toolCalls.reduce((sum, call) => sum + JSON.stringify(call).length, 0)
  return (text?.length ?? 0) + (observation?.length ?? 0) + ofCalls
}

/** Input and output tokens of the whole task: its steps, each with the conversation so far, of which `chars` come along. */
export function tokensOf(chars: number, complexity: Complexity, maxSteps: number): number {
  const turns = Math.min(TURNS[complexity], maxSteps)
  const opening = OPENING_TOKENS + chars / CHARS_PER_TOKEN + ANSWER_TOKENS
  return Math.ceil(turns * opening + (TURN_TOKENS * turns * (turns - 1)) / 2)
}
