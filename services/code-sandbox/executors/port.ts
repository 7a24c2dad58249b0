// The executor port: where a step's Python runs.
//
// 1. A session is its log. Any executor, on any machine, rebuilds a session from the log alone by running its steps again
//    with the recorded results; the live instance is a cache, known by session id and place in the log.
// 2. The same log and the same new entries give the same outcome: the clock is the last journalled `nowMs`, entropy is
//    the step's `seed`. No tool is called by an executor, ever.
// 3. What goes wrong in the code is data (`Finished.error`). An executor rejects with a FlotillaError only when it could
//    not run the code (SANDBOX_UNAVAILABLE) or was told to stop (CALL_ABORTED); the session is then as the log says.
import type { JsonSchema } from '../../../runtime/config/fleet.ts'
import type { ErrorCode } from '../../../runtime/errors.ts'
import type { Json } from '../../../schemas/json.ts'

export interface StepEntry {
  readonly kind: 'step'
  /** Grows with each step of a session; gaps are steps that left nothing behind. Names the step in tracebacks. */
  readonly n: number
  readonly code: string
  /** What Python's clock shows when the step begins. Epoch milliseconds. */
  readonly nowMs: number
  /** Seeds `random`, `secrets`, `uuid4` and `os.urandom`. */
  readonly seed: string
}

export interface CallEntry {
  readonly kind: 'call'
  readonly n: number
  /** Counts the step's calls from 0. */
  readonly seq: number
  readonly name: string
  readonly argsHash: string
}

export interface ResultEntry {
  readonly kind: 'result'
  readonly n: number
  readonly seq: number
  readonly ok: boolean
  /** Null when not ok. */
  readonly value: Json
  /** Null when ok. */
  readonly error: { readonly code: string; readonly message: string } | null
  readonly nowMs: number
}

export interface DoneEntry {
  readonly kind: 'done'
  readonly n: number
  readonly outputHash: string
}

export type SessionEntry = StepEntry | CallEntry | ResultEntry | DoneEntry

export interface Session {
  readonly id: string
  /** Every step finished so far, in order. When resuming: also the step at work, its calls, and the results of earlier pauses. */
  readonly log: readonly SessionEntry[]
}

/** What Python needs to know of a tool. */
export interface ToolSignature {
  readonly name: string
  readonly description: string
  /** Property order is the order of positional arguments. */
  readonly input: JsonSchema
}

export interface StepLimits {
  /** Computing only: waiting for tools does not count. */
  readonly timeoutMs: number
  /** Tool calls of one step. */
  readonly toolCalls: number
  /** Printed characters that are kept; the rest is counted. */
  readonly printChars: number
  /** JSON characters of a value or of a final answer. */
  readonly valueChars: number
  /** Characters of arguments that new tool calls of this step may still have. Default: without limit. */
  readonly argumentChars?: number
}

export interface StepOptions {
  readonly tools: readonly ToolSignature[]
  readonly limits: StepLimits
  /** Stops the step at once: CALL_ABORTED. */
  readonly signal: AbortSignal
  /** Whose turns at the interpreters count together. Default: the session is alone. */
  readonly user?: string | null
}

export interface PendingCall {
  readonly seq: number
  readonly name: string
  readonly arguments: { [key: string]: Json }
  readonly argsHash: string
}

/** The code waits for these calls, made together; of very many, the first ones. Resume when each has a result. */
export interface Paused {
  readonly status: 'paused'
  readonly calls: readonly PendingCall[]
  /** Computing time of the step so far. */
  readonly computeMs: number
}

export interface StepError {
  readonly code: ErrorCode
  /** Name of the Python exception. */
  readonly class: string
  readonly message: string
  /** As Python prints it, with line numbers of the step's own code. */
  readonly traceback: string
}

export interface Finished {
  readonly status: 'finished'
  /** Value of the last expression as JSON; its repr where JSON has no place for it. */
  readonly value: Json
  readonly isFinal: boolean
  readonly finalAnswer: Json
  readonly prints: string
  readonly error: StepError | null
  /** For the `done` entry; a replay must give the same. */
  readonly outputHash: string
  /** `step`: what the step did to variables is gone, drop it from the log. `session`: every variable is gone, drop the whole log. */
  readonly lost: 'nothing' | 'step' | 'session'
  readonly computeMs: number
}

export type Outcome = Paused | Finished

export interface Executor {
  readonly name: string
  /** Runs a new step on top of a log whose steps are all done. */
  run(session: Session, step: StepEntry, options: StepOptions): Promise<Outcome>
  /** Goes on with the step at work: the results of every call that it waits for. */
  resume(session: Session, results: readonly ResultEntry[], options: StepOptions): Promise<Outcome>
  /** The session is over: its live instance is released. Idempotent; an unknown id is nothing to do. */
  discard(sessionId: string): Promise<void>
  /** Rejects with the reason when no step can run now. */
  check(): Promise<void>
  /** After `check`: a wall that it stands without on this machine, and the remedy; null where all of them stand. */
  weakness?(): string | null
  close(): Promise<void>
}
