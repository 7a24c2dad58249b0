// The executor port: where a step's Python runs.
//
// 1. A session is its log. Any executor, on any machine, rebuilds a session from the log alone by running its
//    steps again with the recorded results; the live instance is a cache, identified by session id and
//    position in the log.
// 2. The same log and the same new entries give the same outcome: the clock is the last journalled `nowMs`,
//    entropy is the step's `seed`. An executor never calls a tool.
// 3. Errors of the code are data (`Finished.error`). An executor rejects with a FlotillaError only if it
//    could not run the code (SANDBOX_UNAVAILABLE) or was stopped (CALL_ABORTED); the session is then as the
//    log says.
import type { JsonSchema } from '../../../runtime/config/fleet.ts'
import type { ErrorCode } from '../../../runtime/errors.ts'
import type { Json } from '../../../schemas/json.ts'

export interface StepEntry {
  readonly kind: 'step'
  /** Grows with each step of a session; gaps are steps that left nothing. Names the step in tracebacks. */
  readonly n: number
  readonly code: string
  /** Python's clock at the beginning of the step. Epoch milliseconds. */
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
  /**
   * Every step finished so far, in order. When resuming: also the running step, its calls, and the results of
   * earlier pauses.
   */
  readonly log: readonly SessionEntry[]
}

/** The part of a tool's definition that Python needs. */
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
  /** Printed characters kept; the rest is counted. */
  readonly printChars: number
  /** JSON characters of a value or of a final answer. */
  readonly valueChars: number
  /** Characters of arguments left for new tool calls of this step. Default: no limit. */
  readonly argumentChars?: number
}

export interface StepOptions {
  readonly tools: readonly ToolSignature[]
  readonly limits: StepLimits
  /** Stops the step at once: CALL_ABORTED. */
  readonly signal: AbortSignal
  /** The user and task for fair turns at the interpreters. Default: the session counts alone. */
  readonly user?: string | null
}

export interface PendingCall {
  readonly seq: number
  readonly name: string
  readonly arguments: { [key: string]: Json }
  readonly argsHash: string
}

/**
 * The calls that the code waits for, made together; if they are very many, the first ones. Resume once each
 * has a result.
 */
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
  /** In Python's format, with line numbers of the step's own code. */
  readonly traceback: string
}

export interface Finished {
  readonly status: 'finished'
  /** Value of the last expression as JSON; its repr if JSON can't hold it. */
  readonly value: Json
  readonly isFinal: boolean
  readonly finalAnswer: Json
  readonly prints: string
  readonly error: StepError | null
  /** For the `done` entry; a replay must give the same. */
  readonly outputHash: string
  /**
   * `step`: the step's changes to variables are lost, drop it from the log. `session`: every variable is
   * lost, drop the whole log.
   */
  readonly lost: 'nothing' | 'step' | 'session'
  readonly computeMs: number
}

export type Outcome = Paused | Finished

export interface Executor {
  readonly name: string
  /** Runs a new step on top of a log whose steps are all done. */
  run(session: Session, step: StepEntry, options: StepOptions): Promise<Outcome>
  /** Resumes the running step, with the results of every call that it waits for. */
  resume(session: Session, results: readonly ResultEntry[], options: StepOptions): Promise<Outcome>
  /** Releases the live instance of a session that is over. Idempotent; an unknown id is ignored. */
  discard(sessionId: string): Promise<void>
  /** Rejects with the reason if no step can run now. */
  check(): Promise<void>
  /** After `check`: a confinement that is missing on this machine, and the remedy; null if none is. */
  weakness?(): string | null
  close(): Promise<void>
}
