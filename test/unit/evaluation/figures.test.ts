// Summaries, comparisons and thresholds of made-up runs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EvaluationCase } from '../../../api/schemas/evaluations.ts'
import { compare } from '../../../evaluation/comparison.ts'
import { summarise } from '../../../evaluation/summary.ts'
import { checkThresholds, readThreshold } from '../../../evaluation/thresholds.ts'

function scored(caseId: string, score: number | null, changes: Partial<EvaluationCase> = {}): EvaluationCase {
  return {
    caseId,
    model: 'm',
    epoch: 1,
    taskId: `task-${caseId}`,
    caseHash: 'hash',
    status: 'succeeded',
    passed: score === 1,
    score,
    scores: score === null ? [] : [{ scorer: 'exact', score, weight: 1, passed: score === 1, reason: null }],
    problem: null,
    input: 'input',
    output: 'output',
    metadata: {},
    answeredBy: 'provider/m',
    cost: 0.01,
    judgeCost: 0.001,
    costIsGuess: false,
    latencyMs: 100,
    steps: 2,
    inputTokens: 10,
    outputTokens: 5,
    errorCode: null,
    scoredAtMs: 1,
    ...changes,
  }
}

test('a case counts once, with the mean of its epochs; what has no score counts nowhere but in the cost', () => {
  const [column] = summarise(
    ['m'],
    [
      scored('a', 1),
      scored('a', 1, { epoch: 2 }),
      scored('b', 1),
      scored('b', 0, { epoch: 2 }),
      scored('c', null),
    ],
  )
  assert.equal(column?.score?.mean, 0.75)
  assert.equal(column.score.cases, 2)
  assert.deepEqual(column.passHat, [0.75, 0.5])
  assert.deepEqual(column.flapping, ['b'])
  assert.deepEqual([column.scored, column.unscored], [4, 1])
  assert.equal(column.cost.toFixed(3), '0.050')
  assert.deepEqual(column.scorers['exact']?.mean, 0.75)
})

test('a comparison pairs cases by id, and leaves out those that are asked otherwise', () => {
  const before = ['a', 'b', 'c', 'd'].map((id) => scored(id, id === 'a' ? 1 : 0))
  const after = [
    scored('a', 0),
    scored('b', 1),
    scored('c', 1),
    scored('d', 1, { caseHash: 'another' }),
    scored('e', 1),
  ]
  const found = compare({ name: 'x m', cases: before }, { name: 'y m', cases: after })
  assert.deepEqual(found.better.map(({ caseId }) => caseId).sort(), ['b', 'c'])
  assert.deepEqual(
    found.worse.map(({ caseId }) => caseId),
    ['a'],
  )
  assert.deepEqual([found.changed, found.onlyBefore, found.onlyAfter], [['d'], [], ['e']])
  const [score] = found.measures
  assert.deepEqual([score?.measure, score?.pairs, score?.method, score?.p], ['score', 3, 'exact McNemar', 1])
})

test('thresholds: of scorers and of the run; what does not exist is refused with what there is', () => {
  const summary = summarise(['m'], [scored('a', 1), scored('b', 0.5)])
  const scorers = new Set(['exact'])
  const read = (text: string) => readThreshold(text, scorers, 2)
  const checked = checkThresholds(
    ['exact>=0.75', 'exact > 0.75', 'passed<=0.5', 'pass^1>=0.5', 'pass^2>0', 'cost<1', 'unscored<=0'].map(
      read,
    ),
    summary,
  )
  assert.deepEqual(
    checked.map(({ reached }) => reached),
    [true, false, true, true, false, true, true],
  )
  assert.throws(() => read('precise>=1'), /there are: exact, score, passed/)
  assert.throws(() => read('exact=1'), /write it as exact>=0\.9/)
  assert.throws(() => read('pass^3>0'), /needs 3 epochs, the run has 2/)
})
