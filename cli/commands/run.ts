import { readFileSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { HttpClient } from '../../client/http/client.ts'
import type { Client, TaskInput, TaskResult } from '../../client/types.ts'
import {
  complexities,
  qualities,
  strategies,
  type Complexity,
  type Quality,
  type Strategy,
} from '../../runtime/models/strategies.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { exitCode, exitCodeHelp, paint, print, printJson, say } from '../output.ts'
import { LiveView, renderResult } from '../render.ts'
import { gatewayBehind } from '../../operator/running-fleet.ts'

export function number(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || text.trim() === '') throw new InvalidArgumentError('It must be a number.')
  return value
}

/** Adds the options of a task, which `run` and `submit` share. */
export function addTaskOptions(command: Command): Command {
  return command
    .option('--agent <name>', 'agent of flotilla.config.ts')
    .option('--profile <name>', 'fast, accurate, economy, local, secure, throughput, or one of your own')
    .option('--model <name>', 'provider/model, such as groq/llama-3.3-70b-versatile; a bare name is OpenAI’s')
    .addOption(
      new Option('--strategy <name>', 'how to choose the model if none is named').choices(strategies),
    )
    .addOption(
      new Option(
        '--complexity <level>',
        'complexity of the task, used by the strategy (default: estimated)',
      ).choices(complexities),
    )
    .addOption(
      new Option('--quality <level>', 'wanted quality, used by the strategy (default: normal)').choices(
        qualities,
      ),
    )
    .option(
      '--estimated-tokens <n>',
      'tokens of the whole task, used by the strategy and the budgets',
      number,
    )
    .addOption(
      new Option('--mode <mode>', 'code: Python that calls tools; tools: JSON tool calls').choices([
        'code',
        'tools',
      ]),
    )
    .option('--max-steps <n>', 'how many steps (model answers) at most', number)
    .option('--timeout <ms>', 'time limit of the task in milliseconds', number)
    .option('--max-cost <dollars>', 'stop once the task has cost this much', number)
    .option(
      '--priority <n>',
      '0 to 9; when the queue is full, higher priorities run first (default 0)',
      number,
    )
    .option('--user <id>', 'user to whom the task is charged')
    .option('--id <taskId>', 'task id; the same id runs only once')
    .option('--output-schema <file>', 'JSON Schema that the output must fit', readJson)
}

function readJson(path: string): NonNullable<TaskInput['outputSchema']> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as NonNullable<TaskInput['outputSchema']>
  } catch (error) {
    throw new InvalidArgumentError(`${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

export interface TaskOptions {
  agent?: string
  profile?: string
  model?: string
  mode?: 'code' | 'tools'
  maxSteps?: number
  timeout?: number
  maxCost?: number
  priority?: number
  strategy?: Strategy
  complexity?: Complexity
  quality?: Quality
  estimatedTokens?: number
  user?: string
  id?: string
  outputSchema?: NonNullable<TaskInput['outputSchema']>
  json?: boolean
}

export function toTask(text: string, options: TaskOptions): TaskInput {
  const { timeout, user, id, json: _, ...same } = options
  const given = { ...same, timeoutMs: timeout, userId: user, taskId: id }
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { text, ...present }
}

export function defineRun(command: Command): void {
  command
    .description('run one task on this machine and show its steps; nothing else needs to be running')
    .argument('<task>', 'what to do, 1 to 10,000 characters; - reads it from stdin')
    .option('--json', 'one JSON object on stdout and nothing else')
    .addHelpText(
      'after',
      `\n${exitCodeHelp}\nThe fleet's data file is in FLOTILLA_DATA (.flotilla/): a task that was running when the command was killed resumes at the next start.`,
    )
  addTaskOptions(command).action(run)
}

async function run(text: string, options: TaskOptions): Promise<void> {
  const { client, stop } = await openFleet(options)
  const task = toTask(text === '-' ? readFileSync(0, 'utf8') : text, options)
  const result = await runToEnd(client, task, { quiet: options.json === true }).finally(stop)
  if (options.json) printJson(result)
  else if (result.status === 'succeeded') print(renderResult(result))
  else say(renderResult(result))
  process.exit(exitCode(result.status))
}

/** Starts this command's own fleet, or uses the gateway of the process that holds the data directory. */
async function openFleet(options: TaskOptions): Promise<{ client: Client; stop: () => Promise<void> }> {
  try {
    return await (await import('../embedded.ts')).startEmbedded()
  } catch (error) {
    const environment = readEnvironment(process.env)
    const gateway = gatewayBehind(error, environment)
    const client = new HttpClient(gateway)
    if (!options.json)
      say(paint('dim', `A fleet is running on ${environment.dataDir}: using its gateway, ${gateway}.`))
    return { client, stop: () => client.close() }
  }
}

/** Submits, shows what happens, and resolves with the result. The first Ctrl-C cancels the task. */
export async function runToEnd(
  client: Client,
  task: TaskInput,
  { quiet }: { quiet: boolean },
): Promise<TaskResult> {
  const { taskId } = await client.submit(task)
  const cancel = () => void client.cancel(taskId, 'interrupted at the terminal')
  process.once('SIGINT', cancel)
  const view = new LiveView()
  try {
    for await (const update of client.watch(taskId)) {
      if (!quiet) view.show(update)
      if (update.kind === 'result') return update.result
    }
  } finally {
    process.off('SIGINT', cancel)
  }
  return client.result(taskId)
}
