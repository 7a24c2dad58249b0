// Python variables that a session keeps between its tasks, as the steps that define them again.
//
// 1. A step is what an executor needs to run it again without calling a tool: its code, clock, seed and the results of
//    its calls, with hashes that show whether it did the same.
// 2. Steps are numbered, and each report names the number of the step before it. Steps that do not connect never stand
//    in one log: whatever was lost on the way, the variables are those of the log, or they are gone.
import type { Json } from '../../schemas/json.ts'

export interface KeptCall {
  readonly name: string
  readonly argsHash: string
  readonly ok: boolean
  /** Null when not ok. */
  readonly value: Json
  /** Null when ok. */
  readonly error: { readonly code: string; readonly message: string } | null
  /** When Python learned of it, epoch milliseconds. */
  readonly nowMs: number
}

export interface KeptStep {
  /** Grows with each step; gaps are steps that left nothing. */
  readonly n: number
  readonly code: string
  /** Python's clock at the beginning of the step. Epoch milliseconds. */
  readonly nowMs: number
  readonly seed: string
  readonly calls: readonly KeptCall[]
  readonly outputHash: string
  readonly computeMs: number
}

/** `CodeCompleted.kept`. */
export interface StepReport {
  /** The last step that is defined before this one; null: none is. */
  readonly after: number | null
  /** Null: the step left nothing, or more than is kept (`tooLarge`). */
  readonly step: KeptStep | null
  readonly tooLarge?: true
}

/** `TurnGranted.variables`, `TaskAdmitted.variables`. */
export interface GivenVariables {
  readonly after: number | null
  readonly steps: readonly KeptStep[]
  /** Why variables of earlier turns are not there; null: they are, or there were none. */
  readonly gone: string | null
}

/** `TurnEnded.variables`. */
export interface TurnVariables {
  /** The step that the turn began behind. */
  readonly after: number | null
  /** True: what was defined before this turn is gone. */
  readonly fresh: boolean
  /** Why nothing can be kept of what the turn defined. */
  readonly gone: string | null
  readonly steps: readonly KeptStep[]
}

export const asJson = (
  value: StepReport | GivenVariables | TurnVariables | readonly KeptStep[] | null,
): Json => value as unknown as Json

export const charsOf = (step: KeptStep): number => JSON.stringify(step).length

export const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0)

export const lastOf = (steps: readonly KeptStep[]): number | null => steps.at(-1)?.n ?? null

export const tooManyChars = (most: number): string =>
  `what defines them again has more than ${most.toLocaleString('en')} characters`

export const LOST = 'what defines them again is no longer stored'
