// Starts and resumes runs of evaluations.
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { runIdPattern, type EvaluationRun } from '../../api/schemas/evaluations.ts'
import type { Case, Dataset } from '../../evaluation/cases.ts'
import type { Comparison } from '../../evaluation/comparison.ts'
import { compareRuns } from '../../evaluation/compare-runs.ts'
import { readDataset } from '../../evaluation/dataset/read.ts'
import { estimateFor } from '../../evaluation/estimate.ts'
import { OWN_MODEL } from '../../evaluation/rows.ts'
import { runCases, type Outcome } from '../../evaluation/run.ts'
import { checkThresholds, readThreshold, type Checked } from '../../evaluation/thresholds.ts'
import type { AgentView, EvaluationOperator, ModelView, Operator } from '../../operator/index.ts'
import { FlotillaError, hasCode } from '../../runtime/errors.ts'
import { createSchemaChecks } from '../../runtime/foreign-schema/checks.ts'
import type { Json } from '../../schemas/json.ts'
import { shown } from '../../schemas/identity.ts'
import { withEvaluationFleet, type EvaluationFleet } from './fleet.ts'
import { EvaluationProgress } from './progress.ts'
import { summaryIn } from './report.ts'
import { say } from '../output/output.ts'
import { money, plural } from '../output/units.ts'

const DEFAULT_CONCURRENCY = 4
const EARLIER_RUNS = 50
/** As `datasetHash` of runs over real tasks: no data set has it. */
export const TASKS = 'tasks'

/** Kept with the run, so that it can be resumed. */
export interface EvaluationSettings {
  readonly concurrency: number
  readonly maxCost: number | null
  readonly judgeAgent: string
  readonly user: string | null
  /** How tool calls are answered; null: recorded for cases that bring outcomes, else live. */
  readonly tools: 'live' | 'recorded' | 'refuse' | null
  /** Scorers of cases that name none. */
  readonly scorers: readonly Json[]
  readonly thresholds: readonly string[]
  /** Id of the run to compare with. */
  readonly compare: string | null
}

export const defaultSettings: EvaluationSettings = {
  concurrency: DEFAULT_CONCURRENCY,
  maxCost: null,
  judgeAgent: 'judge',
  user: null,
  tools: null,
  scorers: [],
  thresholds: [],
  compare: null,
}

export interface Wanted {
  readonly file: string
  readonly id: string | null
  readonly agent: string | null
  readonly models: readonly string[]
  readonly epochs: number
  readonly settings: EvaluationSettings
}

export interface Evaluated extends Outcome {
  readonly comparisons: readonly Comparison[]
  readonly thresholds: readonly Checked[]
}

export interface Shown {
  readonly isQuiet: boolean
  readonly signal: AbortSignal
  /** What is paid for begins. The run with this id is stored, so that it can be resumed. */
  readonly onStored: (runId: string) => void
}

/** Runs a data set; with the id of a run that is stored, what is left of it. */
export async function evaluate(wanted: Wanted, shown: Shown): Promise<Evaluated> {
  const dataset = await readDataset(wanted.file, wanted.settings.scorers)
  return withEvaluationFleet(wanted.models, async (fleet) => {
    const run = runOf(wanted, dataset)
    const stored = wanted.id === null ? null : await findRun(wanted.id, fleet.operator.evaluations)
    if (stored !== null) assertSame(stored, run)
    return evaluateOn(fleet, stored === null ? run : continued(stored, run), dataset, shown)
  }).finally(() => dataset.close())
}

/** What is left of a stored run. `changes`: of its settings. */
export async function resume(
  id: string,
  changes: Partial<EvaluationSettings>,
  shown: Shown,
): Promise<Evaluated> {
  // Which models it needs is known only when the store is open.
  return withEvaluationFleet(['scripted/demo'], async (fleet) => {
    const stored = await fleet.operator.evaluations.get(id)
    if (stored.datasetHash === TASKS)
      throw refused(`${id} is a run over real tasks: flotilla shadow --run ${id}`)
    const settings = { ...settingsOf(stored), ...changes }
    const dataset = await readDataset(stored.dataset, settings.scorers)
    assertUnchanged(stored, dataset)
    const run = { ...stored, settings: settings as unknown as Json }
    return evaluateOn(fleet, run, dataset, shown).finally(() => dataset.close())
  })
}

