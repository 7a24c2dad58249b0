import type { Command } from 'commander'
import { usingOperator } from '../../operator/connect.ts'
import type { Pause } from '../../runtime/pauses.ts'
import { print, printJson } from '../output/output.ts'
import { pauseLines } from '../output/task-state.ts'

export function definePause(command: Command): void {
  command
    .description('stop a stage, or the whole fleet, from taking new events')
    .argument('[stage]', 'router, planner, tool-executor …; without one every stage')
    .option('--reason <text>', 'why, for the others')
    .option('--by <name>', 'who you are')
    .option('--json', 'the pauses that hold then, as JSON')
    .addHelpText(
      'after',
      `
What a stage has taken it finishes. Cancels and decisions still arrive, the
rest waits in the log, and timers wait too. Deadlines go on: a task whose time
is over ends when its stage resumes. It holds over restarts.`,
    )
    .action((stage: string | undefined, options: Options) => set(stage, true, options))
}

export function defineResume(command: Command): void {
  command
    .description('let a paused stage, or all of them, take events again')
    .argument('[stage]', 'without one the fleet and every stage')
    .option('--by <name>', 'who you are')
    .option('--json', 'the pauses that hold then, as JSON')
    .action((stage: string | undefined, options: Options) => set(stage, false, options))
}

interface Options {
  reason?: string
  by?: string
  json?: boolean
}

async function set(stage: string | undefined, paused: boolean, options: Options): Promise<void> {
  const { reason, by, json } = options
  const pauses = await usingOperator((operator) =>
    operator.pauses.set({
      paused,
      ...(stage === undefined ? {} : { stage }),
      ...(reason === undefined ? {} : { reason }),
      ...(by === undefined ? {} : { by }),
    }),
  )
  if (json) printJson(pauses)
  else show(pauses)
  process.exit(0)
}

function show(pauses: readonly Pause[]): void {
  if (pauses.length === 0) print('Nothing is paused.')
  for (const line of pauseLines(pauses)) print(line)
}
