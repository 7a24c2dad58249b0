// The summary of a run: one column for each model.
import type { EvaluationCase } from '../api/schemas/evaluations.ts'
import { meanOf, passHat, quantileOf, wilson, type Interval } from './statistics.ts'

export interface ModelSummary {
  readonly model: string
  /** Models that answered: more than one if a fallback did. */
  readonly answeredBy: readonly string[]
  /** Cases times epochs that have a score, and that have none because the fleet or a judge failed. */
  readonly scored: number
  readonly unscored: number
  /** Weighted mean of the scorers. */
  readonly score: Interval | null
  /** Share of the cases of which every scorer passed. */
  readonly passed: Interval | null
  readonly scorers: Readonly<Record<string, Interval>>
  /** pass^1, pass^2, …: all of k epochs pass. */
  readonly passHat: readonly number[]
  /** Cases of which some epochs pass and others do not. */
  readonly flapping: readonly string[]
  /** US dollars, and those of models as judges. */
  readonly cost: number
  readonly judgeCost: number
  readonly costIsGuess: boolean
  readonly latencyMs: { readonly mean: number; readonly p50: number; readonly p95: number }
  readonly steps: number
  readonly inputTokens: number
  readonly outputTokens: number
}

export type Summary = readonly ModelSummary[]

export const summarise = (models: readonly string[], cases: readonly EvaluationCase[]): Summary =>
  models.map((model) =>
    summaryOf(
      model,
      cases.filter((each) => each.model === model),
    ),
  )

/** The epochs of each case that have a score. */
export function byCase(cases: readonly EvaluationCase[]): Map<string, EvaluationCase[]> {
  const found = new Map<string, EvaluationCase[]>()
  for (const each of cases) if (each.score !== null) added(found, each.caseId, each)
  return found
}

function summaryOf(model: string, cases: readonly EvaluationCase[]): ModelSummary {
  const scored = cases.filter(({ score }) => score !== null)
  const groups = [...byCase(scored)]
  const sum = (of: (each: EvaluationCase) => number): number =>
    cases.reduce((total, each) => total + of(each), 0)
  const passes = groups.map(([, epochs]) => ({
    passed: epochs.filter(({ passed }) => passed).length,
    epochs: epochs.length,
  }))
  const latencies = scored.map(({ latencyMs }) => latencyMs)
  return {
    model,
    answeredBy: [...new Set(cases.flatMap(({ answeredBy }) => answeredBy ?? []))].sort(),
    scored: scored.length,
    unscored: cases.length - scored.length,
    score: wilson(groups.map(([, epochs]) => meanOf(epochs.map(({ score }) => score ?? 0)))),
    passed: wilson(passes.map(({ passed, epochs }) => passed / epochs)),
    scorers: scorersOf(groups.map(([, epochs]) => epochs)),
    passHat: passHats(passes),
    flapping: groups.filter((_, index) => isFlapping(passes[index])).map(([caseId]) => caseId),
    cost: sum(({ cost }) => cost),
    judgeCost: sum(({ judgeCost }) => judgeCost),
    costIsGuess: cases.some(({ costIsGuess }) => costIsGuess),
    latencyMs: {
      mean: meanOf(latencies),
      p50: quantileOf(latencies, 0.5),
      p95: quantileOf(latencies, 0.95),
    },
    steps: meanOf(scored.map(({ steps }) => steps)),
    inputTokens: sum(({ inputTokens }) => inputTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
  }
}

const isFlapping = (of: { passed: number; epochs: number } | undefined): boolean =>
  of !== undefined && of.passed > 0 && of.passed < of.epochs

function passHats(passes: readonly { passed: number; epochs: number }[]): number[] {
  const most = passes.reduce((least, { epochs }) => Math.min(least, epochs), Infinity)
  if (!Number.isFinite(most)) return []
  return Array.from({ length: most }, (_, index) => passHat(passes, index + 1) ?? 0)
}

/** Scorer → mean over the cases that have it. */
function scorersOf(groups: readonly (readonly EvaluationCase[])[]): Record<string, Interval> {
  const means = new Map<string, number[]>()
  for (const epochs of groups)
    for (const [scorer, scores] of scoresByScorer(epochs)) added(means, scorer, meanOf(scores))
  return Object.fromEntries(
    [...means]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([scorer, values]) => {
        const interval = wilson(values)
        return interval === null ? [] : [[scorer, interval]]
      }),
  )
}

function scoresByScorer(epochs: readonly EvaluationCase[]): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const { scores } of epochs) for (const { scorer, score } of scores) added(found, scorer, score)
  return found
}

function added<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name)
  if (list) list.push(value)
  else lists.set(name, [value])
}