const settingsOf = ({ settings }: EvaluationRun): EvaluationSettings => ({
  ...defaultSettings,
  ...(settings as unknown as Partial<EvaluationSettings>),
})

function runOf({ id, agent, models, epochs, settings }: Wanted, dataset: Dataset): EvaluationRun {
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '')
  if (id !== null && !runIdPattern.test(id))
    throw refused(
      `the id ${shown(id)} can't be used: letters, digits, dots, dashes and underscores, at most 64`,
    )
  return {
    id: id ?? `ev-${day}-${randomBytes(3).toString('hex')}`,
    name: dataset.name,
    dataset: dataset.path,
    datasetHash: dataset.hash,
    agent,
    models: models.length === 0 ? [OWN_MODEL] : [...new Set(models)],
    epochs,
    cases: dataset.cases.length,
    status: 'running',
    startedAtMs: Date.now(),
    endedAtMs: null,
    settings: settings as unknown as Json,
    summary: null,
  }
}

/** Null: there is none. */
export async function findRun(
  id: string,
  evaluations: Pick<EvaluationOperator, 'get'>,
): Promise<EvaluationRun | null> {
  return evaluations.get(id).catch((error: unknown) => {
    if (hasCode(error, 'NOT_FOUND')) return null
    throw error
  })
}

/** Settings that change what is asked, of which tools, or on whose behalf: a run has them from its beginning. */
const fixedSettings = ['judgeAgent', 'user', 'tools', 'scorers'] as const

/** The stored run, with the thresholds and limits that the command names; what it leaves out is as stored. */
function continued(stored: EvaluationRun, { settings }: EvaluationRun): EvaluationRun {
  const named = Object.entries(settings as object).filter(
    ([name, value]) => !isDeepStrictEqual(value, defaultSettings[name as keyof EvaluationSettings]),
  )
  return { ...stored, settings: { ...settingsOf(stored), ...Object.fromEntries(named) } as unknown as Json }
}

const refused = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)

/** A run is of one data set, agent, and list of models, asked and scored in one way. */
function assertSame(stored: EvaluationRun, run: EvaluationRun): void {
  assertUnchanged(stored, { hash: run.datasetHash })
  const [before, now] = [settingsOf(stored), settingsOf(run)]
  const differs: string[] = [
    ...(['agent', 'models', 'epochs'] as const).filter(
      (field) => !isDeepStrictEqual(stored[field], run[field]),
    ),
    ...fixedSettings.filter((field) => !isDeepStrictEqual(before[field], now[field])),
  ]
  if (differs.length === 0) return
  throw refused(
    `the run ${stored.id} has another ${differs.join(', ')}; flotilla eval resume ${stored.id} goes on with its own, another id starts a new run`,
  )
}

function assertUnchanged({ id, dataset, datasetHash }: EvaluationRun, { hash }: Pick<Dataset, 'hash'>): void {
  if (hash === datasetHash) return
  throw refused(`${dataset} has changed since the run ${id} began; run it as a new run, without --run`)
}

