import type { Command } from 'commander'
import { decidedByCommand, decidedLater, type WaitingCall } from '../output/decision-notice.ts'
import { exitCode, exitCodeHelp } from '../program/exit-codes.ts'
import { print, printJson, say } from '../output/output.ts'
import { LiveView } from '../output/live-view.ts'
import { readStdin } from '../program/read-text.ts'
import { renderResult } from '../output/render.ts'
import { addViewOptions, detailOf, type ViewOptions } from '../program/view-options.ts'
import { addTaskOptions, toTask, type TaskOptions } from '../program/task-options.ts'
import { openFleet, runToEnd } from '../fleet/here.ts'
import { watchPauses } from '../output/pause-notice.ts'

type RunOptions = TaskOptions & ViewOptions & { readonly json?: boolean }

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
  const task = toTask(text === '-' ? await readStdin() : text, options)
  let isOwn = false
  const decide = (call: WaitingCall) => (isOwn ? decidedLater : decidedByCommand)(call)
  const view = new LiveView({ detail: detailOf(options), decide })
  view.now('starting')
  const model = typeof options.model === 'string' ? options.model : null
  const opened = openFleet(model, (text) => view.note(text), { isQuiet: options.json || options.quiet })
  const fleet = await opened.catch((error: unknown) => {
    view.end()
    throw error
  })
  isOwn = fleet.isOwn
  const { client, pauses, stop } = fleet
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
