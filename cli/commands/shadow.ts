// Real tasks through a candidate: what would have changed.
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { runIdPattern, type EvaluationCase, type EvaluationRun } from '../../api/schemas/evaluations.ts'
import {
  shadow,
  type OriginBeginning,
  type Shadowed,
  type ShadowOptions,
  type ShadowSettings,
} from '../../evaluation/shadow.ts'
import { summarise } from '../../evaluation/summary.ts'
import type { Operator } from '../../operator/index.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { SCRIPTED_MODEL } from '../../runtime/models/names.ts'
import type { Json } from '../../schemas/json.ts'
import { duration, number, wholeNumber } from '../program/arguments.ts'
import { findRun, TASKS } from '../evaluation/runs.ts'
import { withEvaluationFleet, type EvaluationFleet } from '../evaluation/fleet.ts'
import { EvaluationProgress } from '../evaluation/progress.ts'
import { printRun } from '../evaluation/report.ts'
import { exitCodes } from '../program/exit-codes.ts'
import { endOnInterrupt } from '../program/interrupts.ts'
import { paint, print, printJson, say } from '../output/output.ts'
import { shorten } from '../output/render.ts'
import { elapsed, money, plural } from '../output/units.ts'

const DEFAULT_LIMIT = 100
const DEFAULT_CONCURRENCY = 4
const MAX_CONCURRENCY = 100
const SHOWN = 20

export function defineShadow(command: Command): void {
  command
    .description('run what users asked through another model or agent, with recorded tools, and compare')
    .option('--since <time>', 'tasks of the last 30m, 24h or 7d; needed for a new run', duration)
    .option('--follow', 'go on with tasks as they end, until it is stopped')
    .option('--model <name>', 'the candidate: another model')
    .option('--agent <name>', 'the candidate: another agent')
    .option('--profile <name>', 'the candidate: another profile')
    .option('--sample <share>', 'share of the tasks, 0 to 1 (default: 1)', share)
    .option(
      '--limit <n>',
      `tasks at most, the earliest first (${DEFAULT_LIMIT}; none with --follow)`,
      wholeNumber,
    )
    .addOption(
      new Option(
        '--tools <policy>',
        'recorded: by recorded outcomes, else refused; refuse: none (default: recorded)',
      ).choices(['recorded', 'refuse']),
    )
    .option('--user <id>', 'user to whom the forks are charged (default: the one who asked)')
    .option('--max-cost <dollars>', 'run nothing that would pass this', positive)
    .option('--concurrency <n>', `tasks at once (default: ${DEFAULT_CONCURRENCY})`, wholeNumber)
    .option('--run <id>', 'id of the run; if it is stored, it goes on where it stopped')
    .option('--quiet', 'no progress on stderr')
    .option('--json', 'one JSON object on stdout')
    .addHelpText('after', help)
    .action(run)
}

const help = `
No tool is called, and nothing is paid twice. Stored as a run: flotilla eval
show, export. Exit code: 0 it is done, or --limit is reached; 5 the cost limit
has left tasks out; 130 Ctrl-C has: flotilla shadow --run ID goes on.`

function positive(text: string): number {
  const value = number(text)
  if (value <= 0) throw new InvalidArgumentError('It must be more than 0.')
  return value
}

function share(text: string): number {
  const value = number(text)
  if (value <= 0 || value > 1) throw new InvalidArgumentError('It must be above 0, and at most 1.')
  return value
}

interface Flags {
  readonly since?: number
  readonly follow?: boolean
  readonly model?: string
  readonly agent?: string
  readonly profile?: string
  readonly sample?: number
  readonly limit?: number
  readonly tools?: 'recorded' | 'refuse'
  readonly user?: string
  readonly maxCost?: number
  readonly concurrency?: number
  readonly run?: string
  readonly quiet?: boolean
  readonly json?: boolean
}

interface Settings extends ShadowSettings, ShadowOptions {}

