// Runs of evaluations in the fleet's database.
//
// 1. A case is stored when it is scored, under its run, id, model and epoch: stored again, it is replaced.
// 2. What a run is about never changes: only its status, end and summary do, and of one over real tasks its position
//    and the number of its cases.
// 3. A run is deleted after its cases, so that no case is ever without its run.
// 4. PostgreSQL keeps no NUL in a text: of what others wrote it becomes U+FFFD.
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { csvText } from '../../runtime/ledger/export.ts'
import type { exportFormats } from '../../runtime/ledger/choices.ts'
import type { Sql, Tables } from '../../runtime/store/sql.ts'
import { shown } from '../../schemas/identity.ts'
import type { Json } from '../../schemas/json.ts'

export interface EvaluationOperator {
  /** The latest first, 100 unless `limit` says otherwise. */
  list(limit?: number): Promise<EvaluationRun[]>
  /** Rejects with NOT_FOUND. */
  get(id: string): Promise<EvaluationRun>
  /** Stores a new run, or the state of one that is stored (2). Resolves with what is stored. */
  save(run: EvaluationRun): Promise<EvaluationRun>
  /** Stores scored cases; one of the same id, model and epoch is replaced. Rejects with NOT_FOUND. */
  add(id: string, cases: readonly EvaluationCase[]): Promise<void>
  /** Scored cases in the order of their ids: lines of JSON (EvaluationCase), or CSV. Rejects with NOT_FOUND. */
  export(id: string, format: (typeof exportFormats)[number]): AsyncIterable<string>
  /** Deletes a run and its cases; resolves with the number of cases. Rejects with NOT_FOUND. */
  delete(id: string): Promise<number>
}

const PAGE = 200
type RunRow = Tables['evaluation_runs']
type CaseRow = Tables['evaluation_cases']

/** `sql` is called when there is something to read or write. */
export function directEvaluations(sql: () => Promise<Sql>): EvaluationOperator {
  return {
    list: async (limit = 100) => (await latestRuns(await sql(), limit)).map(runOf),
    get: async (id) => runOf(await runRow(await sql(), id)),
    save: async (run) => saveRun(await sql(), run),
    async add(id, cases) {
      const database = await sql()
      await runRow(database, id)
      for (const each of cases) await replaceCase(database, withoutNuls(rowOfCase(id, each)))
    },
    async *export(id, format) {
      const database = await sql()
      await runRow(database, id)
      if (format === 'csv') yield `${csvColumns.join()}\n`
      for await (const rows of casePages(database, id))
        yield format === 'csv'
          ? csvText(rows, csvColumns)
          : rows.map((row) => `${JSON.stringify(caseOf(row))}\n`).join('')
    },
    async delete(id) {
      const database = await sql()
      await runRow(database, id)
      const cases = await database.deleteFrom('evaluation_cases').where('run_id', '=', id).executeTakeFirst()
      await database.deleteFrom('evaluation_runs').where('id', '=', id).execute()
      return Number(cases.numDeletedRows)
    },
  }
}

const latestRuns = (sql: Sql, limit: number): Promise<RunRow[]> =>
  sql
    .selectFrom('evaluation_runs')
    .selectAll()
    .orderBy('started_at_ms', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()

async function runRow(sql: Sql, id: string): Promise<RunRow> {
  const row = await sql.selectFrom('evaluation_runs').selectAll().where('id', '=', id).executeTakeFirst()
  if (row) return row
  const remedy = 'flotilla eval list shows those that there are'
  throw new FlotillaError('NOT_FOUND', `there is no evaluation run ${shown(id)}; ${remedy}`)
}

async function saveRun(sql: Sql, run: EvaluationRun): Promise<EvaluationRun> {
  const row = withoutNuls(rowOfRun(run))
  const { status, cases, ended_at_ms, position, summary } = row
  await sql
    .insertInto('evaluation_runs')
    .values(row)
    .onConflict((on) => on.column('id').doUpdateSet({ status, cases, ended_at_ms, position, summary }))
    .execute()
  return runOf(await runRow(sql, run.id))
}

function replaceCase(sql: Sql, row: CaseRow): Promise<unknown> {
  const { run_id: _, case_id: __, model: ___, epoch: ____, ...values } = row
  return sql
    .insertInto('evaluation_cases')
    .values(row)
    .onConflict((on) => on.columns(['run_id', 'case_id', 'model', 'epoch']).doUpdateSet(values))
    .execute()
}

async function* casePages(sql: Sql, id: string): AsyncGenerator<CaseRow[]> {
  let last: CaseRow | undefined
  do {
    let query = sql.selectFrom('evaluation_cases').selectAll().where('run_id', '=', id)
    if (last !== undefined) {
      const { case_id, model, epoch } = last
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('case_id', 'model', 'epoch'), '>', tuple(case_id, model, epoch)),
      )
    }
    const rows = await query.orderBy('case_id').orderBy('model').orderBy('epoch').limit(PAGE).execute()
    if (rows.length > 0) yield rows
    last = rows.length < PAGE ? undefined : rows.at(-1)
  } while (last !== undefined)
}

