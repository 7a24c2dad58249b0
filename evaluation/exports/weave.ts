// A run to W&B Weave by its own SDK, as one evaluation for each model. The SDK is the user's: it is loaded where it is used.
//
// 1. The SDK repeats a batch that was refused until it ends the process. Here the first refusal is the error.
// 2. It prints on standard output what it does. Those lines go to standard error, so that results can be piped.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import { average, OVERALL } from './values.ts'

/** The part of the package `weave` that is used. */
interface WeaveClient {
  errorCount: number
  MAX_ERRORS: number
  /** Calls that are not sent yet. */
  readonly callQueue: unknown[]
  waitForBatchProcessing(): Promise<void>
}
interface Prediction {
  logScore(scorer: string, score: unknown): Promise<void>
  finish(): Promise<void>
}
interface EvaluationLogger {
  logPredictionAsync(inputs: Record<string, unknown>, output: unknown): Promise<Prediction>
  logSummary(summary: Record<string, unknown>): Promise<void>
}
export interface Weave {
  init(project: string, settings?: { printCallLink?: boolean }): Promise<WeaveClient>
  readonly EvaluationLogger: new (options: Record<string, unknown>) => EvaluationLogger
}

export interface WeaveTarget {
  /** `team/project`. */
  readonly project: string
  /** Whose node_modules holds the SDK. */
  readonly directory: string
}

const INSTALL = 'npm install weave'
/** Between looks at what the SDK reports only in a field. */
const LOOK_MS = 50
/** The SDK repeats requests for half a minute. */
const BASE_MS = 120_000
const CASE_MS = 2_000

/** Rejects with CONFIG_INVALID if the project, the key or the SDK is missing, with EXPORT_FAILED if Weave refuses. */
export async function exportToWeave(
  run: EvaluationRun,
  cases: readonly EvaluationCase[],
  { project, directory }: WeaveTarget,
): Promise<void> {
  if (!/^[^/\s]+\/[^/\s]+$/.test(project))
    throw new FlotillaError(
      'CONFIG_INVALID',
      `"${project.slice(0, 100)}" is no Weave project: give team/project`,
    )
  const weave = await loadWeave(directory)
  await withLogOnStderr(async () => {
    const client = await weave.init(project, { printCallLink: false }).catch((error: unknown) => {
      const how = 'set WANDB_API_KEY to a key of https://wandb.ai/authorize'
      throw new FlotillaError('CONFIG_INVALID', `Weave can't be reached: ${messageOf(error)}; ${how}`, {
        cause: error,
      })
    })
    client.MAX_ERRORS = Infinity
    const stop = new AbortController()
    const sent = sendAll(weave, client, run, cases, stop.signal)
    const limitMs = performance.now() + BASE_MS + cases.length * CASE_MS
    try {
      await Promise.race([sent, refusal(client, sent, limitMs)])
    } finally {
      stop.abort()
      client.callQueue.length = 0
    }
  })
}

async function loadWeave(directory: string): Promise<Weave> {
  try {
    const path = createRequire(join(directory, 'package.json')).resolve('weave')
    const module = (await import(pathToFileURL(path).href)) as { default?: Weave } & Weave
    return module.default ?? module
  } catch (error) {
    const message = `the package weave can't be loaded from ${directory}: run ${INSTALL} there`
    throw new FlotillaError('CONFIG_INVALID', `${message} (${messageOf(error)})`, { cause: error })
  }
}

async function sendAll(
  weave: Weave,
  client: WeaveClient,
  run: EvaluationRun,
  cases: readonly EvaluationCase[],
  signal: AbortSignal,
): Promise<void> {
  for (const model of run.models) {
    const own = cases.filter((each) => each.model === model)
    await sendModel(weave, run, model, own, signal)
    await client.waitForBatchProcessing()
  }
}

async function sendModel(
  { EvaluationLogger }: Weave,
  run: EvaluationRun,
  model: string,
  cases: readonly EvaluationCase[],
  signal: AbortSignal,
): Promise<void> {
  const scorers = [...new Set(cases.flatMap(({ scores }) => scores.map(({ scorer }) => scorer))), OVERALL]
  const { id, agent, datasetHash, epochs } = run
  const logger = new EvaluationLogger({
    name: `${run.name} ${id}`,
    dataset: run.name,
    model: { name: model },
    scorers,
    attributes: { flotilla: { run: id, agent, datasetHash, epochs } },
  })
  for (const each of cases) {
    if (signal.aborted) return
    const { caseId, epoch, input, metadata, taskId } = each
    const prediction = await logger.logPredictionAsync(
      { caseId, epoch, input, metadata, taskId },
      each.output,
    )
    for (const { scorer, score } of each.scores) await prediction.logScore(scorer, score)
    // A case that could not be scored has no score, which is not a score of 0.
    if (each.score !== null) await prediction.logScore(OVERALL, each.score)
    await prediction.finish()
  }
  await logger.logSummary(summaryOf(cases))
}

/** What the SDK would compute of the scores, and what it can't know. */
function summaryOf(cases: readonly EvaluationCase[]): Record<string, unknown> {
  const scored = cases.filter(({ score }) => score !== null)
  const all = scored.flatMap(({ scores, score }) => [...scores, { scorer: OVERALL, score: score ?? 0 }])
  const byScorer = [...Map.groupBy(all, ({ scorer }) => scorer)]
  const means = byScorer.map(([scorer, found]) => [
    scorer,
    { mean: average(found.map(({ score }) => score)) },
  ])
  const total = (of: (each: EvaluationCase) => number) => cases.reduce((sum, each) => sum + of(each), 0)
  return {
    ...Object.fromEntries(means),
    passed: {
      true_count: scored.filter(({ passed }) => passed).length,
      true_fraction: average(scored.map(({ passed }) => Number(passed))),
    },
    unscored: cases.length - scored.length,
    cost_usd: total(({ cost }) => cost),
    judge_cost_usd: total(({ judgeCost }) => judgeCost),
    model_latency: { mean: average(cases.map(({ latencyMs }) => latencyMs / 1000)) },
    total_tokens: total(({ inputTokens, outputTokens }) => inputTokens + outputTokens),
  }
}

/** Rejects at the first batch that Weave did not take, and when it takes too long; resolves when all is sent. */
async function refusal(client: WeaveClient, sent: Promise<void>, limitMs: number): Promise<void> {
  let isDone = false
  void sent.finally(() => (isDone = true)).catch(() => {})
  while (!isDone) {
    if (client.errorCount > 0)
      throw new FlotillaError(
        'CONFIG_INVALID',
        'Weave did not take the run; what it answered is above, and in weaveErrors.log. Check WANDB_API_KEY and the project.',
      )
    if (performance.now() > limitMs)
      throw new FlotillaError('CONFIG_INVALID', 'Weave did not answer in time; part of the run may be there')
    await sleep(LOOK_MS)
  }
}

async function withLogOnStderr(work: () => Promise<void>): Promise<void> {
  const { log } = console
  console.log = console.error
  try {
    await work()
  } finally {
    console.log = log
  }
}