async function evaluateOn(
  fleet: EvaluationFleet,
  run: EvaluationRun,
  dataset: Dataset,
  { isQuiet, signal, onStored }: Shown,
): Promise<Evaluated> {
  const { operator, client } = fleet
  const settings = settingsOf(run)
  const thresholds = settings.thresholds.map((each) =>
    readThreshold(each, scorersOf(dataset.cases), run.epochs),
  )
  const { evaluations } = operator
  const before = settings.compare === null ? null : await evaluations.get(settings.compare)
  await assertAgents(operator, run, dataset.cases, settings)
  // Another command may have begun a run of this id a moment ago.
  assertSame(await evaluations.save({ ...run, status: 'running' }), run)
  onStored(run.id)
  if (!isQuiet) await sayEstimate(operator, run, dataset, settings)
  const progress = new EvaluationProgress(dataset.cases.length * run.models.length * run.epochs, isQuiet)
  progress.noteEnding(signal)
  const schemas = createSchemaChecks()
  const { concurrency, maxCost, judgeAgent, user, tools } = settings
  const outcome = await runCases(
    run,
    dataset.cases,
    {
      concurrency,
      maxCost,
      judgeAgent,
      task: { ...(user === null ? {} : { userId: user }), ...(tools === null ? {} : { tools }) },
    },
    {
      client,
      evaluations,
      schemas,
      signal,
      onCase: (scored, state) => progress.add(scored, state),
      onWarning: (message) => progress.note(message),
    },
  ).finally(async () => {
    progress.end()
    await schemas.close()
  })
  const comparisons = before ? await compareRuns(evaluations, before, outcome.run, outcome.cases) : []
  return { ...outcome, comparisons, thresholds: checkThresholds(thresholds, summaryIn(outcome.run)) }
}

const scorersOf = (cases: readonly Case[]): ReadonlySet<string> =>
  new Set(cases.flatMap(({ scorers }) => scorers.map(({ name }) => name)))

/** What a client without the scope may not see is not checked here: the router checks it. */
async function visible<T>(views: Promise<T[]>): Promise<T[] | null> {
  return views.catch((error: unknown) => {
    if (hasCode(error, 'FORBIDDEN')) return null
    throw error
  })
}

/** Before anything is paid: the agents that are named exist, and a judge has no tools. */
async function assertAgents(
  { configuration }: Operator,
  { agent }: EvaluationRun,
  cases: readonly Case[],
  { judgeAgent }: EvaluationSettings,
): Promise<void> {
  const isJudged = cases.some(({ scorers }) => scorers.some(({ rule }) => rule.type === 'judge'))
  const agents = await visible(configuration.agents())
  if (agents === null) {
    if (isJudged)
      throw refused('a judge must be an agent without tools: to see that, the key needs the scope ops:read')
    return
  }
  const named = agent === null ? cases.flatMap(({ task }) => task.agent ?? []) : [agent]
  const unknown = [...new Set(named)].filter((name) => !agents.some((each) => each.name === name))
  // A fleet that configures no agent has one that is built in.
  if (unknown.length > 0 && agents.length > 0)
    throw refused(`no agent ${unknown.join(', ')}; there are: ${agents.map(({ name }) => name).join(', ')}`)
  if (isJudged) assertJudge(agents, judgeAgent)
}

function assertJudge(agents: readonly AgentView[], judgeAgent: string): void {
  const judge = agents.find(({ name }) => name === judgeAgent)
  const remedy = `add agents: { ${judgeAgent}: { mode: 'tools', tools: [] } } to flotilla.config.ts, or name another by --judge-agent`
  if (!judge)
    throw refused(`a judge is an agent without tools, and there is no agent ${judgeAgent}: ${remedy}`)
  if (judge.tools.length > 0)
    throw refused(
      `the agent ${judgeAgent} has tools (${judge.tools.join(', ')}), which an answer that it judges could make it call: ${remedy}`,
    )
}

async function sayEstimate(
  { configuration, evaluations }: Operator,
  run: EvaluationRun,
  { cases }: Dataset,
  { maxCost }: EvaluationSettings,
): Promise<void> {
  const models: ModelView[] = (await visible(configuration.models())) ?? []
  const earlier = (await visible(evaluations.list(EARLIER_RUNS))) ?? []
  const same = earlier.filter((each) => each.name === run.name && each.summary !== null && each.id !== run.id)
  say(
    `Run ${run.id}: ${plural(cases.length, 'case')}, ${plural(run.models.length, 'model')}, ${plural(run.epochs, 'epoch')}`,
  )
  for (const model of run.models) {
    const { dollars, basis } = estimateFor(model, cases, same, models)
    const price = dollars === null ? 'unknown' : `about ${money(dollars * run.epochs)}`
    say(`Estimated cost with ${model}: ${price} (${basis})`)
  }
  if (maxCost !== null) say(`It submits nothing that would pass ${money(maxCost)}.`)
}
