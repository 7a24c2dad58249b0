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

/** Options of a task, shared by `run` and `submit`. */
export function addTaskOptions(command: Command): Command {
  return command
    .option('--agent <name>', 'agent of flotilla.config.ts')
    .option('--profile <name>', 'fast, accurate, economy, local, secure, throughput, or one of your own')
    .option('--model <name>', 'provider/model, such as groq/llama-3.3-70b-versatile; a bare name is OpenAI’s')
    .addOption(
      new Option('--strategy <name>', 'choose the model by the task, where none is named').choices(
        strategies,
      ),
    )
    .addOption(
      new Option('--complexity <level>', 'of the task, for the strategy (default: estimated)').choices(
        complexities,
      ),
    )
    .addOption(
      new Option('--quality <level>', 'wanted, for the strategy (default: normal)').choices(qualities),
    )
    .option('--estimated-tokens <n>', 'of the whole task, for strategy and budgets', number)
    .addOption(
      new Option('--mode <mode>', 'Python that calls tools, or JSON tool calls').choices(['code', 'tools']),
    )
    .option('--max-steps <n>', 'model turns at most', number)
    .option('--timeout <ms>', 'time limit of the task in milliseconds', number)
    .option('--max-cost <dollars>', 'stop when the task has cost this much', number)
    .option(
      '--priority <n>',
      '0 to 9: where tasks wait for a place, higher ones go first (default 0)',
      number,
    )
    .option('--user <id>', 'user to whom the task is charged')
    .option('--id <taskId>', 'names the task: the same id runs once')
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

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .description('run one task on this machine and show its steps; nothing else needs to be running')
    .argument('<task>', 'what to do, 1 to 10,000 characters; - reads it from stdin')
    .option('--json', 'one JSON object on stdout and nothing else')
    .addHelpText(
      'after',
      `\n${exitCodeHelp}\nThe fleet's file lies in FLOTILLA_DATA (.flotilla/): a task that was under way when the command was killed goes on at the next start.`,
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

/** This command's own fleet; or the gateway of the process that holds the data directory. */
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
