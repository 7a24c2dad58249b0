// A stored run with its scored cases, as `flotilla eval export` writes them: what exporters to other tools read.
import type { Json } from '../../schemas/json.ts'

export interface ExportedScore {
  readonly scorer: string
  /** 0 to 1. */
  readonly score: number
  readonly weight: number
  readonly passed: boolean
  readonly reason: string | null
}

export interface ExportedCase {
  readonly caseId: string
  readonly model: string
  readonly epoch: number
  readonly taskId: string
  readonly caseHash: string
  readonly status: string
  readonly passed: boolean
  /** Weighted mean; null: it could not be scored. */
  readonly score: number | null
  readonly scores: readonly ExportedScore[]
  readonly problem: string | null
  readonly input: string
  readonly output: Json
  readonly metadata: Readonly<Record<string, Json>>
  readonly answeredBy: string | null
  /** US dollars. */
  readonly cost: number
  readonly judgeCost: number
  readonly latencyMs: number
  readonly steps: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly errorCode: string | null
  readonly scoredAtMs: number
}

export interface ExportedRun {
  readonly id: string
  /** Name of the data set. */
  readonly name: string
  readonly dataset: string
  readonly datasetHash: string
  readonly agent: string | null
  readonly models: readonly string[]
  readonly epochs: number
  readonly cases: number
  readonly status: 'running' | 'completed' | 'stopped'
  readonly startedAtMs: number
  readonly endedAtMs: number | null
  readonly settings: Json
}

/** The weighted mean of a case's scores, beside the scorers themselves. */
export const OVERALL = 'flotilla'

export const asText = (output: Json): string =>
  typeof output === 'string' ? output : JSON.stringify(output ?? null)

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
