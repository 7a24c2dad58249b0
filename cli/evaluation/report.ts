// Shows a run, its cases and comparisons to people.
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import type { Change, Comparison } from '../../evaluation/comparison.ts'
import type { Interval } from '../../evaluation/statistics.ts'
import type { ModelSummary, Summary } from '../../evaluation/summary.ts'
import type { Checked } from '../../evaluation/thresholds.ts'
import { paint, print } from '../output/output.ts'
import { shorten } from '../output/render.ts'
import { printTable } from '../output/table.ts'
import { elapsed, money, plural } from '../output/units.ts'

const SHOWN_CASES = 20

export const summaryIn = (run: EvaluationRun): Summary => (run.summary ?? []) as unknown as Summary

/** 0.83 [0.55, 0.95] */
const shownInterval = (interval: Interval | null | undefined): string =>
  interval ? `${interval.mean.toFixed(2)} [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]` : '–'

export function printRun(run: EvaluationRun): void {
  const agent = run.agent === null ? '' : `, agent ${run.agent}`
  print(
    `${paint('bold', run.id)} ${run.name}: ${plural(run.cases, 'case')}, ${plural(run.epochs, 'epoch')}${agent}, ${run.status}`,
  )
  const summary = summaryIn(run)
  if (summary.length === 0) return print('Its cases are not summarised yet: the run has not ended.')
  const columns = [{ name: 'mean [95 %]' }, ...summary.map(({ model }) => ({ name: model, keep: true }))]
  printTable(columns, rowsOf(summary))
  for (const { model, flapping } of summary)
    if (flapping.length > 0)
      print(`Flapping with ${model}: ${flapping.slice(0, SHOWN_CASES).join(', ')}${more(flapping.length)}`)
}

const more = (count: number): string => (count > SHOWN_CASES ? ` and ${count - SHOWN_CASES} more` : '')

function rowsOf(summary: Summary): string[][] {
  const scorers = [...new Set(summary.flatMap((column) => Object.keys(column.scorers)))].sort()
  const row = (name: string, of: (column: ModelSummary) => string): string[] => [name, ...summary.map(of)]
  const epochs = Math.max(...summary.map(({ passHat }) => passHat.length))
  const hats = Array.from({ length: epochs }, (_, index) =>
    row(`pass^${index + 1}`, ({ passHat }) => passHat[index]?.toFixed(2) ?? '–'),
  )
  return [
    ...scorers.map((name) => row(name, (column) => shownInterval(column.scorers[name]))),
    row('score', ({ score }) => shownInterval(score)),
    row('passed', ({ passed }) => shownInterval(passed)),
    ...(epochs > 1 ? hats : []),
    row('scored', ({ scored, unscored }) => (unscored === 0 ? String(scored) : `${scored}, ${unscored} not`)),
    row('cost', ({ cost, costIsGuess }) => `${money(cost)}${costIsGuess ? ' (a guess)' : ''}`),
    ...(summary.some(({ judgeCost }) => judgeCost > 0)
      ? [row('judges', ({ judgeCost }) => money(judgeCost))]
      : []),
    row('latency p50, p95', ({ scored, latencyMs: { p50, p95 } }) =>
      scored === 0 ? '–' : `${elapsed(p50)}, ${elapsed(p95)}`,
    ),
    row('steps', ({ scored, steps }) => (scored === 0 ? '–' : steps.toFixed(1))),
    row('answered by', ({ answeredBy }) => answeredBy.join(', ') || '–'),
  ]
}

/** The cases that did not pass, and those that have no score, with the first reason. */
export function printFailures(cases: readonly EvaluationCase[]): void {
  const failed = cases.filter(({ passed }) => !passed)
  printWith(
    'did not pass',
    'answer',
    failed.filter(({ score }) => score !== null),
  )
  printWith(
    'without a score',
    'case',
    failed.filter(({ score }) => score === null),
  )
}

function printWith(what: string, noun: string, failed: readonly EvaluationCase[]): void {
  if (failed.length === 0) return
  print(`\n${plural(failed.length, noun)} ${what}:`)
  for (const { caseId, model, epoch, scores, problem } of failed.slice(0, SHOWN_CASES)) {
    const lacking = scores.find(({ passed }) => !passed)
    const why = problem ?? `${lacking?.scorer ?? ''}: ${lacking?.reason ?? ''}`
    print(`  ${caseId} ${model}${epoch > 1 ? ` epoch ${epoch}` : ''}  ${shorten(why, 140)}`)
  }
  if (failed.length > SHOWN_CASES) print(`  and ${failed.length - SHOWN_CASES} more: flotilla eval export`)
}

export function printComparison(comparison: Comparison): void {
  const { before, after, measures, better, worse, cost, latencyMs } = comparison
  print(`\n${paint('bold', `${after} against ${before}`)}`)
  const columns = ['measure', 'before', 'after', 'change', 'p', 'pairs', 'test'].map((name, index) => ({
    name,
    ...(index > 0 && index < 6 ? { kind: 'figure' as const } : {}),
  }))
  printTable(
    columns,
    measures.map((each) => [
      each.measure,
      each.before.toFixed(3),
      each.after.toFixed(3),
      `${each.difference >= 0 ? '+' : ''}${each.difference.toFixed(3)}`,
      each.p < 0.001 ? '<0.001' : each.p.toFixed(3),
      `${each.pairs}, ${each.different} differ`,
      each.method,
    ]),
  )
  print(
    `Cost of a case ${money(cost.before)} → ${money(cost.after)}, latency ${elapsed(latencyMs.before)} → ${elapsed(latencyMs.after)}`,
  )
  printChanges('Better', better)
  printChanges('Worse', worse)
  printLeftOut('Left out, because they are asked or scored otherwise', comparison.changed)
  printLeftOut('Only before', comparison.onlyBefore)
  printLeftOut('Only after', comparison.onlyAfter)
}

function printChanges(title: string, changes: readonly Change[]): void {
  if (changes.length === 0) return
  print(`${title}: ${plural(changes.length, 'case')}`)
  for (const { caseId, input, before, after } of changes.slice(0, SHOWN_CASES))
    print(`  ${caseId}  ${before.toFixed(2)} → ${after.toFixed(2)}  ${shorten(input, 80)}`)
  if (changes.length > SHOWN_CASES) print(`  and ${changes.length - SHOWN_CASES} more`)
}

function printLeftOut(title: string, ids: readonly string[]): void {
  if (ids.length > 0) print(`${title}: ${ids.slice(0, SHOWN_CASES).join(', ')}${more(ids.length)}`)
}

export function printThresholds(checked: readonly Checked[]): void {
  for (const { threshold, model, value, reached } of checked)
    print(
      `${paint(reached ? 'green' : 'red', reached ? 'reached' : 'missed')} ${threshold} with ${model}: ${value === null ? 'no value' : Number(value.toFixed(4))}`,
    )
}
