// Filters of tasks that commands share.
import { type Command, Option } from 'commander'
import { openStates, taskStates } from '../../runtime/ledger/choices.ts'

/** Filters that can match a task which has not ended. */
export function addOpenTaskFilters(command: Command): Command {
  return addFilters(command, openStates)
}

export function addTaskFilters(command: Command): Command {
  return addFilters(command, taskStates).option('--error <code>', 'tasks that ended with this error code')
}

function addFilters(command: Command, states: readonly string[]): Command {
  return command
    .addOption(new Option('--status <state>', 'tasks in one state').choices([...states, 'open']))
    .option('--agent <name>', 'tasks of one agent')
    .option('--user <id>', 'tasks of one user')
    .option('--model <name>', 'tasks on one model')
    .option('--profile <name>', 'tasks with one profile')
    .option('--session <id>', 'tasks of one conversation')
    .option('--parent <id>', 'tasks made from this task')
    .option('--waiting', 'tasks that wait for a person')
    .option('--doubt', 'tasks with a call of which nobody knows whether it took effect')
    .option('--search <text>', 'tasks with this in their id or in the beginning of their text')
    .option('--min-cost <dollars>', 'tasks that cost at least so much, so far')
    .option('--min-ms <ms>', 'tasks that took at least so long, so far')
    .option('--since <when>', 'submitted since: 30m, 2h, 1d, or a day')
    .option('--to <when>', 'submitted before')
}

/** Flags as the filters of the API spell them. */
export function filtersOf(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, value === true ? 'true' : value]),
  )
}
