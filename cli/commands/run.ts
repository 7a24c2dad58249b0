import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { HttpClient } from '../../client/http/client.ts'
import type { Client, TaskInput, TaskResult } from '../../client/types.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { exitCode, exitCodeHelp } from '../exit-codes.ts'
import { paint, print, printJson, say } from '../output.ts'
import { LiveView, renderResult } from '../render.ts'
import { addTaskOptions, toTask, type TaskOptions } from '../task-options.ts'
import { gatewayBehind } from '../../operator/running-fleet.ts'

type RunOptions = TaskOptions & { readonly json?: boolean }

export function defineRun(command: Command): void {
  command
    .description('run one task on this machine and show its steps; nothing else needs to be running')
    .argument('<task>', 'what to do, 1 to 10,000 characters; - reads it from stdin')
    .option('--json', 'one JSON object on stdout and nothing else')
    .addHelpText(
      'after',
      `\n${exitCodeHelp}\n\nThe fleet's data file is in FLOTILLA_DATA (.flotilla/): a task that was running\nwhen the command was killed resumes at the next start.`,
    )
  addTaskOptions(command).action(run)
}

async function run(text: string, options: RunOptions): Promise<void> {
  const { client, stop } = await openFleet(options)
  const task = toTask(text === '-' ? readFileSync(0, 'utf8') : text, options)
  const result = await runToEnd(client, task, { quiet: options.json === true }).finally(stop)
  if (options.json) printJson(result)
  else if (result.status === 'succeeded') print(renderResult(result))
  else say(renderResult(result))
  process.exit(exitCode(result.status))
}

/** Starts this command's own fleet, or uses the gateway of the process that holds the data directory. */
async function openFleet(options: RunOptions): Promise<{ client: Client; stop: () => Promise<void> }> {
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
