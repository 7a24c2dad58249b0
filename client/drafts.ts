// The text that one reader of a task sees while models write it.
//
// 1. At any time it is the text of one attempt, as far as it was seen: when another attempt begins, or the
//    history says that the attempt is over, what the reader has of it is taken back first.
// 2. A step whose answer has come gets no more text: the answer has all of it.
// 3. What is left of an attempt that was taken back (a process that was taken for dead goes on writing) is dropped.
import type { TaskEvent } from '../api/task-events.ts'
import type { TaskProgressed, TokensStreamed } from '../schemas/generated/events.ts'
import { keepNewest } from '../runtime/keep-newest.ts'

/** The last step whose answer had come when this was recorded. */
export function answeredBy({ kind, stage, step }: TaskProgressed): number {
  if (step === null) return 0
  const isBefore = stage === 'planner' && beforeAnswer.has(kind)
  return isBefore ? step - 1 : step
}

const beforeAnswer: ReadonlySet<string> = new Set([
  'retry_scheduled',
  'waiting',
  'model_changed',
  'compacted',
])

/** Attempts of one step that are remembered as over. */
const MAX_OVER = 20

export class Drafts {
  readonly #taskId: string
  readonly #over = new Set<string>()
  #answeredStep: number
  #shown: { readonly step: number; readonly attempt: string } | null = null

  /** `answeredStep`: the last step whose answer the reader has. */
  constructor(taskId: string, answeredStep = 0) {
    this.#taskId = taskId
    this.#answeredStep = answeredStep
  }

  /** What the reader is to be given for this piece of text. */
  piece({ taskId, step, sequence, text, attempt }: TokensStreamed): TaskEvent[] {
    const id = `${step}:${attempt ?? ''}`
    if (step <= this.#answeredStep || this.#over.has(id)) return []
    const delta: TaskEvent = { type: 'text.delta', taskId, step, sequence, text }
    // An older version names no attempt; a new one begins with sequence 0.
    const isSame = this.#shown?.attempt === id && (attempt !== null || sequence > 0)
    const retracted = isSame ? [] : this.#retract()
    this.#shown = { step, attempt: id }
    return [...retracted, delta]
  }

  /** What has to come before this event of the history. */
  before(event: TaskEvent): TaskEvent[] {
    if (event.type === 'model.answered' && event.step !== null) {
      this.#answeredStep = Math.max(this.#answeredStep, event.step)
      this.#shown = null
      this.#over.clear()
      return []
    }
    const isOver =
      event.type === 'model.changed' ||
      event.type === 'context.compacted' ||
      (event.type === 'retry' && event.tool === null)
    const isPaused = event.type === 'waiting' && event.for !== 'slot' && event.step === this.#shown?.step
    return isOver || isPaused ? this.#retract() : []
  }

  #retract(): TaskEvent[] {
    const shown = this.#shown
    if (shown === null) return []
    this.#shown = null
    // Without a name it looks like the next one.
    if (!shown.attempt.endsWith(':')) this.#over.add(shown.attempt)
    keepNewest(this.#over, MAX_OVER)
    return [{ type: 'text.retracted', taskId: this.#taskId, step: shown.step, reason: 'attempt_ended' }]
  }
}
