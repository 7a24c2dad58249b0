// `flotilla mcp`: the agents of a fleet as tools, for the program that started this command.
import { Writable } from 'node:stream'
import type { Command } from 'commander'
import { agents as routes } from '../../api/agents.ts'
import { HttpClient } from '../../client/http/client.ts'
import { askJson, authorization } from '../../client/http/requests.ts'
import { httpOperator } from '../../operator/http.ts'
import { orGateway } from '../../operator/running-fleet.ts'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { McpFleet } from '../../services/gateway/mcp/fleet.ts'
import { paint, refuseOutput, say, writeStdout } from '../output/output.ts'
import { shorten } from '../output/render.ts'
import { defineMcpServers } from './mcp-servers.ts'

export function defineMcp(command: Command): void {
  command
    .description('serve the agents as tools to an MCP client, on stdin and stdout')
    .option('--url <url>', 'the gateway of a running fleet (default: FLOTILLA_URL)')
    .addHelpText(
      'after',
      `
Without a URL the fleet of this directory runs inside the command; if another
process holds it, its gateway is used. A gateway that is closed needs
FLOTILLA_API_KEY. In the configuration of an MCP client:

  {"command": "npx",
   "args": ["flotilla", "mcp", "--url", "http://127.0.0.1:8000"]}

Over HTTP a gateway serves the same at /mcp (docs/mcp.md).`,
    )
    .action(serve)
  defineMcpServers(command)
}

interface Opened {
  readonly fleet: McpFleet
  readonly where: string
  readonly stop: () => Promise<void>
}

async function serve({ url }: { url?: string }): Promise<void> {
  const output = new Writable({ write: (chunk: Buffer, _, done) => writeStdout(chunk, done) })
  // The error of that is an event of stdout's own.
  const lost = new Promise<{ lost: NodeJS.ErrnoException }>((resolve) =>
    process.stdout.on('error', (error: NodeJS.ErrnoException) => resolve({ lost: error })),
  )
  const environment = readEnvironment(process.env)
  const gateway = url ?? environment.raw['FLOTILLA_URL']
  const { fleet, where, stop } = gateway ? await behind(gateway, environment) : await embedded(environment)
  const { serveOnStdio } = await import('../../services/gateway/mcp/stdio.ts')
  const onError = ({ message }: Error): void => say(paint('yellow', `MCP: ${shorten(message, SHOWN_CHARS)}`))
  const serving = serveOnStdio(fleet, { input: process.stdin, output, onError })
  say(`ready: agents of ${where}`)
  const problem = await Promise.race([untilOver(), serving.over, lost])
  await serving.close()
  await stop()
  if (problem && 'lost' in problem) refuseOutput(problem.lost)
  else if (problem)
    throw new FlotillaError(
      'REQUEST_INVALID',
      `closed the connection of the client: ${shorten(problem.message, SHOWN_CHARS)}`,
    )
  process.exit(0)
}

const SHOWN_CHARS = 300

function untilOver(): Promise<null> {
  const { promise, resolve } = Promise.withResolvers<null>()
  const end = (): void => resolve(null)
  process.stdin.once('end', end)
  process.stdin.once('close', end)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end)
  return promise
}

/** Rejects at once if it does not answer, or refuses the key. */
async function behind(url: string, { raw }: Environment): Promise<Opened> {
  const { clientFleet } = await import('../../services/gateway/mcp/client-fleet.ts')
  const apiKey = raw['FLOTILLA_API_KEY']
  const client = new HttpClient(url, {
    apiKey,
    onReconnect: ({ message }) => say(`${message}; reconnecting`),
  })
  const init = { headers: authorization(apiKey) }
  const tools = async () => (await askJson<AgentTools>(url, routes.list.path, init)) ?? []
  await tools()
  const fleet = clientFleet({ client, tasks: httpOperator(url, { apiKey }).tasks, tools })
  return { fleet, where: url, stop: () => client.close() }
}

type AgentTools = Awaited<ReturnType<McpFleet['tools']>>

async function embedded(environment: Environment): Promise<Opened> {
  if (environment.kafkaBrokers.length > 0)
    throw new FlotillaError(
      'CONFIG_INVALID',
      'the fleet is on Kafka: name its gateway by --url or FLOTILLA_URL',
    )
  const started = await orGateway(startHere, environment)
  if (typeof started === 'string') return behind(started, environment)
  const [{ clientFleet }, { agentTools }] = await Promise.all([
    import('../../services/gateway/mcp/client-fleet.ts'),
    import('../../services/gateway/mcp/agent-tools.ts'),
  ])
  const { client, fleet, operator, stop } = started
  const tools = agentTools(fleet, null)
  const { tasks } = await operator()
  const served = clientFleet({ client, tasks, tools: async () => tools })
  // The fleet ends with the command: a cancel that it has not read yet would wait for the next start.
  const cancel: McpFleet['cancel'] = async (taskId, reason) => {
    await served.cancel(taskId, reason)
    await client.result(taskId, { timeoutMs: CANCEL_MS }).catch(() => {})
  }
  return { fleet: { ...served, cancel }, where: environment.dataDir, stop }
}

/** Most that the end of the command waits for the end of a cancelled task. */
const CANCEL_MS = 5_000

const startHere = async () => (await import('../fleet/embedded.ts')).startEmbedded()
