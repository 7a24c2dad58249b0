// Forks of ended tasks, and tasks side by side.
import { Option, type Command } from 'commander'
import type { Client, TaskResult } from '../../client/types.ts'
import type { Comparison, ComparedStep, ComparedTask } from '../../operator/direct/tasks/comparison.ts'
import { usingOperator } from '../../operator/connect.ts'
import type { Forked, ForkOptions } from '../../operator/direct/tasks/forks.ts'
import { toolPolicies, type ToolPolicy } from '../../runtime/task/recording.ts'
import { taskStages } from '../../services/index.ts'
import { number, taskId, textFile, wholeNumber } from '../program/arguments.ts'
import { exitCode, exitCodeHelp } from '../program/exit-codes.ts'
import { AT_NEXT_START, withClient } from '../fleet/client.ts'
import { followToEnd } from '../fleet/here.ts'
import { LiveView } from '../output/live-view.ts'
import { paint, print, printJson, say } from '../output/output.ts'
import { renderResult, renderStep, shorten } from '../output/render.ts'
import { count, elapsed, money } from '../output/units.ts'
import { detailOf } from '../program/view-options.ts'

export function defineFork(command: Command): void {
  command
    .description('run a task again from one of its steps; the steps before it are shared')
    .argument('<taskId>', '', taskId)
    .option(
      '--from-step <n>',
      'the first step that runs again (default: 1); needed for a task that has not ended',
      wholeNumber,
    )
    .option('--agent <name>', 'another agent')
    .option('--model <name>', 'another model')
    .option('--profile <name>', 'another profile')
    .option('--prompt <file>', 'instructions in place of the agent’s', textFile)
    .addOption(
      new Option('--tools <policy>', 'how tool calls are answered')
        .choices(toolPolicies)
        .default('recorded' satisfies ToolPolicy),
    )
    .option('--max-cost <dollars>', 'stop once the fork has cost this much', number)
    .option('--priority <n>', '-9 to 9; else as the origin', wholeNumber)
    .option('--user <id>', 'user to whom the fork is charged')
    .option('--no-wait', 'print its id, and do not wait for its result')
    .option('--steps', 'also show each step')
    .option('--json', 'one JSON object on stdout')
    .addHelpText('after', `\n${exitCodeHelp}`)
    .action(fork)
}

export function defineCompare(command: Command): void {
  command
    .description('two ended tasks side by side: steps, output, tokens, cost and time')
    .argument('<taskId>', '', taskId)
    .argument('<otherId>', '', taskId)
    .option('--json', 'one JSON object on stdout')
    .action(compare)
}

interface ForkFlags {
  fromStep?: number
  agent?: string
  model?: string
  profile?: string
  prompt?: string
  tools: ToolPolicy
  maxCost?: number
  priority?: number
  user?: string
  wait: boolean
  steps?: boolean
  json?: boolean
}

async function fork(taskId: string, flags: ForkFlags): Promise<void> {
  const options = optionsOf(flags)
  // Without a running fleet the file would take the fork, and nothing would run it while the command waits.
  const forked = await usingOperator(
    async ({ forks }, reached) => {
      const isFile = reached === 'file'
      return isFile && flags.wait ? null : { ...(await forks.fork(taskId, options)), isFile }
    },
    { stages: taskStages },
  )
  if (forked === null) return forkHere(taskId, flags)
  if (flags.wait) {
    const result = await withClient((client) => follow(client, forked, flags))
    return end(result, flags)
  }
  const { isFile, ...shown } = forked
  if (flags.json) printJson(shown)
  else print(forked.taskId)
  if (isFile && !flags.json) say(paint('dim', AT_NEXT_START))
  process.exit(0)
}

