/// <reference types="node" preserve="true" />
// Types for data sets and scorers in TypeScript: `import type { DatasetDefinition } from 'flotilla/evaluation'`.
import type { TaskInput } from '../client/types.ts'
import type { RecordedCall } from '../runtime/task/recording.ts'
import type { Json } from '../schemas/json.ts'
import type { UserScorer } from './cases.ts'
import type { AnyScorerSpec, ScorerType } from './scorers/specs.ts'

export type { Answer, UserScorer } from './cases.ts'

/** A scorer by name, by its fields, or as a function. */
export type ScorerDefinition = ScorerType | AnyScorerSpec | UserScorer

/** A case as a data set has it; docs/evaluation.md describes the fields. */
export interface CaseDefinition extends Pick<TaskInput, 'agent' | 'mode' | 'history' | 'outputSchema'> {
  /** Default: made of the content. */
  id?: string
  input: string
  expected?: Json
  /** Default: those of the data set, else what fits the kind of the expected value. */
  scorers?: ScorerDefinition | ScorerDefinition[]
  /** Recorded outcomes that answer its tool calls, as `flotilla eval promote` writes them. */
  outcomes?: RecordedCall[]
  metadata?: Record<string, Json>
}

/** The default export of a data set in TypeScript, or a function that resolves with it. */
export type DatasetDefinition = CaseDefinition[] | { cases: CaseDefinition[]; scorers?: ScorerDefinition[] }
