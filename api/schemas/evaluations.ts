// Runs of evaluations, and the scores of their cases.
import { z } from 'zod'
import { json } from './values.ts'

/** A text that is kept with a case: longer ones are cut before they are sent. */
export const MAX_KEPT_CHARS = 20_000
const MAX_ID_CHARS = 128
const MAX_MODELS = 20

const id = z.string().min(1).max(MAX_ID_CHARS)
const share = z.number().min(0).max(1)
const amount = z.number().min(0)
const wholeAmount = z.int().min(0)
/** As many as a column of the ledger holds. */
const counted = z.int().max(2_147_483_647)
/** Within a Date's range: the ledger of one process reads no number of 2^53 and more back. */
const storedMs = z.int().min(0).max(8_640_000_000_000_000).meta({ description: 'Epoch milliseconds.' })

/** The id of a run: as given, or made by the command. */
export const runIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

const runId = z
  .string()
  .regex(runIdPattern, { error: 'must have letters, digits, dots, dashes and underscores, at most 64' })
  .meta({ description: 'Id of the run.', pattern: runIdPattern.source, examples: ['ev-20261128-1a2b3c'] })

const evaluationScore = z
  .object({
    scorer: id,
    score: share.meta({ description: '0 (wrong) to 1 (right).' }),
    weight: amount,
    passed: z.boolean(),
    reason: z.string().max(MAX_KEPT_CHARS).nullable().meta({ description: 'Why not more.' }),
  })
  .meta({ id: 'EvaluationScore' })

export const evaluationCase = z
  .object({
    caseId: id,
    model: id.meta({ description: 'As the run names it; `default`: the choice of the agent.' }),
    epoch: counted.min(1),
    taskId: id,
    caseHash: id.meta({ description: 'Of what was asked and how it is scored.' }),
    status: z.string().max(MAX_ID_CHARS).meta({ description: 'Status of the task.' }),
    passed: z.boolean().meta({ description: 'Every scorer passed.' }),
    score: share.nullable().meta({ description: 'Weighted mean; null: it could not be scored.' }),
    scores: z.array(evaluationScore).max(100),
    problem: z.string().max(MAX_KEPT_CHARS).nullable().meta({ description: 'Why it could not be scored.' }),
    input: z.string().max(MAX_KEPT_CHARS).meta({ description: 'Beginning of what was asked.' }),
    output: json.meta({ description: 'The answer; of a long one the beginning, as text.' }),
    metadata: z.record(z.string(), json).meta({ description: 'Labels of the case.' }),
    answeredBy: z.string().nullable().meta({ description: 'The model that answered.' }),
    cost: amount.meta({ description: 'US dollars, without judges.' }),
    judgeCost: amount.meta({ description: 'US dollars, of models as judges.' }),
    costIsGuess: z.boolean(),
    latencyMs: amount,
    steps: counted.min(0),
    inputTokens: wholeAmount,
    outputTokens: wholeAmount,
    errorCode: z.string().nullable(),
    scoredAtMs: storedMs,
  })
  .meta({ id: 'EvaluationCase' })

export const promotedCase = z
  .looseObject({ id, input: z.string(), expected: json.exactOptional(), outcomes: z.array(json) })
  .meta({ id: 'PromotedCase' })

const runStates = ['running', 'completed', 'stopped'] as const

export const evaluationRun = z
  .object({
    id: runId,
    name: id.meta({ description: 'Name of the data set.' }),
    dataset: z.string().max(4_096).meta({ description: 'Where the data set was read.' }),
    datasetHash: id,
    agent: z.string().nullable(),
    models: z.array(id).min(1).max(MAX_MODELS),
    epochs: counted.min(1),
    cases: counted.min(0).meta({ description: 'Cases of the data set.' }),
    status: z.enum(runStates).meta({ description: 'stopped: before every case was scored.' }),
    startedAtMs: storedMs,
    endedAtMs: storedMs.nullable(),
    settings: json.meta({ description: 'Options of the run.' }),
    position: z
      .string()
      .max(4_096)
      .nullable()
      .exactOptional()
      .meta({ description: 'Of a run over real tasks: how far it has read tasks.completed.' }),
    summary: json.meta({
      description: 'By model: means with intervals, cost, latency; null until it ended.',
    }),
  })
  .meta({ id: 'EvaluationRun' })

const change = z.object({ caseId: id, input: z.string(), before: share, after: share })
const means = z.object({ before: amount, after: amount })

export const runComparison = z
  .object({
    before: z.string().meta({ description: 'Run and model.' }),
    after: z.string(),
    measures: z.array(
      z.object({
        measure: z.string().meta({ description: '`score`, `passed`, or a scorer.' }),
        before: z.number(),
        after: z.number(),
        pairs: z.number().meta({ description: 'Cases that both have.' }),
        difference: z.number(),
        p: share.meta({ description: 'Of the paired test, two-sided.' }),
        method: z.string(),
        different: z.number().meta({ description: 'Pairs that differ.' }),
      }),
    ),
    better: z.array(change).meta({ description: 'The largest change first.' }),
    worse: z.array(change),
    changed: z.array(id).meta({ description: 'Asked or scored otherwise: left out.' }),
    onlyBefore: z.array(id),
    onlyAfter: z.array(id),
    cost: means.meta({ description: 'US dollars a case.' }),
    latencyMs: means,
  })
  .meta({ id: 'RunComparison' })

export type EvaluationScore = z.infer<typeof evaluationScore>
export type EvaluationCase = z.infer<typeof evaluationCase>
export type EvaluationRun = z.infer<typeof evaluationRun>
export type PromotedCase = z.infer<typeof promotedCase>
export type RunComparison = z.infer<typeof runComparison>
