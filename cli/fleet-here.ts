// The fleet of commands that run tasks themselves: one inside the command, or the one that holds the data
// directory; and a task of it, followed to its result.
import { HttpClient } from '../client/http/client.ts'
import type { Client, TaskInput, TaskResult } from '../client/types.ts'
import { httpOperator } from '../operator/http.ts'
import { gatewayBehind } from '../operator/running-fleet.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Pause } from '../runtime/pauses.ts'
import type { LiveView } from './live-view.ts'
import { say } from './output.ts'

/** As shells have it for a program that SIGINT ended. */
const INTERRUPTED = 130

export interface OpenFleet {
  readonly client: Client
  /** True: it runs inside this command, so that no other command reaches it. */
  readonly isOwn: boolean
  pauses(): Promise<readonly Pause[]>
  stop(): Promise<void>
}

/**
 * Starts this command's own fleet, or uses the gateway of the process that holds the data directory. `model`: the
 * scripted one is started if it is named.
 */
export async function openFleet(
  model: string | null,
  note: (text: string) => void,
  { isQuiet = false }: { readonly isQuiet?: boolean | undefined } = {},
): Promise<OpenFleet> {
  try {
    const fleet = await (await import('./embedded.ts')).startEmbedded({}, { model })
    return { ...fleet, isOwn: true }
  } catch (error) {
    const environment = readEnvironment(process.env)
    const gateway = gatewayBehind(error, environment)
    const apiKey = environment.raw['FLOTILLA_API_KEY']
    const onReconnect = ({ message }: Error) => note(`${message}; reconnecting`)
    const client = new HttpClient(gateway, { apiKey, onReconnect })
    if (!isQuiet) note(`A fleet is running on ${environment.dataDir}: using its gateway, ${gateway}.`)
    const { pauses } = httpOperator(gateway, { apiKey })
    return { client, isOwn: false, pauses: () => pauses.list(), stop: () => client.close() }
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

/** Shows what happens to a task, and resolves with its result. The first Ctrl-C cancels it. */
export async function followToEnd(client: Client, taskId: string, view: LiveView): Promise<TaskResult> {
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
