// Evaluations: run a data set, resume a run, look at what is stored.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { exportFormats } from '../../runtime/ledger/choices.ts'
import { promote } from '../../evaluation/promote.ts'
import { withEvaluationFleet } from '../evaluation/fleet.ts'
import { compareRuns } from '../../evaluation/compare-runs.ts'
import { scorerTypes } from '../../evaluation/scorers/specs.ts'
import { storedCases } from '../../evaluation/stored-cases.ts'
import type { Json } from '../../schemas/json.ts'
import { usingOperator } from '../../operator/connect.ts'
import type { Operator } from '../../operator/index.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { jsonOrText, number, taskId, wholeNumber } from '../program/arguments.ts'
import { defaultSubcommand } from '../program/default-subcommand.ts'
import {
  defaultSettings,
  evaluate,
  resume,
  type Evaluated,
  type EvaluationSettings,
  type Shown,
} from '../evaluation/runs.ts'
import { exporterTo, exportTools, type ExportTarget } from '../evaluation/export.ts'
import { printComparison, printFailures, printRun, printThresholds, summaryIn } from '../evaluation/report.ts'
import { exitCodes } from '../program/exit-codes.ts'
import { endOnInterrupt } from '../program/interrupts.ts'
import { paint, print, printJson, say, writeResult } from '../output/output.ts'
import { printTable } from '../output/table.ts'
import { count, moment, money, plural } from '../output/units.ts'

const MAX_CONCURRENCY = 100
const MAX_EPOCHS = 100

export function defineEval(command: Command): void {
  command.description('run a data set through the fleet, score the answers, and compare runs')
  addRunOptions(defaultSubcommand(command, 'run'))
  command
    .command('resume')
    .description('do what is left of a run; what is scored is not asked again')
    .argument('<run>')
    .option('--max-cost <dollars>', 'another limit of the whole run', positive)
    .option('--concurrency <n>', 'another number of cases at once', concurrency)
    .option('--quiet', 'no progress on stderr')
    .option('--json', 'one JSON object on stdout')
    .action(resumeRun)
  command
    .command('promote')
    .description('make a case of a task that ran, with the recorded outcomes of its tools')
    .argument('<taskId>', '', taskId)
    .requiredOption('--into <file>', 'a data set of JSON lines, to which the case is appended')
    .option('--expected <json>', 'what is right, if it is not the output of the task', jsonOrText)
    .option('--scorer <scorer>', 'how it is scored: a name, or JSON; repeatable', scorer)
    .option('--json', 'JSON on stdout')
    .action(promoteTask)
  command
    .command('list')
    .description('runs, the latest first')
    .option('--limit <n>', 'how many at most (default: 100)', wholeNumber)
    .option('--json', 'JSON on stdout')
    .action(list)
  command
    .command('show')
    .description('the figures of a run, and what did not pass')
    .argument('<run>')
    .option('--json', 'JSON on stdout, with every case')
    .action(show)
  command
    .command('delete')
    .description('delete runs and their cases; the tasks stay in the ledger')
    .argument('<run...>')
    .action(deleteRuns)
  command
    .command('compare')
    .description('a run against an earlier one, case by case')
    .argument('<before>')
    .argument('<after>')
    .option('--json', 'JSON on stdout')
    .action(compareTwo)
  command
    .command('export')
    .description('every case of a run with its scores, on stdout or to another tool')
    .argument('<run>', 'id of the run')
    .argument('[file]', 'with --to inspect: the log to write, which ends in .eval, or a folder')
    .addOption(new Option('--format <format>', 'json: a line each').choices(exportFormats).default('json'))
    .addOption(
      new Option('--to <tool>', 'a log of Inspect, or W&B Weave').choices(exportTools).conflicts('format'),
    )
    .option('--project <team/project>', 'of Weave (default: WANDB_ENTITY/WANDB_PROJECT)')
    .action(exportRun)
}

function addRunOptions(command: Command): void {
  command
    .description('run a data set: .jsonl, .csv, or .ts with a default export')
    .argument('<dataset>', 'its file; docs/evaluation.md says what is in it')
    .option('--agent <name>', 'agent of every case, instead of those that the data set names')
    .option('--model <names>', 'models to try, a column each: repeat it, or separate by commas', names)
    .option('--epochs <n>', 'how often each case is asked (default: 1)', epochs)
    .option('--scorer <scorer>', 'of cases that name none: a name, or JSON; repeatable', scorer)
    .option('--threshold <rule>', 'such as exact>=0.9 or pass^3>0.5; repeatable, misses exit with 1', several)
    .option('--compare <run>', 'compare with this run, case by case')
    .option('--max-cost <dollars>', 'submit nothing that would pass this, judges included', positive)
    .option('--concurrency <n>', `cases at once (default: ${defaultSettings.concurrency})`, concurrency)
    .option(
      '--judge-agent <name>',
      `agent without tools that judges (default: ${defaultSettings.judgeAgent})`,
    )
    .addOption(
      new Option(
        '--tools <policy>',
        'how tool calls are answered: recorded for cases with outcomes, else live',
      ).choices(['live', 'recorded', 'refuse']),
    )
    .option('--user <id>', 'user to whom the tasks are charged')
    .option('--run <id>', 'id of the run; if it is stored, what is left of it is done')
    .option('--quiet', 'no progress on stderr')
    .option('--json', 'one JSON object on stdout: run, thresholds, comparisons, cases')
    .addHelpText('after', help)
    .action(run)
}

