// The log of calls and whether each got its answer: a checker reads it after a kill test.
//
// A line is written when the last byte has been handed to the operating system (answered), or when the caller
// was gone before that (aborted). Lines are appended one at a time, so a reader of the growing file sees
// whole lines.
import { closeSync, openSync, writeSync } from 'node:fs'

export interface LoggedCall {
  /** Value of the task's `task=` marker. */
  readonly task: string | null
  /** From 1. */
  readonly turn: number
  /** The idempotency key that was sent. */
  readonly callId: string | null
  readonly traceparent: string | null
  readonly model: string
  readonly outcome: 'answered' | 'aborted'
  /** HTTP status of the answer. */
  readonly status: number
  /** As the answer said; 0 if there was none. */
  readonly inputTokens: number
  readonly outputTokens: number
  readonly receivedMs: number
  readonly endedMs: number
}

export interface CallStats {
  received: number
  answered: number
  aborted: number
  /** Distinct call ids that were answered with 200. */
  calls: number
  /** Answers with 200 beyond the first for the same call id: work that was paid for twice. */
  repeated: number
}

export class CallLog {
  readonly #file: number | null
  readonly #answers = new Map<string, number>()
  #received = 0
  #answered = 0
  #aborted = 0

  constructor(path: string | undefined) {
    this.#file = path === undefined ? null : openSync(path, 'a')
  }

  begun(): void {
    this.#received++
  }

  ended(call: LoggedCall): void {
    if (call.outcome === 'aborted') this.#aborted++
    else this.#answered++
    const key = call.callId ?? `${call.task}:${call.turn}`
    if (call.outcome === 'answered' && call.status === 200)
      this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1)
    if (this.#file !== null) writeSync(this.#file, `${JSON.stringify(call)}\n`)
  }

  stats(): CallStats {
    let repeated = 0
    for (const answers of this.#answers.values()) repeated += answers - 1
    return {
      received: this.#received,
      answered: this.#answered,
      aborted: this.#aborted,
      calls: this.#answers.size,
      repeated,
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file)
  }
}