const csvColumns = [
  'case_id',
  'model',
  'epoch',
  'status',
  'passed',
  'score',
  'scores',
  'problem',
  'input',
  'output',
  'metadata',
  'answered_by',
  'cost',
  'judge_cost',
  'cost_is_guess',
  'latency_ms',
  'steps',
  'input_tokens',
  'output_tokens',
  'error_code',
  'task_id',
  'scored_at_ms',
] as const satisfies readonly (keyof CaseRow)[]

function withoutNuls<R extends object>(row: R): R {
  const kept = (value: unknown): unknown =>
    typeof value === 'string' ? value.replaceAll('\u0000', '\ufffd') : value
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, kept(value)])) as R
}

const rowOfRun = (run: EvaluationRun): RunRow => ({
  id: run.id,
  name: run.name,
  dataset: run.dataset,
  dataset_hash: run.datasetHash,
  agent: run.agent,
  models: JSON.stringify(run.models),
  epochs: run.epochs,
  cases: run.cases,
  status: run.status,
  started_at_ms: run.startedAtMs,
  ended_at_ms: run.endedAtMs,
  settings: JSON.stringify(run.settings),
  position: run.position ?? null,
  summary: run.summary === null ? null : JSON.stringify(run.summary),
})

const runOf = (row: RunRow): EvaluationRun => ({
  id: row.id,
  name: row.name,
  dataset: row.dataset,
  datasetHash: row.dataset_hash,
  agent: row.agent,
  models: JSON.parse(row.models) as string[],
  epochs: row.epochs,
  cases: row.cases,
  status: row.status as EvaluationRun['status'],
  startedAtMs: row.started_at_ms,
  endedAtMs: row.ended_at_ms,
  settings: JSON.parse(row.settings) as Json,
  position: row.position,
  summary: row.summary === null ? null : (JSON.parse(row.summary) as Json),
})

const rowOfCase = (runId: string, each: EvaluationCase): CaseRow => ({
  run_id: runId,
  case_id: each.caseId,
  model: each.model,
  epoch: each.epoch,
  task_id: each.taskId,
  case_hash: each.caseHash,
  status: each.status,
  passed: Number(each.passed),
  score: each.score,
  scores: JSON.stringify(each.scores),
  problem: each.problem,
  input: each.input,
  output: JSON.stringify(each.output),
  metadata: JSON.stringify(each.metadata),
  answered_by: each.answeredBy,
  cost: each.cost,
  judge_cost: each.judgeCost,
  cost_is_guess: Number(each.costIsGuess),
  latency_ms: each.latencyMs,
  steps: each.steps,
  input_tokens: each.inputTokens,
  output_tokens: each.outputTokens,
  error_code: each.errorCode,
  scored_at_ms: each.scoredAtMs,
})

const caseOf = (row: CaseRow): EvaluationCase => ({
  caseId: row.case_id,
  model: row.model,
  epoch: row.epoch,
  taskId: row.task_id,
  caseHash: row.case_hash,
  status: row.status,
  passed: row.passed === 1,
  score: row.score,
  scores: JSON.parse(row.scores) as EvaluationCase['scores'],
  problem: row.problem,
  input: row.input,
  output: JSON.parse(row.output) as Json,
  metadata: JSON.parse(row.metadata) as EvaluationCase['metadata'],
  answeredBy: row.answered_by,
  cost: row.cost,
  judgeCost: row.judge_cost,
  costIsGuess: row.cost_is_guess === 1,
  latencyMs: row.latency_ms,
  steps: row.steps,
  inputTokens: row.input_tokens,
  outputTokens: row.output_tokens,
  errorCode: row.error_code,
  scoredAtMs: row.scored_at_ms,
})
