import { Option, type Command } from 'commander'
import type { Detail } from '../output/live-view.ts'

export interface ViewOptions {
  readonly quiet?: boolean
  readonly verbose?: boolean
}

/** Adds the options of commands that show a task as it runs. */
export function addViewOptions(command: Command): Command {
  return command
    .addOption(new Option('-q, --quiet', 'show only the result').conflicts('verbose'))
    .option('-v, --verbose', 'also show the text as the model writes it, and tokens')
}

/** JSON is for programs: nothing else is shown, unless it is asked for. */
export function detailOf({
  quiet,
  verbose,
  json,
}: ViewOptions & { readonly json?: boolean | undefined }): Detail {
  if (verbose === true) return 'verbose'
  return quiet === true || json === true ? 'quiet' : 'normal'
}
