// Compares two runs, or two models of one run, case by case.
import type { EvaluationCase } from '../api/schemas/evaluations.ts'
import { meanOf, pairedTest, type PairedTest } from './statistics.ts'
import { byCase } from './summary.ts'

export interface Change {
  readonly caseId: string
  readonly input: string
  readonly before: number
  readonly after: number
}

export interface Measured extends PairedTest {
  /** `score`, `passed`, or a scorer. */
  readonly measure: string
  readonly before: number
  readonly after: number
  readonly pairs: number
}

export interface Comparison {
  /** `run/model`. */
  readonly before: string
  readonly after: string
  readonly measures: readonly Measured[]
  /** By the score, the largest change first. */
  readonly better: readonly Change[]
  readonly worse: readonly Change[]
  /** Left out: asked or scored otherwise than before, and cases of one side alone. */
  readonly changed: readonly string[]
  readonly onlyBefore: readonly string[]
  readonly onlyAfter: readonly string[]
  /** Means of a case: US dollars and milliseconds. */
  readonly cost: { readonly before: number; readonly after: number }
  readonly latencyMs: { readonly before: number; readonly after: number }
}

/** The scored cases of one model of a run. */
export interface Side {
  readonly name: string
  readonly cases: readonly EvaluationCase[]
}

interface Pair {
  readonly caseId: string
  readonly before: readonly EvaluationCase[]
  readonly after: readonly EvaluationCase[]
}

export function compare(before: Side, after: Side): Comparison {
  const [old, fresh] = [byCase(before.cases), byCase(after.cases)]
  const both = [...fresh].flatMap(([caseId, epochs]): Pair[] => {
    const earlier = old.get(caseId)
    return earlier === undefined ? [] : [{ caseId, before: earlier, after: epochs }]
  })
  const isAlike = (pair: Pair) => pair.before[0]?.caseHash === pair.after[0]?.caseHash
  const pairs = both.filter(isAlike)
  const changes = pairs
    .map(changeOf)
    .filter((change) => change.before !== change.after)
    .toSorted((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before))
  return {
    before: before.name,
    after: after.name,
    measures: measuresOf(pairs),
    better: changes.filter((change) => change.after > change.before),
    worse: changes.filter((change) => change.after < change.before),
    changed: both.filter((pair) => !isAlike(pair)).map(({ caseId }) => caseId),
    onlyBefore: [...old.keys()].filter((caseId) => !fresh.has(caseId)),
    onlyAfter: [...fresh.keys()].filter((caseId) => !old.has(caseId)),
    cost: meansOf(pairs, ({ cost }) => cost),
    latencyMs: meansOf(pairs, ({ latencyMs }) => latencyMs),
  }
}

type Value = (epoch: EvaluationCase) => number | undefined

const scoreOf: Value = ({ score }) => score ?? undefined

const changeOf = ({ caseId, before, after }: Pair): Change => ({
  caseId,
  input: after[0]?.input ?? '',
  before: mean(before, scoreOf) ?? 0,
  after: mean(after, scoreOf) ?? 0,
})

function mean(epochs: readonly EvaluationCase[], of: Value): number | undefined {
  const values = epochs.flatMap((epoch) => of(epoch) ?? [])
  return values.length === 0 ? undefined : meanOf(values)
}

const meansOf = (pairs: readonly Pair[], of: Value): { before: number; after: number } => ({
  before: meanOf(pairs.map((pair) => mean(pair.before, of) ?? 0)),
  after: meanOf(pairs.map((pair) => mean(pair.after, of) ?? 0)),
})

function measuresOf(pairs: readonly Pair[]): Measured[] {
  const scorers = new Set(
    pairs.flatMap(({ after }) => after.flatMap(({ scores }) => scores.map(({ scorer }) => scorer))),
  )
  const named: [string, Value][] = [
    ['score', scoreOf],
    ['passed', ({ passed }) => Number(passed)],
    ...[...scorers]
      .sort()
      .map((name): [string, Value] => [
        name,
        ({ scores }) => scores.find(({ scorer }) => scorer === name)?.score,
      ]),
  ]
  return named.flatMap(([measure, of]) => measured(measure, pairs, of))
}

function measured(measure: string, pairs: readonly Pair[], of: Value): Measured[] {
  const values = pairs.flatMap((pair) => {
    const [before, after] = [mean(pair.before, of), mean(pair.after, of)]
    return before === undefined || after === undefined ? [] : [{ before, after }]
  })
  const test = pairedTest(values.map(({ before, after }) => after - before))
  if (test === null) return []
  const before = meanOf(values.map((value) => value.before))
  const after = meanOf(values.map((value) => value.after))
  return [{ measure, before, after, pairs: values.length, ...test }]
}
