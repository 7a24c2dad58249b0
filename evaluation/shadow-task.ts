// One real task through a candidate: a fork from its first step, and what differs.
import { hash } from 'node:crypto'
import type { EvaluationCase, EvaluationRun } from '../api/schemas/evaluations.ts'
import type { Client, TaskResult } from '../client/types.ts'
import type { ForkOptions } from '../operator/direct/forks.ts'
import type { Operator } from '../operator/index.ts'
import { FlotillaError, type ErrorCode } from '../runtime/errors.ts'
import { textOf } from './cases.ts'
import { caseRow, unscored } from './rows.ts'
import type { Scored } from './score.ts'
import { shownText } from './scorers/text.ts'
import { askFleet, EVALUATION_PRIORITY, isNoAnswer, taskIdOf, type Asking } from './tasks.ts'

/** What is tried in place of what the task had. */
export type Candidate = Pick<ForkOptions, 'agent' | 'model' | 'profile' | 'userId'>

export interface ShadowedTask {
  readonly row: EvaluationCase
  readonly origin: TaskResult
}

export interface ShadowTaskParts {
  readonly run: EvaluationRun
  readonly candidate: Candidate
  readonly tools: 'recorded' | 'refuse'
  readonly client: Client
  readonly operator: Pick<Operator, 'forks'>
  readonly asking: Asking
}

/** Failures of one task: the others are run all the same. */
const skippable: ReadonlySet<string> = new Set<ErrorCode>([
  'EVENTS_GONE',
  'TASK_OPEN',
  'TASK_UNKNOWN',
  'PAYLOAD_MISSING',
  'RECORD_TOO_LARGE',
  'REQUEST_INVALID',
])

/**
 * The scored task and its origin, or why it can't be run again. `left`: of the cost limit; null: there is none.
 * `before`: its case as an earlier session stored it.
 */
export async function shadowTask(
  parts: ShadowTaskParts,
  taskId: string,
  left: number | null,
  before: EvaluationCase | undefined,
): Promise<ShadowedTask | string> {
  const { run, candidate, tools, client, operator, asking } = parts
  try {
    const origin = await client.find(taskId)
    if (origin === null) return 'the log no longer has its result'
    const { text, maxCost } = await operator.forks.submission(taskId)
    const limit = left === null ? {} : { maxCost: Math.min(maxCost ?? left, left) }
    const changes = { ...candidate, ...limit, tools, priority: EVALUATION_PRIORITY }
    const result = await askFleet(asking, {
      submit: (forkId) => operator.forks.fork(taskId, { ...changes, taskId: forkId }),
      idOf: (attempt) => taskIdOf(run.id, ['shadow', taskId], attempt),
      before,
    })
    const { firstDifference, sameOutput } = await operator.forks.compare(taskId, result.taskId)
    const of = { id: taskId, input: text, scorers: [], task: {}, metadata: {}, hash: hash('sha256', text) }
    // What the cost limit of the run cut off, or the fleet refused, says nothing of the candidate.
    const isCut = left !== null && result.error?.code === 'COST_LIMIT' && result.usage.cost >= left
    const step = firstDifference?.step ?? null
    const scored = isCut || isNoAnswer(result) ? unscored(result) : scoresOf(origin, result, sameOutput, step)
    const row = caseRow({ of, model: run.models[0] ?? '', epoch: 1 }, result, scored)
    const metadata = { refusedCalls: result.refusedCalls.length, firstDifference: step }
    return { row: { ...row, metadata }, origin }
  } catch (error) {
    if (error instanceof FlotillaError && skippable.has(error.code)) return error.message
    throw error
  }
}

function scoresOf(
  origin: TaskResult,
  result: TaskResult,
  sameOutput: boolean,
  differsIn: number | null,
): Scored {
  const score = (scorer: string, isRight: boolean, reason: string) => ({
    scorer,
    score: Number(isRight),
    weight: 1,
    passed: isRight,
    reason: isRight ? null : reason,
  })
  const scores = [
    score(
      'same output',
      sameOutput,
      `${shownText(textOf(result.output))} in place of ${shownText(textOf(origin.output))}`,
    ),
    score('same steps', differsIn === null, `step ${differsIn} is the first that differs`),
    score('same status', origin.status === result.status, `${result.status} in place of ${origin.status}`),
    score(
      'no refused calls',
      result.refusedCalls.length === 0,
      `it would have called ${result.refusedCalls.map(({ tool }) => tool).join(', ')} otherwise`,
    ),
  ]
  const isSame = sameOutput && origin.status === result.status
  return { score: Number(isSame), passed: isSame, scores, problem: null, judgeCost: 0, costIsGuess: false }
}
