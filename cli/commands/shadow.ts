// Real tasks through a candidate: what would have changed.
import { randomBytes } from 'node:crypto'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { EvaluationCase, EvaluationRun } from '../../api/schemas/evaluations.ts'
import { sampledTasks, shadow, type Shadowed, type ShadowOptions } from '../../evaluation/shadow.ts'
import { summarise } from '../../evaluation/summary.ts'
import type { TaskResult } from '../../client/types.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { SCRIPTED_MODEL } from '../../runtime/models/names.ts'
import type { Json } from '../../schemas/json.ts'
import { duration, number, wholeNumber } from '../arguments.ts'
import { withEvaluationFleet, type EvaluationFleet } from '../evaluation-fleet.ts'
import { EvaluationProgress } from '../evaluation-progress.ts'
import { printRun } from '../evaluation-report.ts'
import { exitCodes } from '../exit-codes.ts'
import { paint, print, printJson, say } from '../output.ts'
import { shorten } from '../render.ts'
import { elapsed, money, plural } from '../units.ts'

const DEFAULT_LIMIT = 100
const DEFAULT_CONCURRENCY = 4
const MAX_CONCURRENCY = 100
const SHOWN = 20

export function defineShadow(command: Command): void {
  command
    .description('run what users asked through another model or agent, with recorded tools, and compare')
    .requiredOption('--since <time>', 'tasks of the last 30m, 24h or 7d', duration)
    .option('--model <name>', 'the candidate: another model')
    .option('--agent <name>', 'the candidate: another agent')
    .option('--profile <name>', 'the candidate: another profile')
    .option('--sample <share>', 'share of the tasks, 0 to 1 (1)', share)
    .option('--limit <n>', `tasks at most, the latest first (${DEFAULT_LIMIT})`, wholeNumber)
    .addOption(
      new Option('--tools <policy>', 'recorded: by recorded outcomes, else refused; refuse: none')
        .choices(['recorded', 'refuse'])
        .default('recorded'),
    )
    .option('--max-cost <dollars>', 'run nothing that would pass this', positive)
    .option('--concurrency <n>', `tasks at once (${DEFAULT_CONCURRENCY})`, wholeNumber)
    .option('--quiet', 'no progress on stderr')
    .option('--json', 'one JSON object on stdout')
    .addHelpText('after', '\nNo tool is called. Stored as a run: flotilla eval show, export.')
    .action(run)
}

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
  readonly since: number
  readonly model?: string
  readonly agent?: string
  readonly profile?: string
  readonly sample?: number
  readonly limit?: number
  readonly tools: 'recorded' | 'refuse'
  readonly maxCost?: number
  readonly concurrency?: number
  readonly quiet?: boolean
  readonly json?: boolean
}

async function run(flags: Flags): Promise<void> {
  const options = optionsOf(flags)
  const stopped = new AbortController()
  process.on('SIGINT', () => stopped.abort())
  const { quiet = false, json = false } = flags
  // A model that the scripted server plays needs that server.
  const models = [flags.model ?? SCRIPTED_MODEL]
  const { ended, shadowed } = await withEvaluationFleet(models, (fleet) =>
    shadowOn(fleet, options, { isQuiet: quiet, signal: stopped.signal }),
  )
  const { cases, skipped, leftOut } = shadowed
  if (json) printJson({ run: ended, cases, skipped, leftOut })
  else printShadowed(ended, shadowed)
  if (leftOut > 0)
    say(
      paint('yellow', `${plural(leftOut, 'task')} left out: the cost limit is near, or it was interrupted.`),
    )
  process.exit(leftOut > 0 ? exitCodes.pending.code : exitCodes.success.code)
}

function optionsOf({
  since,
  model,
  agent,
  profile,
  sample = 1,
  limit = DEFAULT_LIMIT,
  tools,
  maxCost,
  ...flags
}: Flags): ShadowOptions {
  if (model === undefined && agent === undefined && profile === undefined)
    throw new FlotillaError('REQUEST_INVALID', 'say what to try: --model, --agent or --profile')
  const { concurrency = DEFAULT_CONCURRENCY } = flags
  if (concurrency < 1 || concurrency > MAX_CONCURRENCY || limit < 1)
    throw new FlotillaError(
      'REQUEST_INVALID',
      `--concurrency must be from 1 to ${MAX_CONCURRENCY}, --limit 1 or more`,
    )
  const named = Object.entries({ model, agent, profile }).filter(([, value]) => value !== undefined)
  return {
    sinceMs: Date.now() - since,
    sample,
    limit,
    candidate: Object.fromEntries(named) as ShadowOptions['candidate'],
    tools,
    concurrency,
    maxCost: maxCost ?? null,
  }
}

async function shadowOn(
  { client, operator }: EvaluationFleet,
  options: ShadowOptions,
  { isQuiet, signal }: { isQuiet: boolean; signal: AbortSignal },
): Promise<{ ended: EvaluationRun; shadowed: Shadowed }> {
  const ids = await sampledTasks(operator, options)
  const { model, agent = null, profile } = options.candidate
  const started: EvaluationRun = {
    id: `shadow-${new Date().toISOString().slice(0, 10).replaceAll('-', '')}-${randomBytes(3).toString('hex')}`,
    name: 'shadow',
    dataset: `tasks since ${new Date(options.sinceMs).toISOString()}`,
    datasetHash: 'tasks',
    agent,
    models: [model ?? profile ?? 'default'],
    epochs: 1,
    cases: ids.length,
    status: 'running',
    startedAtMs: Date.now(),
    endedAtMs: null,
    settings: options as unknown as Json,
    summary: null,
  }
  await operator.evaluations.save(started)
  const progress = new EvaluationProgress(ids.length, isQuiet)
  const onCase = (scored: EvaluationCase, state: { done: number; total: number; spent: number }) =>
    progress.add(scored, state)
  const shadowed = await shadow(started, ids, options, { client, operator, signal, onCase }).finally(() =>
    progress.end(),
  )
  const summary = summarise(started.models, shadowed.cases) as unknown as Json
  const status = shadowed.leftOut === 0 ? ('completed' as const) : ('stopped' as const)
  const ended = await operator.evaluations.save({ ...started, status, endedAtMs: Date.now(), summary })
  return { ended, shadowed }
}

function printShadowed(ended: EvaluationRun, { cases, origins, skipped }: Shadowed): void {
  printRun(ended)
  const before = [...origins.values()]
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
  print(
    `Cost of a task ${money(mean(before.map(({ usage }) => usage.cost)))} → ${money(mean(cases.map(({ cost }) => cost)))}, ` +
      `time ${elapsed(mean(before.map(({ executionTime }) => executionTime)))} → ${elapsed(mean(cases.map(({ latencyMs }) => latencyMs)))}`,
  )
  const changed = cases.filter(({ passed }) => !passed)
  print(`${plural(changed.length, 'task')} would have changed${changed.length === 0 ? '.' : ':'}`)
  for (const each of changed.slice(0, SHOWN)) printChange(each, origins.get(each.caseId))
  if (changed.length > SHOWN) print(`  and ${changed.length - SHOWN} more: flotilla eval export ${ended.id}`)
  for (const { taskId, why } of skipped.slice(0, SHOWN)) print(paint('yellow', `not run: ${taskId}: ${why}`))
}

function printChange({ caseId, taskId, output }: EvaluationCase, origin: TaskResult | undefined): void {
  print(
    `  ${caseId}  ${shorten(JSON.stringify(origin?.output ?? null), 60)} → ${shorten(JSON.stringify(output), 60)}`,
  )
  print(paint('dim', `    flotilla compare ${caseId} ${taskId}`))
}
