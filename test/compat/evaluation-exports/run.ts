// A run of two models with everything that an exporter meets: epochs, failures, odd ids, long and structured outputs.
import type { EvaluationCase, EvaluationRun } from '../../../api/schemas/evaluations.ts'

export const run: EvaluationRun = {
  id: 'ev-20261128-1a2b3c',
  name: 'capitals',
  dataset: 'capitals.jsonl',
  datasetHash: 'd'.repeat(64),
  agent: 'researcher',
  models: ['gpt-4o', 'groq/llama-3.3'],
  epochs: 2,
  cases: 3,
  status: 'completed',
  startedAtMs: Date.UTC(2026, 10, 28, 12),
  endedAtMs: Date.UTC(2026, 10, 28, 12, 5),
  settings: { concurrency: 4 },
  summary: null,
}

const caseOf = (change: Partial<EvaluationCase>): EvaluationCase => ({
  caseId: 'france',
  model: 'gpt-4o',
  epoch: 1,
  taskId: `task-${change.model ?? 'gpt-4o'}-${change.caseId ?? 'france'}-${change.epoch ?? 1}`,
  caseHash: 'c'.repeat(64),
  status: 'succeeded',
  passed: true,
  score: 1,
  scores: [
    { scorer: 'exact', score: 1, weight: 1, passed: true, reason: null },
    { scorer: 'judge', score: 1, weight: 3, passed: true, reason: 'as short as it can be' },
  ],
  problem: null,
  input: 'Capital of France?',
  output: 'Paris',
  metadata: { region: 'europe', flags: ['a'] },
  answeredBy: 'gpt-4o-2026',
  cost: 0.01,
  judgeCost: 0.002,
  costIsGuess: false,
  latencyMs: 1_500,
  steps: 2,
  inputTokens: 100,
  outputTokens: 10,
  errorCode: null,
  scoredAtMs: Date.UTC(2026, 10, 28, 12, 1),
  ...change,
})

const wrong = {
  passed: false,
  score: 0.25,
  scores: [
    { scorer: 'exact', score: 0, weight: 1, passed: false, reason: 'not equal' },
    { scorer: 'judge', score: 0.5, weight: 1, passed: false, reason: 'nearly' },
  ],
}
const failed = {
  passed: false,
  score: null,
  scores: [],
  problem: 'the judge gave no verdict',
  output: null,
  answeredBy: null,
  errorCode: 'MODEL_UNAVAILABLE',
  status: 'failed',
}

export const cases: readonly EvaluationCase[] = [
  caseOf({}),
  caseOf({ epoch: 2, ...wrong, output: { city: 'Lyon', note: '\u0000"\\ 💡 \ud83d' } }),
  caseOf({ caseId: '../../etc/é', input: 'Hauptstadt?' }),
  caseOf({ caseId: 'nested/id', ...failed }),
  caseOf({ model: 'groq/llama-3.3', ...wrong, output: 'x'.repeat(20_000) }),
]