const help = `
Exit code: 0 every case was scored, and every threshold reached; 1 a threshold
was missed; 5 some cases have no score: resume the run.

Without a running fleet one runs inside the command. Runs are stored in the
fleet's ledger.`

const several = (text: string, before: readonly string[] = []): string[] => [...before, text]

const names = (list: string, before: readonly string[] = []): string[] => [
  ...before,
  ...list
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean),
]

/** A mistake in it is reported once, instead of for each case. */
function knownScorer(name: string): string {
  if ((scorerTypes as readonly string[]).includes(name)) return name
  throw new InvalidArgumentError(`The scorers are: ${scorerTypes.join(', ')}.`)
}

function scorer(text: string, before: readonly Json[] = []): Json[] {
  if (!/^\s*[{[]/.test(text)) return [...before, knownScorer(text.trim())]
  try {
    return [...before, ...[JSON.parse(text) as Json].flat()]
  } catch {
    throw new InvalidArgumentError(
      'It must be a name such as exact, or a JSON object such as {"type": "number", "absolute": 0.5}.',
    )
  }
}

function within(text: string, most: number): number {
  const value = wholeNumber(text)
  if (value < 1 || value > most) throw new InvalidArgumentError(`It must be from 1 to ${most}.`)
  return value
}
const concurrency = (text: string): number => within(text, MAX_CONCURRENCY)
const epochs = (text: string): number => within(text, MAX_EPOCHS)

function positive(text: string): number {
  const value = number(text)
  if (value <= 0) throw new InvalidArgumentError('It must be more than 0.')
  return value
}

interface OutputOptions {
  readonly quiet?: boolean
  readonly json?: boolean
}

interface RunOptions extends OutputOptions {
  readonly agent?: string
  readonly model?: string[]
  readonly epochs?: number
  readonly scorer?: Json[]
  readonly threshold?: string[]
  readonly compare?: string
  readonly maxCost?: number
  readonly concurrency?: number
  readonly judgeAgent?: string
  readonly user?: string
  readonly tools?: 'live' | 'recorded' | 'refuse'
  readonly run?: string
}

async function run(file: string, options: RunOptions): Promise<void> {
  const { agent = null, model: models = [], epochs = 1, run: id = null } = options
  const settings: EvaluationSettings = {
    concurrency: options.concurrency ?? defaultSettings.concurrency,
    maxCost: options.maxCost ?? null,
    judgeAgent: options.judgeAgent ?? defaultSettings.judgeAgent,
    user: options.user ?? null,
    tools: options.tools ?? null,
    scorers: options.scorer ?? [],
    thresholds: options.threshold ?? [],
    compare: options.compare ?? null,
  }
  await ending(options, (shown) => evaluate({ file, id, agent, models, epochs, settings }, shown))
}

async function resumeRun(
  id: string,
  { maxCost, concurrency: atOnce, ...options }: OutputOptions & { maxCost?: number; concurrency?: number },
): Promise<void> {
  const changes = {
    ...(maxCost === undefined ? {} : { maxCost }),
    ...(atOnce === undefined ? {} : { concurrency: atOnce }),
  }
  await ending(options, (shown) => resume(id, changes, shown))
}

type Work = (shown: Shown) => Promise<Evaluated>

/** Runs, shows the outcome, and ends the command. Once it is stored, the first Ctrl-C stops submitting. */
async function ending({ quiet = false, json = false }: OutputOptions, work: Work): Promise<never> {
  const stopped = new AbortController()
  const interrupt = () => stopped.abort(new FlotillaError('TASK_CANCELLED', 'the evaluation was interrupted'))
  // Before that it ends the command: code of the user's that loops would let no handler run.
  const onStored = (id: string) =>
    void endOnInterrupt(interrupt, { left: () => `Left run ${id}: ${goesOn(id)}` })
  const evaluated = await work({ isQuiet: quiet, signal: stopped.signal, onStored })
  if (json) printJson(evaluated)
  else printEvaluated(evaluated)
  const {
    stopped: why,
    leftOut,
    run: { id },
  } = evaluated
  if (why !== null || leftOut > 0)
    say(paint('yellow', `${count(leftOut)} left out${why === null ? '' : `: ${why}`}. ${goesOn(id)}`))
  process.exit(stopped.signal.aborted ? exitCodes.interrupted.code : exitCodeOf(evaluated))
}

const goesOn = (id: string): string => `flotilla eval resume ${id} does what is left.`

function exitCodeOf({ thresholds, leftOut }: Evaluated): number {
  if (leftOut > 0) return exitCodes.pending.code
  return thresholds.every(({ reached }) => reached) ? exitCodes.success.code : exitCodes.failed.code
}

function printEvaluated({ run: ended, cases, comparisons, thresholds }: Evaluated): void {
  printRun(ended)
  printFailures(cases)
  for (const comparison of comparisons) printComparison(comparison)
  if (thresholds.length > 0) print('')
  printThresholds(thresholds)
}

/** Runs are in the database: a fleet need not have run. */
const stored = <T>(work: (operator: Operator) => Promise<T>): Promise<T> =>
  usingOperator((operator) => work(operator), { needs: 'database' })

async function deleteRuns(ids: readonly string[]): Promise<void> {
  await stored(async ({ evaluations }) => {
    for (const id of ids) {
      const cases = await evaluations.delete(id)
      say(`deleted ${id} with ${plural(cases, 'case')}`)
    }
  })
}

async function promoteTask(
  taskId: string,
  {
    into,
    expected,
    scorer: scorers,
    json,
  }: { into: string; expected?: Json; scorer?: Json[]; json?: boolean },
): Promise<void> {
  const options = {
    ...(expected === undefined ? {} : { expected }),
    ...(scorers === undefined ? {} : { scorers }),
  }
  const promoted = await withEvaluationFleet([], (fleet) => promote(fleet, taskId, into, options))
  if (json) printJson(promoted)
  else print(`${into} has the case ${taskId}, with ${plural(promoted.outcomes, 'recorded tool call')}`)
  process.exit(0)
}

async function list({ limit, json }: { limit?: number; json?: boolean }): Promise<void> {
  const runs = await stored(({ evaluations }) => evaluations.list(limit))
  if (json) printJson(runs)
  else if (runs.length === 0) print('No evaluation has run yet: flotilla eval DATASET')
  else {
    const columns = [
      { name: 'run', keep: true },
      { name: 'data set' },
      { name: 'started', optional: true },
      { name: 'status' },
      { name: 'cases', kind: 'figure' as const },
      { name: 'score by model' },
      { name: 'cost', kind: 'figure' as const },
    ]
    const rows = runs.map((each) => {
      const summary = summaryIn(each)
      const scores = summary.map(({ model, score }) => `${model} ${score?.mean.toFixed(2) ?? '–'}`)
      const cost = summary.reduce((sum, { cost: own, judgeCost }) => sum + own + judgeCost, 0)
      return [
        each.id,
        each.name,
        moment(each.startedAtMs),
        each.status,
        count(each.cases),
        scores.join(', '),
        money(cost),
      ]
    })
    printTable(columns, rows)
  }
  process.exit(0)
}

async function show(id: string, { json }: { json?: boolean }): Promise<void> {
  const { found, cases } = await storedRun(id)
  if (json) printJson({ run: found, cases })
  else {
    printRun(found)
    printFailures(cases)
  }
  process.exit(0)
}

async function compareTwo(before: string, after: string, { json }: { json?: boolean }): Promise<void> {
  const comparisons = await stored(async ({ evaluations }) => {
    const [earlier, later] = [await evaluations.get(before), await evaluations.get(after)]
    return compareRuns(evaluations, earlier, later, await storedCases(after, evaluations))
  })
  if (json) printJson(comparisons)
  else for (const comparison of comparisons) printComparison(comparison)
  process.exit(0)
}

interface ExportOptions {
  readonly format: (typeof exportFormats)[number]
  readonly to?: ExportTarget['to']
  readonly project?: string
}

async function exportRun(id: string, file: string | undefined, options: ExportOptions): Promise<void> {
  const { format, to, project } = options
  if (to === undefined) {
    if (file !== undefined || project !== undefined)
      throw new FlotillaError('CONFIG_INVALID', 'a file or a project needs --to inspect or --to weave')
    await stored(async ({ evaluations }) => {
      for await (const text of evaluations.export(id, format)) writeResult(text)
    })
    process.exit(0)
  }
  const send = exporterTo({ to, file, project })
  const { found, cases } = await storedRun(id)
  say(await send(found, cases))
  process.exit(0)
}

const storedRun = (id: string) =>
  stored(async ({ evaluations }) => ({
    found: await evaluations.get(id),
    cases: await storedCases(id, evaluations),
  }))
