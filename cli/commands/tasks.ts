// Commands of people and programs that use a fleet (cli/fleet/client.ts).
import { type Command, Option } from 'commander'
import type { Client, TaskResult } from '../../client/types.ts'
import { queryFrom } from '../../api/schemas/task-query.ts'
import { usingOperator } from '../../operator/connect.ts'
import type { CancelOptions } from '../../operator/direct/tasks/cancel.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { FlotillaError, hasCode } from '../../runtime/errors.ts'
import { taskId, wholeNumber } from '../program/arguments.ts'
import { AT_NEXT_START, withClient } from '../fleet/client.ts'
import { addOpenTaskFilters, filtersOf } from '../program/task-filters.ts'
import { plural } from '../output/units.ts'
import { assertNotUnknown, assertTask, assertUnused, endingOf, type Ending } from '../fleet/known-task.ts'
import { exitCode, exitCodeHelp, exitCodes } from '../program/exit-codes.ts'
import { paint, print, printJson, say } from '../output/output.ts'
import { shellWord } from '../output/decision-notice.ts'
import { leaveOnInterrupt } from '../program/interrupts.ts'
import { LiveView } from '../output/live-view.ts'
import { doing } from '../output/task-state.ts'
import { readStdin } from '../program/read-text.ts'
import { renderResult, renderStep, shorten } from '../output/render.ts'
import { besideClient, watchPauses } from '../output/pause-notice.ts'
import { addViewOptions, detailOf, type ViewOptions } from '../program/view-options.ts'
import { addTaskOptions, toTask, type TaskOptions } from '../program/task-options.ts'

export function defineSubmit(command: Command): void {
  command
    .description('submit a task to a running fleet; prints its id')
    .argument('<task>', 'what to do; - reads it from stdin')
    .option('--json', 'print {"taskId": …}')
  addTaskOptions(command).action(submit)
}

export function defineResult(command: Command): void {
  command
    .description('show the result of a task')
    .argument('<taskId>', '', taskId)
    .option('--wait', 'wait until there is one')
    .option('--steps', 'also show each step: its code, tool calls and errors')
    .option('--timeout <ms>', 'give up waiting after this long', wholeNumber)
    .option('--json', 'one JSON object on stdout')
    .addHelpText('after', `\n${exitCodeHelp}\n5: no result yet.`)
    .action(result)
}

export function defineWatch(command: Command): void {
  addViewOptions(command)
    .description('follow one task as it runs, or every result as it comes')
    .argument('[taskId]', '', taskId)
    .option(
      '--group <name>',
      'consumer group: resume where it stopped, and share results with its other members',
    )
    .addOption(
      new Option('--from <where>', 'for a group without a position')
        .choices(['earliest', 'latest'])
        .default('latest'),
    )
    .option('--json', 'a line of JSON each')
    .action(watch)
}

export function defineCancel(command: Command): void {
  addOpenTaskFilters(command)
    .description('cancel a task, or all open ones that match; their results then say so')
    .argument('[taskId]', '', taskId)
    .option('--reason <text>', 'why, for the results')
    .option('--limit <n>', 'of those that match, how many at most (default: 100)', wholeNumber)
    .option('--dry-run', 'only show which ones match')
    .option('--json', '{"matched": …, "more": …} on stdout')
    .action(cancel)
}

async function submit(text: string, options: TaskOptions & { json?: boolean }): Promise<void> {
  const task = toTask(text === '-' ? await readStdin() : text, options)
  await assertUnused(task.taskId, task.text)
  const submitted = await withClient((client) => client.submit(task))
  if (options.json) printJson(submitted)
  else print(submitted.taskId)
  process.exit(0)
}

async function result(
  taskId: string,
  options: { wait?: boolean; steps?: boolean; timeout?: number; json?: boolean },
): Promise<void> {
  const limit = options.timeout === undefined ? {} : { timeoutMs: options.timeout }
  const { found, isRunning } = await withClient(
    async (client, isRunning) => ({
      found: await (options.wait && isRunning ? waitFor(client, taskId, limit) : client.find(taskId)),
      isRunning,
    }),
    { offline: true },
  )
  if (!found) {
    await assertNotUnknown(taskId)
    const advice = !isRunning
      ? 'No fleet is running here: flotilla start carries it on.'
      : options.wait
        ? 'It may still be running: ask again later.'
        : `Wait for it with: flotilla result --wait ${taskId}`
    say(paint('yellow', `No result for ${taskId} yet. ${advice}`))
    process.exit(exitCodes.pending.code)
  }
  if (options.json) printJson(found)
  else {
    if (options.steps) for (const step of found.steps) print(renderStep(step))
    print(renderResult(found))
    const trace = traceLink(found)
    if (trace !== null) print(`  ${trace}`)
  }
  process.exit(exitCode(found.status))
}

/** Where the trace can be looked at, if FLOTILLA_TRACE_URL says so. */
function traceLink({ traceId }: TaskResult): string | null {
  const { traceUrl } = readEnvironment(process.env)
  return traceId === null || traceUrl === null ? null : traceUrl.replace('{traceId}', traceId)
}

