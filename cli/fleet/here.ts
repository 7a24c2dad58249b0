// The fleet of commands that run tasks themselves: one inside the command, or the one that holds the data
// directory; and a task of it, followed to its result.
import { HttpClient } from '../../client/http/client.ts'
import type { Client, TaskInput, TaskResult } from '../../client/types.ts'
import { httpOperator } from '../../operator/http.ts'
import { orGateway } from '../../operator/running-fleet.ts'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Pause } from '../../runtime/pauses.ts'
import { endOnInterrupt } from '../program/interrupts.ts'
import type { LiveView } from '../output/live-view.ts'

export interface OpenFleet {
  readonly client: Client
  /** True: it runs inside this command, so that no other command reaches it. */
  readonly isOwn: boolean
  pauses(): Promise<readonly Pause[]>
  stop(): Promise<void>
}

/** For the person at the terminal: agents and tools are those of the running fleet, whatever FLOTILLA_CONFIG says here. */
export const usingGateway = ({ dataDir }: Pick<Environment, 'dataDir'>, gateway: string): string =>
  `A fleet is running on ${dataDir}: using its gateway, ${gateway}, and its configuration.`

/**
 * Starts this command's own fleet, or uses the gateway of the process that holds the data directory. `model`: the
 * scripted one is started if it is named.
 */
export async function openFleet(
  model: string | null,
  note: (text: string) => void,
  { isQuiet = false }: { readonly isQuiet?: boolean | undefined } = {},
): Promise<OpenFleet> {
  const environment = readEnvironment(process.env)
  const start = async () => (await import('./embedded.ts')).startEmbedded({}, { model })
  const fleet = await orGateway(start, environment)
  if (typeof fleet !== 'string') return { ...fleet, isOwn: true }
  const apiKey = environment.raw['FLOTILLA_API_KEY']
  const onReconnect = ({ message }: Error) => note(`${message}; reconnecting`)
  const client = new HttpClient(fleet, { apiKey, onReconnect })
  if (!isQuiet) note(usingGateway(environment, fleet))
  const { pauses } = httpOperator(fleet, { apiKey })
  return { client, isOwn: false, pauses: () => pauses.list(), stop: () => client.close() }
}

/**
 * Submits, shows what happens, and resolves with the result. The first Ctrl-C cancels the task. `goOn`: what else the
 * person reads who leaves by a second one.
 */
export async function runToEnd(
  client: Client,
  task: TaskInput,
  view: LiveView,
  goOn = '',
): Promise<TaskResult> {
  view.now('submitting')
  const submit = async () => {
    const { taskId } = await client.submit(task)
    view.now('waiting for the router')
    return taskId
  }
  return await followToEnd(client, submit(), view, goOn).finally(() => view.end())
}

/** Shows what happens to a task, and resolves with its result. The first Ctrl-C cancels it. */
export async function followToEnd(
  client: Client,
  submitted: Promise<string>,
  view: LiveView,
  goOn = '',
): Promise<TaskResult> {
  const off = cancelOnInterrupt(client, submitted, view, goOn)
  try {
    const taskId = await submitted
    for await (const update of client.watch(taskId)) {
      view.show(update)
      if (update.kind === 'result') return update.result
    }
    return await client.result(taskId)
  } finally {
    off()
  }
}

/** The second Ctrl-C does not wait: a paused or unreachable fleet may take a cancel much later. */
function cancelOnInterrupt(
  client: Client,
  submitted: Promise<string>,
  view: LiveView,
  goOn: string,
): () => void {
  let left = 'Left while the task was being submitted: flotilla ps shows whether it runs.'
  void submitted.then(
    (taskId) =>
      (left = `Left task ${taskId}: flotilla status ${taskId} shows it; on this machine the next start carries it on.`),
    // The caller gets the error, from `followToEnd`.
    () => {},
  )
  const cancel = async () => {
    view.note('cancelling the task; Ctrl-C again leaves it as it is')
    view.now('cancelling')
    const taskId = await submitted.catch(() => null)
    if (taskId === null) return
    await client
      .cancel(taskId, 'interrupted at the terminal')
      .catch((error: unknown) => view.note(`the cancel failed: ${messageOf(error)}`))
  }
  return endOnInterrupt(() => void cancel(), {
    clear: () => view.end(),
    left: () => (goOn === '' ? left : `${left}\n${goOn}`),
  })
}