/** In a fleet inside this command. */
async function forkHere(taskId: string, flags: ForkFlags): Promise<void> {
  const { startEmbedded } = await import('../fleet/embedded.ts')
  const fleet = await startEmbedded({}, { model: flags.model ?? null })
  let result: TaskResult
  try {
    const { forks } = await fleet.operator()
    result = await follow(fleet.client, await forks.fork(taskId, optionsOf(flags)), flags)
  } finally {
    await fleet.stop()
  }
  end(result, flags)
}

/** With --steps they are on stdout: only what happens now is shown meanwhile. */
async function follow(client: Client, forked: Forked, { json, steps }: ForkFlags): Promise<TaskResult> {
  const { taskId, forkedFrom, fromStep } = forked
  if (!json) say(paint('dim', `task ${taskId} is a fork of ${forkedFrom} from step ${fromStep}`))
  const view = new LiveView({ detail: detailOf({ json }), ...(steps ? { print: () => {} } : {}) })
  view.now('waiting for the router')
  return await followToEnd(client, Promise.resolve(taskId), view).finally(() => view.end())
}

function end(result: TaskResult, flags: ForkFlags): never {
  if (flags.json) printJson(result)
  else show(result, flags.steps === true)
  process.exit(exitCode(result.status))
}

function optionsOf({ prompt, user, wait: _w, steps: _s, json: _j, ...same }: ForkFlags): ForkOptions {
  return {
    ...same,
    ...(prompt === undefined ? {} : { instructions: prompt }),
    ...(user === undefined ? {} : { userId: user }),
  }
}

function show(result: TaskResult, withSteps: boolean): void {
  if (withSteps) for (const step of result.steps) print(renderStep(step))
  print(renderResult(result))
  for (const { step, tool, arguments: args } of result.refusedCalls)
    print(paint('yellow', `  not called in step ${step}: ${tool} ${shorten(JSON.stringify(args))}`))
}

async function compare(taskId: string, otherId: string, { json }: { json?: boolean }): Promise<void> {
  const comparison = await usingOperator(({ forks }) => forks.compare(taskId, otherId))
  if (json) printJson(comparison)
  else showComparison(comparison)
  process.exit(0)
}

function showComparison({ a, b, steps, firstDifference, sameOutput }: Comparison): void {
  const rows: [string, string, string][] = [
    ['task', a.taskId, b.taskId],
    ['status', statusOf(a), statusOf(b)],
    ['model', a.model ?? '–', b.model ?? '–'],
    ['steps', count(a.steps), count(b.steps)],
    ['tokens', tokensOf(a), tokensOf(b)],
    ['cost', money(a.cost), money(b.cost)],
    ['time', elapsed(a.executionTime), elapsed(b.executionTime)],
    ['output', shorten(JSON.stringify(a.output)), shorten(JSON.stringify(b.output))],
  ]
  const width = Math.min(60, Math.max(...rows.map(([, left]) => left.length)))
  for (const [name, left, right] of rows)
    print(`${paint('cyan', name.padEnd(8))}${left.slice(0, width).padEnd(width)}  ${right}`)
  for (const step of steps) print(stepLine(step))
  const where = firstDifference
    ? `They differ first in step ${firstDifference.step}: ${firstDifference.in.join(', ')}.`
    : 'No step differs.'
  print(`${where} ${sameOutput ? 'The output is the same.' : 'The output differs.'}`)
}

const statusOf = ({ status, errorCode }: ComparedTask): string =>
  errorCode === null ? status : `${status} ${errorCode}`
const tokensOf = ({ inputTokens, outputTokens }: ComparedTask): string =>
  `${count(inputTokens)} + ${count(outputTokens)}`

function stepLine({ step, a, b, differs }: ComparedStep): string {
  const kinds = [a, b].map((each) => (each ? `${each.kind}${each.recorded ? ' (shared)' : ''}` : 'none'))
  const verdict = differs.length === 0 ? 'same' : paint('yellow', `differs: ${differs.join(', ')}`)
  return `${paint('dim', `step ${step}`.padEnd(10))}${kinds.join(' | ')}  ${verdict}`
}