/** Null when there is none within the limit. */
async function waitFor(
  client: Client,
  taskId: string,
  limit: { timeoutMs?: number },
): Promise<TaskResult | null> {
  const view = new LiveView()
  view.now(`waiting for the result of ${taskId}`)
  const off = leaveOnInterrupt({ clear: () => view.end(), left: () => runsOn(taskId) })
  try {
    return await client.result(taskId, limit)
  } catch (error) {
    if (hasCode(error, 'TASK_TIMED_OUT')) return null
    throw error
  } finally {
    off()
    view.end()
  }
}

const runsOn = (taskId: string): string =>
  `Task ${taskId} goes on: flotilla watch ${taskId} follows it, flotilla cancel ${taskId} ends it.`

type WatchOptions = ViewOptions & { group?: string; from: 'earliest' | 'latest'; json?: boolean }

async function watch(taskId: string | undefined, options: WatchOptions): Promise<void> {
  if (taskId !== undefined) await assertTask(taskId)
  const view = new LiveView({ detail: detailOf(options) })
  view.now(taskId === undefined ? 'waiting for results' : `waiting for news of ${taskId}`)
  const off = leaveOnInterrupt({ clear: () => view.end(), left: () => leftWatch(taskId, options) })
  const onReconnect = ({ message }: Error) => view.note(`${message}; reconnecting`)
  const work = (client: Client) =>
    taskId === undefined
      ? watchResults(client, options, view)
      : watchTask(client, taskId, options.json === true, view)
  await besideClient(async ({ pauses, tasks }) => {
    const unwatch = watchPauses(view, () => pauses.list())
    // The stream says only what happens from now on. A fleet that does not answer is reported by it.
    if (taskId !== undefined)
      void tasks.get(taskId).then(
        (task) => view.joins(task, doing(task)),
        () => {},
      )
    await withClient(work, { onReconnect }).finally(unwatch)
  }).finally(() => view.end())
  off()
  process.exit(0)
}

function leftWatch(taskId: string | undefined, { group }: WatchOptions): string {
  if (taskId !== undefined) return runsOn(taskId)
  return group === undefined
    ? 'flotilla ps --all lists what ends meanwhile; with --group NAME, flotilla watch goes on where it ended.'
    : `flotilla watch --group ${shellWord(group)} goes on where this ended.`
}

async function watchTask(client: Client, taskId: string, json: boolean, view: LiveView): Promise<void> {
  for await (const update of client.watch(taskId)) {
    if (json) printJson(update)
    view.show(update)
    if (update.kind !== 'result') continue
    view.end()
    if (!json) print(renderResult(update.result))
    return
  }
}

async function watchResults(client: Client, options: WatchOptions, view: LiveView): Promise<void> {
  const { from } = options
  const results = client.results(options.group === undefined ? { from } : { from, group: options.group })
  for await (const item of results) {
    view.clear()
    if (options.json) printJson(item)
    else print(`${item.taskId} ${item.status} ${shorten(JSON.stringify(item.output))}`)
  }
}

interface CancelFlags {
  reason?: string
  limit?: number
  dryRun?: boolean
  json?: boolean
}

async function cancel(
  taskId: string | undefined,
  options: CancelFlags & Record<string, unknown>,
): Promise<void> {
  const { reason, limit, dryRun, json, ...filters } = options
  const filter = queryFrom(filtersOf(filters))
  const isFiltered = Object.keys(filter).length > 0
  if (taskId !== undefined && (isFiltered || dryRun))
    throw new FlotillaError('REQUEST_INVALID', 'name one task by its id, or several by a filter, not both')
  if (taskId === undefined) return cancelMatching({ ...filter, ...given({ reason, limit, dryRun }) }, json)
  const ended = await endingOf(taskId)
  if (ended !== null) return hasEnded(taskId, ended, json)
  const isRunning = await withClient(
    async (client, isRunning) => {
      await client.cancel(taskId, reason)
      return isRunning
    },
    { offline: true },
  )
  if (json) printJson({ matched: [taskId], more: false })
  else print(`cancel sent for task ${taskId}${isRunning ? '' : `; ${AT_NEXT_START}`}`)
  process.exit(0)
}

/** Nothing is sent: its result can't change. */
function hasEnded(taskId: string, { status, errorCode }: Ending, json: boolean | undefined): void {
  if (json) printJson({ matched: [], more: false })
  else {
    const how = errorCode === null ? status : `${status}, ${errorCode}`
    print(`task ${taskId} has ended already (${how}): there is nothing to cancel`)
  }
  process.exit(0)
}

type Given<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> }

const given = <T extends object>(values: T): Given<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>

async function cancelMatching(options: CancelOptions, json: boolean | undefined): Promise<void> {
  await usingOperator(async ({ tasks }) => {
    const { matched, more } = await tasks.cancel(options)
    if (json) return printJson({ matched, more })
    for (const id of matched) print(id)
    const count = plural(matched.length, 'task')
    say(options.dryRun ? `${count} would be cancelled.` : `cancel sent for ${count}`)
    if (more) say('More match: repeat the command, or raise --limit (1,000 at most).')
  })
  process.exit(0)
}