async function run(flags: Flags): Promise<void> {
  assertFlags(flags)
  const stopped = new AbortController()
  const interrupt = () => stopped.abort(new FlotillaError('TASK_CANCELLED', 'the comparison was interrupted'))
  const onBegun = (id: string) =>
    void endOnInterrupt(interrupt, { left: () => `Left run ${id}: ${goesOn(id)}` })
  // A model that the scripted server plays needs that server.
  const models = [flags.model ?? SCRIPTED_MODEL]
  const { ended, shadowed } = await withEvaluationFleet(models, async (fleet) =>
    shadowOn(fleet, await runOf(flags, fleet.operator), {
      isQuiet: flags.quiet ?? false,
      signal: stopped.signal,
      onBegun,
    }),
  )
  const { cases, skipped, leftOut, lost, stopped: why } = shadowed
  if (flags.json) printJson({ run: ended, cases, skipped, leftOut, lost, stopped: why })
  else printShadowed(ended, shadowed)
  sayLeft(ended, shadowed)
  if (stopped.signal.aborted) process.exit(exitCodes.interrupted.code)
  process.exit(isDone(shadowed) ? exitCodes.success.code : exitCodes.pending.code)
}

const goesOn = (id: string): string => `flotilla shadow --run ${id} goes on.`

interface Shown {
  readonly isQuiet: boolean
  readonly signal: AbortSignal
  /** The run with this id is stored, or was: it can go on. */
  readonly onBegun: (runId: string) => void
}

/** The limit is what was asked for. */
const isDone = ({ stopped, leftOut }: Shadowed): boolean =>
  leftOut === 0 && (stopped === null || stopped === 'limit')

const stops = {
  limit: 'the limit of tasks is reached',
  cost: 'the cost limit is near',
  interrupt: 'it was interrupted',
} as const

function sayLeft({ id }: EvaluationRun, { lost, leftOut, stopped }: Shadowed): void {
  if (lost > 0)
    say(paint('yellow', `${plural(lost, 'result')} lost: retention deleted them before they were read.`))
  if (leftOut === 0 && stopped === null) return
  const left = leftOut === 0 ? '' : `${plural(leftOut, 'task')} left out. `
  const why = stopped === null ? '' : `It stopped: ${stops[stopped]}. `
  say(paint('yellow', `${left}${why}${goesOn(id)}`))
}

function assertFlags({ concurrency = DEFAULT_CONCURRENCY, limit = 1, run: id }: Flags): void {
  if (concurrency < 1 || concurrency > MAX_CONCURRENCY || limit < 1)
    throw refused(`--concurrency must be from 1 to ${MAX_CONCURRENCY}, --limit 1 or more`)
  if (id !== undefined && !runIdPattern.test(id))
    throw refused('--run must be letters, digits, dots, dashes and underscores, at most 64')
}

const refused = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)

/** The stored run of that id, with the limits that the command names; else a new one. */
async function runOf(flags: Flags, { evaluations }: Operator): Promise<EvaluationRun> {
  const stored = flags.run === undefined ? null : await findRun(flags.run, evaluations)
  if (stored === null) return newRun(flags)
  if (stored.datasetHash !== TASKS)
    throw refused(`${stored.id} is a run of a data set: flotilla eval resume ${stored.id}`)
  const before = settingsOf(stored)
  const named = Object.entries(fixedOf(flags)).filter(([, value]) => value !== undefined)
  const other = named.filter(([name, value]) => !isDeepStrictEqual(value, fixedIn(before)[name]))
  if (other.length > 0)
    throw refused(
      `the run ${stored.id} has another ${other.map(([name]) => name).join(', ')}; leave it out to go on, or give another --run`,
    )
  return { ...stored, settings: { ...before, ...limitsOf(flags) } as unknown as Json }
}

const settingsOf = ({ settings }: EvaluationRun): Settings => settings as unknown as Settings

/** What a run has from its beginning; undefined: not named. */
const fixedOf = ({ follow, model, agent, profile, sample, tools, user }: Flags): Record<string, unknown> => ({
  follow,
  model,
  agent,
  profile,
  sample,
  tools,
  user,
})

const fixedIn = ({ candidate, sample, tools, follow }: Settings): Record<string, unknown> => ({
  ...candidate,
  user: candidate.userId,
  sample,
  tools,
  follow,
})

const limitsOf = ({ limit, maxCost, concurrency }: Flags): Partial<ShadowOptions> => ({
  ...(limit === undefined ? {} : { limit }),
  ...(maxCost === undefined ? {} : { maxCost }),
  ...(concurrency === undefined ? {} : { concurrency }),
})

