// Runs what users really asked through a candidate, and says what would have changed.
//
// 1. Each task is forked from its first step: the candidate's tool calls are answered by recorded outcomes, or refused.
//    No tool is called, so nothing outside changes.
// 2. Which tasks are taken is decided by a hash of their ids, so that the same sample is taken again.
import { hash } from 'node:crypto'
import type { EvaluationCase, EvaluationRun } from '../api/schemas/evaluations.ts'
import type { Client, TaskResult } from '../client/types.ts'
import type { Operator } from '../operator/index.ts'
import type { ForkOptions } from '../operator/direct/forks.ts'
import { FlotillaError, type ErrorCode } from '../runtime/errors.ts'
import { textOf } from './cases.ts'
import { caseRow, unscored } from './rows.ts'
import type { Scored } from './score.ts'
import { shownText } from './scorers/text.ts'
import { EVALUATION_PRIORITY } from './tasks.ts'

export interface ShadowOptions {
  readonly sinceMs: number
  /** Share of the tasks, 0 to 1. */
  readonly sample: number
  /** Tasks at most, the latest first. */
  readonly limit: number
  readonly candidate: Pick<ForkOptions, 'agent' | 'model' | 'profile' | 'instructions'>
  readonly tools: 'recorded' | 'refuse'
  readonly concurrency: number
  /** US dollars; null: no limit. */
  readonly maxCost: number | null
}

export interface ShadowParts {
  readonly client: Client
  readonly operator: Operator
  readonly signal: AbortSignal
  readonly onCase: (scored: EvaluationCase, progress: { done: number; total: number; spent: number }) => void
}

export interface Shadowed {
  readonly cases: readonly EvaluationCase[]
  readonly origins: ReadonlyMap<string, TaskResult>
  /** Tasks that can't be run again, and why. */
  readonly skipped: readonly { readonly taskId: string; readonly why: string }[]
  /** Not run, or cut off, because of the cost limit or an interrupt. */
  readonly leftOut: number
}

const PAGE = 500
const ended = ['succeeded', 'failed', 'timed_out']
/** Failures of one task: the others are run all the same. */
const skippable: ReadonlySet<string> = new Set<ErrorCode>([
  'EVENTS_GONE',
  'TASK_OPEN',
  'TASK_UNKNOWN',
  'PAYLOAD_MISSING',
  'RECORD_TOO_LARGE',
  'REQUEST_INVALID',
])

/** Ids of the tasks that users submitted, the latest first. */
export async function sampledTasks(
  { tasks }: Pick<Operator, 'tasks'>,
  { sinceMs, sample, limit }: ShadowOptions,
): Promise<string[]> {
  const found: string[] = []
  for (let after: string | null | undefined; after !== null && found.length < limit;) {
    const query = { sinceMs, limit: PAGE }
    const page = await tasks.list(after === undefined ? query : { ...query, after })
    for (const { taskId, status } of page.tasks)
      if (ended.includes(status) && !taskId.startsWith('eval-') && isSampled(taskId, sample))
        found.push(taskId)
    after = page.next
  }
  return found.slice(0, limit)
}

const isSampled = (taskId: string, sample: number): boolean =>
  Number.parseInt(hash('sha256', taskId).slice(0, 8), 16) / 2 ** 32 < sample

export async function shadow(
  run: EvaluationRun,
  ids: readonly string[],
  options: ShadowOptions,
  parts: ShadowParts,
): Promise<Shadowed> {
  const waiting = [...ids]
  const cases: EvaluationCase[] = []
  const origins = new Map<string, TaskResult>()
  const skipped: { taskId: string; why: string }[] = []
  const spent = () => cases.reduce((sum, { cost }) => sum + cost, 0)
  const { concurrency, maxCost } = options
  let running = 0
  const mayStart = (): boolean => {
    if (parts.signal.aborted) return false
    if (maxCost === null || cases.length === 0) return maxCost === null || running === 0
    return spent() + (spent() / cases.length) * (running + 1) <= maxCost
  }
  const worker = async (): Promise<void> => {
    while (waiting.length > 0 && mayStart()) {
      const taskId = waiting.shift() ?? ''
      running += 1
      try {
        const left = maxCost === null ? null : Math.max(maxCost - spent(), Number.EPSILON)
        const one = await shadowOne(run, taskId, left, options, parts)
        if (typeof one === 'string') skipped.push({ taskId, why: one })
        else {
          await parts.operator.evaluations.add(run.id, [one.row])
          cases.push(one.row)
          origins.set(taskId, one.origin)
          parts.onCase(one.row, { done: cases.length + skipped.length, total: ids.length, spent: spent() })
        }
      } finally {
        running -= 1
      }
    }
  }
  // With a cost limit the first one says what one costs.
  if (maxCost !== null) {
    const rest = waiting.splice(1)
    await worker()
    waiting.push(...rest)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return {
    cases,
    origins,
    skipped,
    leftOut: waiting.length + cases.filter(({ score }) => score === null).length,
  }
}

/** The scored task and its origin, or why it can't be run again. `left`: of the cost limit. */
async function shadowOne(
  { id: runId, models }: EvaluationRun,
  taskId: string,
  left: number | null,
  { candidate, tools }: ShadowOptions,
  { client, operator }: ShadowParts,
): Promise<{ row: EvaluationCase; origin: TaskResult } | string> {
  try {
    const origin = await client.find(taskId)
    if (origin === null) return 'the log no longer has its result'
    if (origin.forkedFrom !== null) return 'it is a fork itself'
    const { text, maxCost } = await operator.forks.submission(taskId)
    const limit = left === null ? {} : { maxCost: Math.min(maxCost ?? left, left) }
    const changes = { ...candidate, ...limit, tools, priority: EVALUATION_PRIORITY }
    const forked = await operator.forks.fork(taskId, changes)
    const result = await client.result(forked.taskId)
    const { firstDifference, sameOutput } = await operator.forks.compare(taskId, forked.taskId)
    const of = {
      id: taskId,
      input: text,
      scorers: [],
      task: {},
      metadata: { shadow: runId },
      hash: hash('sha256', text),
    }
    // What the cost limit of the run cut off says nothing of the candidate.
    const isCut = left !== null && result.error?.code === 'COST_LIMIT' && result.usage.cost >= left
    const scored = isCut
      ? unscored(result)
      : scoresOf(origin, result, sameOutput, firstDifference?.step ?? null)
    const row = caseRow({ of, model: models[0] ?? '', epoch: 1 }, result, scored)
    return {
      row: {
        ...row,
        metadata: {
          refusedCalls: result.refusedCalls.length,
          firstDifference: firstDifference?.step ?? null,
        },
      },
      origin,
    }
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
