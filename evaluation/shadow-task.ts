// One real task through a candidate: a fork from its first step, and what differs.
import { hash } from 'node:crypto'
import type { EvaluationCase, EvaluationRun } from '../api/schemas/evaluations.ts'
import type { Client, TaskResult } from '../client/types.ts'
import type { ForkOptions } from '../operator/direct/tasks/forks.ts'
import { compareResults } from '../operator/direct/tasks/comparison.ts'
import type { Operator } from '../operator/index.ts'
import { FlotillaError, type ErrorCode } from '../runtime/errors.ts'
import { taskIdPattern } from '../schemas/task-id.ts'
import { textOf } from './cases.ts'
import { caseRow, unscored } from './rows.ts'
import type { Scored } from './score.ts'
import { shownText } from './scorers/text.ts'
import { askWithin, cutOffAttempt, EVALUATION_PRIORITY, isNoAnswer, taskIdOf, type Asking } from './tasks.ts'

/** Ids of delegated tasks are hashes of the calls that they answer. */
const DELEGATED_ID = /^[0-9a-f]{32}$/

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
  'TASK_INVALID',
  'PAYLOAD_MISSING',
  'RECORD_TOO_LARGE',
  'REQUEST_INVALID',
  // Its records are too far back to be found in time.
  'SEARCH_UNFINISHED',
])

/**
 * The scored task and its origin, or why it can't be run again; null for one that no user asked. `share`: of the run's cost limit (spending.ts). `before`: its
 * case as an earlier session stored it.
 */
export async function shadowTask(
  parts: ShadowTaskParts,
  taskId: string,
  share: number,
  before: EvaluationCase | undefined,
): Promise<ShadowedTask | string | null> {
  const { run, candidate, tools, client, operator, asking } = parts
  try {
    const origin = await client.find(taskId)
    if (origin === null) return 'the log no longer has its result'
    const { text, parent, maxCost = null } = await operator.forks.submission(taskId)
    if (parent !== undefined && (await isDelegated(client, taskId, parent))) return null
    const changes = { ...candidate, tools, priority: EVALUATION_PRIORITY }
    const { result, isCutOff } = await askWithin(
      asking,
      {
        submit: (forkId, limit) =>
          operator.forks.fork(taskId, {
            ...changes,
            ...(limit === null ? {} : { maxCost: limit }),
            taskId: forkId,
          }),
        idOf: (attempt) => taskIdOf(run.id, ['shadow', taskId], attempt),
        behind: cutOffAttempt(before),
        ownMaxCost: maxCost,
      },
      share,
    )
    // Of both results: retention may have taken the origin meanwhile, but what was paid is counted.
    const { firstDifference, sameOutput } = compareResults(origin, result)
    const of = { id: taskId, input: text, scorers: [], task: {}, metadata: {}, hash: hash('sha256', text) }
    const step = firstDifference?.step ?? null
    // What the cost limit of the run cut off, or the fleet refused, says nothing of the candidate.
    const scored =
      isCutOff || isNoAnswer(result) ? unscored(result) : scoresOf(origin, result, sameOutput, step)
    const row = caseRow({ of, model: run.models[0] ?? '', epoch: 1 }, result, scored)
    const metadata = { refusedCalls: result.refusedCalls.length, firstDifference: step }
    return { row: { ...row, metadata }, origin }
  } catch (error) {
    if (error instanceof FlotillaError && skippable.has(error.code)) return error.message
    throw error
  }
}

/** Whether another agent's call became this task. `parent` alone is a label that anyone may write. */
async function isDelegated(client: Pick<Client, 'find'>, taskId: string, parent: string): Promise<boolean> {
  if (!taskIdPattern.test(parent)) return false
  const asking = await client.find(parent)
  // It still runs, or the log no longer has its result.
  if (asking === null) return DELEGATED_ID.test(taskId)
  return asking.steps.some(({ toolCalls }) => toolCalls.some(({ child }) => child?.taskId === taskId))
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
