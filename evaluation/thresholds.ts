// Thresholds: what a run must reach, as `--threshold exact>=0.9` says it.
import { FlotillaError } from '../runtime/errors.ts'
import type { ModelSummary, Summary } from './summary.ts'

const comparisons = {
  '>=': (value: number, limit: number) => value >= limit,
  '<=': (value: number, limit: number) => value <= limit,
  '>': (value: number, limit: number) => value > limit,
  '<': (value: number, limit: number) => value < limit,
} as const

export interface Threshold {
  readonly measure: string
  readonly comparison: keyof typeof comparisons
  readonly limit: number
}

export interface Checked {
  readonly threshold: string
  readonly model: string
  /** Null: the run has no such value. */
  readonly value: number | null
  readonly reached: boolean
}

const measures: Readonly<Record<string, (summary: ModelSummary) => number | null>> = {
  score: ({ score }) => score?.mean ?? null,
  passed: ({ passed }) => passed?.mean ?? null,
  unscored: ({ unscored }) => unscored,
  flapping: ({ flapping }) => flapping.length,
  cost: ({ cost, judgeCost }) => cost + judgeCost,
  latency: ({ latencyMs }) => latencyMs.p95,
}

/** Throws REQUEST_INVALID, naming what there is. `scorers`: of the data set. */
export function readThreshold(text: string, scorers: ReadonlySet<string>, epochs: number): Threshold {
  const [, measure, comparison, limit] = /^(.+?)\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)$/.exec(text.trim()) ?? []
  if (measure === undefined || limit === undefined)
    throw refused(text, 'write it as exact>=0.9, with >=, <=, > or <')
  const [, k] = /^pass\^(\d+)$/.exec(measure) ?? []
  if (k !== undefined && Number(k) >= 1 && Number(k) <= epochs)
    return { measure, comparison: comparison as keyof typeof comparisons, limit: Number(limit) }
  if (k !== undefined) throw refused(text, `pass^${k} needs ${k} epochs, the run has ${epochs}`)
  if (!Object.hasOwn(measures, measure) && !scorers.has(measure))
    throw refused(text, `there are: ${[...scorers, ...Object.keys(measures), 'pass^1'].join(', ')}`)
  return { measure, comparison: comparison as keyof typeof comparisons, limit: Number(limit) }
}

const refused = (text: string, why: string): FlotillaError =>
  new FlotillaError('REQUEST_INVALID', `the threshold ${JSON.stringify(text)} can't be used: ${why}`)

/** Every threshold for every model. */
export const checkThresholds = (thresholds: readonly Threshold[], summary: Summary): Checked[] =>
  summary.flatMap((column) =>
    thresholds.map(({ measure, comparison, limit }) => {
      const value = valueOf(measure, column)
      const reached = value !== null && comparisons[comparison](value, limit)
      return { threshold: `${measure}${comparison}${limit}`, model: column.model, value, reached }
    }),
  )

function valueOf(measure: string, column: ModelSummary): number | null {
  const [, k] = /^pass\^(\d+)$/.exec(measure) ?? []
  if (k !== undefined) return column.passHat[Number(k) - 1] ?? null
  // A scorer may have the name of a measure: it is then that of the run.
  if (Object.hasOwn(measures, measure)) return measures[measure]?.(column) ?? null
  return Object.hasOwn(column.scorers, measure) ? (column.scorers[measure]?.mean ?? null) : null
}
