import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { HttpClient } from '../../client/http/client.ts'
import type { Client, TaskInput, TaskResult } from '../../client/types.ts'
import { messageOf } from '../../runtime/errors.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { exitCode, exitCodeHelp } from '../exit-codes.ts'
import { print, printJson, say } from '../output.ts'
import { LiveView } from '../live-view.ts'
import { renderResult } from '../render.ts'
import { addViewOptions, detailOf, type ViewOptions } from '../view-options.ts'
import { addTaskOptions, toTask, type TaskOptions } from '../task-options.ts'
import { httpOperator } from '../../operator/http.ts'
import { gatewayBehind } from '../../operator/running-fleet.ts'
import type { Pause } from '../../runtime/pauses.ts'
import { watchPauses } from '../pause-notice.ts'

type RunOptions = TaskOptions & ViewOptions & { readonly json?: boolean }

/** As shells have it for a program that SIGINT ended. */
const INTERRUPTED = 130

export function defineRun(command: Command): void {
  command
    .description('run one task on this machine and show its steps; nothing else needs to be running')
    .argument('<task>', 'what to do, 1 to 10,000 characters; - reads it from stdin')
    .option('--json', 'one JSON object on stdout and nothing else')
    .addHelpText(
      'after',
      `\n${exitCodeHelp}\n\nThe fleet's data file is in FLOTILLA_DATA (.flotilla/): a task that was running\nwhen the command was killed resumes at the next start.`,
    )
  addViewOptions(addTaskOptions(command)).action(run)
}

async function run(text: string, options: RunOptions): Promise<void> {
  const task = toTask(text === '-' ? readFileSync(0, 'utf8') : text, options)
  const view = new LiveView({ detail: detailOf(options) })
  view.now('starting')
  const { client, pauses, stop } = await openFleet(options, view).catch((error: unknown) => {
    view.end()
    throw error
  })
  const unwatch = watchPauses(view, pauses)
  const result = await runToEnd(client, task, view).finally(() => {
    unwatch()
    return stop()
  })
  if (options.json) printJson(result)
  else if (result.status === 'succeeded') print(renderResult(result))
  else say(renderResult(result))
  process.exit(exitCode(result.status))
}

/** Starts this command's own fleet, or uses the gateway of the process that holds the data directory. */
async function openFleet(
  options: RunOptions,
  view: LiveView,
): Promise<{ client: Client; pauses: () => Promise<Pause[]>; stop: () => Promise<void> }> {
  try {
    return await (
      await import('../embedded.ts')
    ).startEmbedded({}, { model: typeof options.model === 'string' ? options.model : null })
  } catch (error) {
    const environment = readEnvironment(process.env)
    const gateway = gatewayBehind(error, environment)
    const client = new HttpClient(gateway, {
      apiKey: environment.raw['FLOTILLA_API_KEY'],
      onReconnect: ({ message }) => view.note(`${message}; reconnecting`),
    })
    if (!options.json && !options.quiet)
      view.note(`A fleet is running on ${environment.dataDir}: using its gateway, ${gateway}.`)
    return { client, pauses: () => httpOperator(gateway).pauses.list(), stop: () => client.close() }
  }
}

/** Submits, shows what happens, and resolves with the result. The first Ctrl-C cancels the task. */
export async function runToEnd(client: Client, task: TaskInput, view: LiveView): Promise<TaskResult> {
  view.now('submitting')
  try {
    const { taskId } = await client.submit(task)
    view.now('waiting for the router')
    return await followToEnd(client, taskId, view)
  } finally {
    view.end()
  }
}

async function followToEnd(client: Client, taskId: string, view: LiveView): Promise<TaskResult> {
  let isCancelled = false
  const cancel = () => {
    if (isCancelled) leave(taskId, view)
    isCancelled = true
    view.note('cancelling the task; Ctrl-C again leaves it as it is')
    view.now('cancelling')
    client
      .cancel(taskId, 'interrupted at the terminal')
      .catch((error: unknown) => view.note(`the cancel failed: ${messageOf(error)}`))
  }
  process.on('SIGINT', cancel)
  try {
    for await (const update of client.watch(taskId)) {
      view.show(update)
      if (update.kind === 'result') return update.result
    }
  } finally {
    process.off('SIGINT', cancel)
  }
  return client.result(taskId)
}

/** Ends the command at once: a paused or unreachable fleet may take a cancel much later. */
function leave(taskId: string, view: LiveView): never {
  view.end()
  say(
    `Left task ${taskId}: flotilla status ${taskId} shows it; on this machine the next start carries it on.`,
  )
  process.exit(INTERRUPTED)
}
