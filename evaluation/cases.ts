// A case of a data set: what is asked, what is expected, and how the answer is scored.
import type { TaskInput, TaskResult } from '../client/types.ts'
import type { RecordedCall } from '../runtime/task/recording.ts'
import type { Json } from '../schemas/json.ts'
import type { ScorerSpec } from './scorers/specs.ts'
import type { UserFunction } from './user-code/user-function.ts'

/** Fields of a task that a case may set, besides its text. */
export const taskFieldsOfCases = ['agent', 'mode', 'history', 'outputSchema'] as const

export interface Case {
  readonly id: string
  readonly input: string
  /** Absent: nothing to compare with. */
  readonly expected?: Json
  readonly scorers: readonly Scorer[]
  readonly task: Pick<TaskInput, (typeof taskFieldsOfCases)[number]>
  /** Recorded outcomes that answer its tool calls in place of the tools. */
  readonly outcomes?: readonly RecordedCall[]
  /** Labels of the case, for its own author. */
  readonly metadata: Readonly<Record<string, Json>>
  /** Of everything that may change its score. */
  readonly hash: string
}

/** A scorer of a case, with its name and weight. */
export interface Scorer {
  readonly name: string
  readonly weight: number
  /** The score from which on it passes. */
  readonly pass: number
  readonly rule: ScorerSpec | { readonly type: 'function'; readonly score: UserFunction }
}

export interface Dataset {
  readonly name: string
  /** Absolute path of its file. */
  readonly path: string
  readonly hash: string
  readonly cases: readonly Case[]
  /** Ends its own code. */
  close(): Promise<void>
}

/** What a scorer sees. */
export interface Answer {
  readonly input: string
  readonly expected?: Json
  /** The output of the task. */
  readonly output: Json
  /** The output as text: itself, or its JSON. */
  readonly text: string
  readonly metadata: Readonly<Record<string, Json>>
  readonly result: TaskResult
}

/** 0 (wrong) to 1 (right), and why not more. */
export interface Score {
  readonly score: number
  readonly reason: string | null
}

/** A scorer of the user's own. True is 1, false is 0. */
export type UserScorer = (
  answer: Answer,
) =>
  | number
  | boolean
  | { score: number; reason?: string }
  | Promise<number | boolean | { score: number; reason?: string }>

/** What a task cost with all that it delegated. US dollars. */
export const costOf = ({ usage, childrenCost }: Pick<TaskResult, 'usage' | 'childrenCost'>): number =>
  usage.cost + (childrenCost ?? 0)

export const textOf = (output: Json): string =>
  typeof output === 'string' ? output : output === null ? '' : JSON.stringify(output)
