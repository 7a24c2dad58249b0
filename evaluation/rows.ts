// What a case of a run is as a task, and what is stored of it.
import { MAX_KEPT_CHARS, type EvaluationCase, type EvaluationRun } from '../api/schemas/evaluations.ts'
import type { TaskInput, TaskResult } from '../client/types.ts'
import { shortened } from '../runtime/text/bounded-text.ts'
import { toFailure, type FlotillaError } from '../runtime/errors.ts'
import type { ToolPolicy } from '../runtime/task/recording.ts'
import { noUsage } from '../runtime/task/result.ts'
import type { Json } from '../schemas/json.ts'
import { costOf, type Answer, type Case } from './cases.ts'
import type { Scored } from './score.ts'
import { judgeText, verdictSchema } from './scorers/judge.ts'
import type { SpecOf } from './scorers/specs.ts'
import { EVALUATION_PRIORITY } from './tasks.ts'

/** The model of an agent, where a run names none. */
export const OWN_MODEL = 'default'

const MAX_PROBLEM_CHARS = 1_000

/** One answer that a run needs. */
export interface Item {
  readonly of: Case
  readonly model: string
  readonly epoch: number
}

/** The first epoch of every case, then the second. */
export const itemsOf = ({ epochs, models }: EvaluationRun, cases: readonly Case[]): Item[] =>
  Array.from({ length: epochs }, (_, index) =>
    cases.flatMap((of) => models.map((model) => ({ of, model, epoch: index + 1 }))),
  ).flat()

export const keyOf = (caseId: string, model: string, epoch: number): string =>
  JSON.stringify([caseId, model, epoch])

export interface CommonFields {
  readonly userId?: string
  /** Default: recorded for a case that brings outcomes, else live. */
  readonly tools?: Exclude<ToolPolicy, 'ask'>
}

/** `maxCost`: its share of the run's limit. */
export function taskOf(
  { id, agent }: EvaluationRun,
  { of, model, epoch }: Item,
  maxCost: number | null,
  { tools, userId }: CommonFields,
): TaskInput {
  const { outcomes } = of
  const isRecorded = outcomes !== undefined && tools !== 'live' && tools !== 'refuse'
  return {
    ...of.task,
    text: of.input,
    priority: EVALUATION_PRIORITY,
    metadata: { evaluation: id, case: of.id, epoch: String(epoch) },
    ...(agent === null ? {} : { agent }),
    ...(model === OWN_MODEL ? {} : { model }),
    ...(maxCost === null ? {} : { maxCost }),
    ...(isRecorded ? { recording: { outcomes: [...outcomes] } } : {}),
    ...(tools === undefined ? {} : { toolPolicy: tools }),
    ...(userId === undefined ? {} : { userId }),
  }
}

/** The task of a judge. */
export function judgeTaskOf(
  { id }: EvaluationRun,
  { input, expected, text, result: { taskId } }: Answer,
  { rubric, model }: SpecOf<'judge'>,
  more: Pick<TaskInput, 'agent' | 'userId'>,
): TaskInput {
  const secret = `${id} ${taskId}`
  return {
    text: judgeText({ rubric, input, text, secret, ...(expected === undefined ? {} : { expected }) }),
    outputSchema: verdictSchema as unknown as NonNullable<TaskInput['outputSchema']>,
    priority: EVALUATION_PRIORITY,
    metadata: { evaluation: id, judges: taskId },
    // It has no tools; nothing that it reads can change that.
    toolPolicy: 'refuse',
    ...(model === undefined ? {} : { model }),
    ...more,
  }
}

/** What is kept of a result. */
export type Kept = Pick<
  TaskResult,
  'taskId' | 'status' | 'output' | 'usage' | 'childrenCost' | 'steps' | 'executionTime' | 'model' | 'error'
>

/** In place of the result of a task that can't even be submitted. */
export const unasked = (taskId: string, error: FlotillaError): Kept => ({
  taskId,
  status: 'rejected',
  output: null,
  usage: noUsage,
  childrenCost: null,
  steps: [],
  executionTime: 0,
  model: null,
  error: toFailure(error),
})

export const unscored = ({ status, error }: Pick<TaskResult, 'status' | 'error'>): Scored => ({
  score: null,
  passed: false,
  scores: [],
  problem: error?.message ?? status,
  judgeCost: 0,
  costIsGuess: false,
})

export function caseRow({ of, model, epoch }: Item, result: Kept, scored: Scored): EvaluationCase {
  const { usage, steps, executionTime, error } = result
  const { problem } = scored
  return {
    caseId: of.id,
    model,
    epoch,
    taskId: result.taskId,
    caseHash: of.hash,
    status: result.status,
    passed: scored.passed,
    score: scored.score,
    scores: scored.scores,
    problem: problem === null ? null : shortened(problem, MAX_PROBLEM_CHARS),
    input: shortened(of.input, MAX_KEPT_CHARS - 1),
    output: keptOutput(result.output),
    metadata: { ...of.metadata },
    answeredBy: result.model,
    cost: costOf(result),
    judgeCost: scored.judgeCost,
    costIsGuess: usage.costIsGuess || scored.costIsGuess,
    latencyMs: executionTime,
    steps: steps.length,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    errorCode: error?.code ?? null,
    scoredAtMs: Date.now(),
  }
}

function keptOutput(output: Json): Json {
  const text = JSON.stringify(output)
  if (text.length <= MAX_KEPT_CHARS) return output
  return shortened(typeof output === 'string' ? output : text, MAX_KEPT_CHARS / 2)
}
