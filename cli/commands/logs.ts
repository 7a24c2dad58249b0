// What happened, event by event, as the log has it. What processes write about themselves is on their stderr.
import type { Command } from 'commander'
import { HttpClient } from '../../client/http/client.ts'
import type { Client, FeedQuery, StreamedEvent } from '../../client/types.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { taskId } from '../program/arguments.ts'
import { eventLine } from '../output/event-line.ts'
import { withClient } from '../fleet/client.ts'
import { assertTask } from '../fleet/known-task.ts'
import { paint, print, printJson, say } from '../output/output.ts'

export function defineLogs(command: Command): void {
  command
    .description('events of one task from its beginning to its end, or of all tasks from now on')
    .argument('[taskId]', '', taskId)
    .option('--user <id>', 'tasks of one user')
    .option('--agent <name>', 'tasks of one agent')
    .option('--type <types>', 'events of these types, separated by commas')
    .option('--after <id>', 'go on behind the event with this id, as --json shows it')
    .option('--json', 'a line of JSON each, with its id; of one task also the text as it is written')
    .addHelpText(
      'after',
      '\nThe events and their fields: docs/http-events.md. What a process writes about\nitself is on its stderr.',
    )
    .action(logs)
}

interface Options {
  readonly user?: string
  readonly agent?: string
  readonly type?: string
  readonly after?: string
  readonly json?: boolean
}

async function logs(taskId: string | undefined, { json, ...options }: Options): Promise<void> {
  if (taskId !== undefined && (options.user ?? options.agent) !== undefined)
    throw new FlotillaError('REQUEST_INVALID', 'name one task by its id, or several by a filter, not both')
  if (taskId !== undefined) await assertTask(taskId)
  const onReconnect = ({ message }: Error) => say(paint('yellow', `${message}; reconnecting`))
  await withClient(
    async (client, isRunning) => {
      if (taskId !== undefined && !isRunning) await assertEnded(client, taskId)
      const events = taskId === undefined ? feedOf(client, options) : taskEvents(client, taskId, options)
      for await (const event of events) show(event, taskId === undefined, json === true)
    },
    { offline: taskId !== undefined, onReconnect },
  )
  process.exit(0)
}

/** Events of a task that nothing carries on would be waited for in vain. */
async function assertEnded(client: Client, taskId: string): Promise<void> {
  if ((await client.find(taskId)) !== null) return
  const message = `no fleet is running here, and task ${taskId} has no result: flotilla start carries it on`
  throw new FlotillaError('GATEWAY_UNAVAILABLE', message)
}

async function* taskEvents(
  client: Client,
  taskId: string,
  { after, type }: Options,
): AsyncGenerator<StreamedEvent> {
  const wanted = type?.split(',')
  for await (const event of client.events(taskId, after === undefined ? {} : { after }))
    if (wanted === undefined || wanted.includes(event.type)) yield event
}

function feedOf(client: Client, query: FeedQuery): AsyncIterable<StreamedEvent> {
  if (client instanceof HttpClient) return client.feed(query)
  const message = 'events of all tasks come from a gateway: set FLOTILLA_URL, or name a task'
  throw new FlotillaError('REQUEST_INVALID', message)
}

function show(event: StreamedEvent, withTask: boolean, json: boolean): void {
  if (json) return printJson(event)
  if (event.type === 'feed.position') return say(paint('dim', 'Events from now on; Ctrl-C ends.'))
  const line = eventLine(event, withTask)
  if (line !== null) print(line)
}
