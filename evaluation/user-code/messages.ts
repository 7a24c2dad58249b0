// Between an evaluation and the thread that runs its author's code.
import type { Answer } from '../cases.ts'
import type { Json } from '../../schemas/json.ts'

/** A function of the author's, by its number in the thread. */
export interface FunctionRef {
  readonly at: number
  readonly name: string
  readonly source: string
}

export type GivenScorer = { readonly function: FunctionRef } | { readonly spec: Json }

export interface GivenCase {
  readonly fields: Readonly<Record<string, Json>>
  /** Absent: the case names none. */
  readonly scorers?: readonly GivenScorer[]
  /** What is no JSON. */
  readonly mistakes: readonly string[]
}

export interface GivenModule {
  readonly cases: readonly GivenCase[]
  readonly scorers: readonly GivenScorer[]
  readonly mistakes: readonly string[]
}

export type Work =
  | { readonly do: 'module'; readonly path: string }
  | { readonly do: 'function'; readonly url: string; readonly name: string }
  | { readonly do: 'score'; readonly at: number; readonly answer: Answer }

export type ToThread = Work & { readonly id: number }

/** `wrong`: a message for the author. `alive` answers `ping`. */
export type FromThread =
  | { readonly t: 'alive' }
  | { readonly t: 'done'; readonly id: number; readonly value: unknown }
  | { readonly t: 'failed'; readonly id: number; readonly message: string }
