// A run as logs of Inspect (UK AISI), in its format `.eval`: a ZIP archive of JSON, version 2. One log for each model.
//
// A case is a sample, its epochs are Inspect's. Scores are numbers from 0 to 1, the weighted mean under `flotilla`.
import { createHash } from 'node:crypto'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import { asText, average, OVERALL } from './values.ts'
import { zip, type ZipEntry } from './zip.ts'

export interface InspectLog {
  readonly model: string
  readonly file: Buffer
}

/** Pure: the same run gives the same bytes. Throws a RangeError if a model has more samples than a ZIP archive holds. */
export function inspectLogs(run: EvaluationRun, cases: readonly EvaluationCase[]): InspectLog[] {
  return run.models.map((model) => {
    const own = cases.filter((each) => each.model === model)
    return { model, file: zip(entriesOf(run, model, own)) }
  })
}

function entriesOf(run: EvaluationRun, model: string, cases: readonly EvaluationCase[]): ZipEntry[] {
  const spec = specOf(run, model, cases)
  const plan = { name: 'flotilla', steps: [], config: {} }
  const file = (name: string, value: unknown) => ({ name, text: JSON.stringify(value) })
  const samples = cases.map((each) => sampleOf(each))
  const header = {
    version: 2,
    status: statuses[run.status],
    eval: spec,
    plan,
    results: resultsOf(run, cases),
    stats: statsOf(run, cases),
  }
  const summaries = samples.map((sample) => summaryOf(sample))
  return [
    file('_journal/start.json', { version: 2, eval: spec, plan }),
    ...samples.map((sample) => file(`samples/${sample.id}_epoch_${sample.epoch}.json`, sample)),
    file('_journal/summaries/1.json', summaries),
    file('summaries.json', summaries),
    file('header.json', header),
  ]
}

const statuses = { completed: 'success', stopped: 'cancelled', running: 'started' } as const

/** Inspect's ids are of its own form; ours stand in the metadata. */
const idOf = (...parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\n')).digest('base64url').replaceAll(/[-_]/g, 'x').slice(0, 22)

const timeOf = (ms: number): string => new Date(ms).toISOString()

function specOf(run: EvaluationRun, model: string, cases: readonly EvaluationCase[]) {
  const { id, name, dataset, datasetHash, agent, epochs, settings } = run
  return {
    eval_id: idOf(id, model),
    run_id: idOf(id),
    created: timeOf(run.startedAtMs),
    task: name,
    task_id: idOf(id, name),
    task_version: 0,
    dataset: { name, location: dataset, samples: run.cases, sample_ids: [...new Set(cases.map(sampleId))] },
    model: modelName(model),
    config: { epochs, epochs_reducer: ['mean'] },
    metadata: { flotilla: { run: id, agent, model, datasetHash, settings } },
  }
}

/** Inspect names models `provider/model`; a bare name is OpenAI's. */
const modelName = (model: string): string => (model.includes('/') ? model : `openai/${model}`)

/**
 * The name of a file in the archive: it must not lead out of a folder into which somebody unpacks it. Two ids never have
 * one name, also where capitals make no difference.
 */
function sampleId({ caseId }: EvaluationCase): string {
  const safe = caseId
    .replaceAll(/[\p{Cc}\\:*?"<>|]/gu, '_')
    .replaceAll(/(^|\/)\.\.?(?=\/|$)/g, '$1__')
    .replaceAll(/^\/|\/(?=\/|$)/g, '_')
  return safe === caseId && safe === safe.toLowerCase() ? safe : `${safe}-${idOf(caseId).slice(0, 8)}`
}

function sampleOf(each: EvaluationCase) {
  const model = modelName(each.answeredBy ?? each.model)
  const text = asText(each.output)
  const usage = usageOf([each])
  const message = { role: 'assistant', content: text, source: 'generate', model }
  const { taskId, caseHash, status, steps, cost, judgeCost, passed, errorCode } = each
  const scores = each.scores.map(({ scorer, score, reason, weight, passed: isPassed }) => [
    scorer,
    { value: score, answer: text, explanation: reason, metadata: { weight, passed: isPassed } },
  ])
  const overall = { value: each.score ?? 0, answer: text, explanation: each.problem, metadata: { passed } }
  return {
    id: sampleId(each),
    epoch: each.epoch,
    input: each.input,
    target: '',
    messages: [{ role: 'user', content: each.input, source: 'input' }, message],
    output: {
      model,
      choices: [{ message, stop_reason: 'stop' }],
      completion: text,
      usage,
      time: each.latencyMs / 1000,
    },
    scores: each.score === null ? null : Object.fromEntries([...scores, [OVERALL, overall]]),
    metadata: { ...each.metadata, flotilla: { taskId, caseHash, status, steps, cost, judgeCost, errorCode } },
    model_usage: { [model]: usage },
    completed_at: timeOf(each.scoredAtMs),
    total_time: each.latencyMs / 1000,
    uuid: idOf(taskId),
    ...(each.score === null && { error: errorOf(each.problem ?? each.status) }),
  }
}

const errorOf = (message: string) => ({ message, traceback: message, traceback_ansi: message })

/** The viewer's list: what it shows before a sample is opened. */
function summaryOf(sample: ReturnType<typeof sampleOf>) {
  const { messages: _, output: __, error, ...summary } = sample
  return { ...summary, ...(error && { error: error.message }), completed: true, message_count: 2 }
}

function usageOf(cases: readonly EvaluationCase[]) {
  const total = (of: (each: EvaluationCase) => number) => cases.reduce((sum, each) => sum + of(each), 0)
  const input_tokens = total(({ inputTokens }) => inputTokens)
  const output_tokens = total(({ outputTokens }) => outputTokens)
  return { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens }
}

function statsOf(run: EvaluationRun, cases: readonly EvaluationCase[]) {
  const byModel = Map.groupBy(cases, ({ answeredBy, model }) => modelName(answeredBy ?? model))
  return {
    started_at: timeOf(run.startedAtMs),
    completed_at: run.endedAtMs === null ? '' : timeOf(run.endedAtMs),
    model_usage: Object.fromEntries([...byModel].map(([model, own]) => [model, usageOf(own)])),
  }
}

function resultsOf(run: EvaluationRun, cases: readonly EvaluationCase[]) {
  const scored = cases.filter(({ score }) => score !== null)
  const found = Map.groupBy(
    scored.flatMap(({ scores }) => scores),
    ({ scorer }) => scorer,
  )
  const values: [string, number[]][] = [
    [OVERALL, scored.flatMap(({ score }) => score ?? [])],
    ...[...found].map(([name, own]): [string, number[]] => [name, own.map(({ score }) => score)]),
  ]
  return {
    total_samples: run.cases * run.epochs,
    completed_samples: scored.length,
    scores: values.map(([name, own]) => ({
      name,
      scorer: name,
      reducer: 'mean',
      scored_samples: own.length,
      unscored_samples: cases.length - own.length,
      metrics: {
        mean: { name: 'mean', value: average(own) },
        stderr: { name: 'stderr', value: errorOfMean(own) },
      },
    })),
  }
}

function errorOfMean(values: readonly number[]): number {
  if (values.length < 2) return 0
  const mean = average(values)
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
  return Math.sqrt(variance / values.length)
}