function newRun(flags: Flags): EvaluationRun {
  const {
    since,
    model,
    agent,
    profile,
    user,
    sample = 1,
    tools = 'recorded',
    follow = false,
    run: id,
  } = flags
  if (since === undefined) throw refused('say which tasks: --since 24h')
  if (model === undefined && agent === undefined && profile === undefined)
    throw refused('say what to try: --model, --agent or --profile')
  const candidate = Object.entries({ model, agent, profile, userId: user }).filter(
    ([, value]) => value !== undefined,
  )
  const settings: Settings = {
    sinceMs: Date.now() - since,
    sample,
    candidate: Object.fromEntries(candidate) as ShadowSettings['candidate'],
    tools,
    follow,
    limit: follow ? null : DEFAULT_LIMIT,
    maxCost: null,
    concurrency: DEFAULT_CONCURRENCY,
    ...limitsOf(flags),
  }
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '')
  return {
    id: id ?? `shadow-${day}-${randomBytes(3).toString('hex')}`,
    name: 'shadow',
    dataset: `tasks since ${new Date(settings.sinceMs).toISOString()}`,
    datasetHash: TASKS,
    agent: agent ?? null,
    models: [model ?? profile ?? 'default'],
    epochs: 1,
    cases: 0,
    status: 'running',
    startedAtMs: Date.now(),
    endedAtMs: null,
    settings: settings as unknown as Json,
    position: null,
    summary: null,
  }
}

async function shadowOn(
  { client, operator }: EvaluationFleet,
  run: EvaluationRun,
  { isQuiet, signal, onBegun }: Shown,
): Promise<{ ended: EvaluationRun; shadowed: Shadowed }> {
  const settings = settingsOf(run)
  const started = await operator.evaluations.save({ ...run, status: 'running' })
  onBegun(run.id)
  if (!isQuiet) say(`Run ${run.id}: ${started.position === null ? 'begins' : 'goes on'}`)
  const progress = new EvaluationProgress(0, isQuiet)
  progress.noteEnding(signal)
  const onCase = (scored: EvaluationCase, state: { done: number; total: number; spent: number }) =>
    progress.add(scored, state)
  const shadowed = await shadow(started, settings, settings, { client, operator, signal, onCase }).finally(
    () => progress.end(),
  )
  const ended = await operator.evaluations.save({
    ...shadowed.run,
    status: isDone(shadowed) ? 'completed' : 'stopped',
    endedAtMs: Date.now(),
    summary: summarise(started.models, shadowed.cases) as unknown as Json,
  })
  return { ended, shadowed }
}

function printShadowed(ended: EvaluationRun, { cases, origins, skipped }: Shadowed): void {
  printRun(ended)
  const compared = cases.filter(({ score }) => score !== null)
  const before = compared.flatMap(({ caseId }) => origins.get(caseId) ?? [])
  if (compared.length > 0) printMeans(before, compared)
  const changed = compared.filter(({ passed }) => !passed)
  print(`${plural(changed.length, 'task')} would have changed${changed.length === 0 ? '.' : ':'}`)
  for (const each of changed.slice(0, SHOWN)) printChange(each, origins.get(each.caseId))
  if (changed.length > SHOWN) print(`  and ${changed.length - SHOWN} more: flotilla eval export ${ended.id}`)
  const others = cases.filter(({ score }) => score === null)
  if (others.length > 0) print(`${plural(others.length, 'task')} could not be compared:`)
  for (const { caseId, problem } of others.slice(0, SHOWN))
    print(paint('yellow', `  ${caseId}: ${problem ?? 'no score'}`))
  for (const { taskId, why } of skipped.slice(0, SHOWN)) print(paint('yellow', `not run: ${taskId}: ${why}`))
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)

function printMeans(before: readonly OriginBeginning[], after: readonly EvaluationCase[]): void {
  print(
    `Cost of a task ${money(mean(before.map(({ cost }) => cost)))} → ${money(mean(after.map(({ cost }) => cost)))}, ` +
      `time ${elapsed(mean(before.map(({ executionTime }) => executionTime)))} → ${elapsed(mean(after.map(({ latencyMs }) => latencyMs)))}`,
  )
}

function printChange({ caseId, taskId, output }: EvaluationCase, origin: OriginBeginning | undefined): void {
  print(`  ${caseId}  ${shorten(origin?.output ?? '?', 60)} → ${shorten(JSON.stringify(output), 60)}`)
  print(paint('dim', `    flotilla compare ${caseId} ${taskId}`))
}
