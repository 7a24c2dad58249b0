// The client that `conformance client` drives: the last argument is a server's URL. Its tools are pinned and called
// as tool-executor does it; credentials are those of the scenario (MCP_CONFORMANCE_CONTEXT).
import type { JsonSchema } from '../../runtime/config/fleet.ts'
import type { McpServerDefinition } from '../../runtime/config/mcp/servers.ts'
import type { Json } from '../../schemas/json.ts'
import { AskingCall } from '../../services/tool-executor/call.ts'
import { givenBy } from '../../services/tool-executor/server-answer.ts'
import { connectTestServers } from '../support/mcp-fleet.ts'

interface Context {
  client_id?: string
  client_secret?: string
  toolCalls?: { name: string; arguments: Record<string, unknown> }[]
}

const url = process.argv.at(-1) ?? ''
const context = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as Context
const auth: Pick<McpServerDefinition, 'auth'> =
  context.client_secret === undefined
    ? {}
    : {
        auth: {
          type: 'client_credentials',
          // The scenario's issuer has the port of its day: it is where the resource says.
          issuer: await issuerOf(url),
          clientId: context.client_id ?? '',
          clientSecretEnv: 'CLIENT_SECRET',
        },
      }

await using own = await connectTestServers(
  { peer: { url, ...auth } },
  { variables: { CLIENT_SECRET: context.client_secret ?? '' } },
)
for (const { error } of own.read.unread) throw error
const calls =
  context.toolCalls ??
  own.tools.flatMap(({ spec: { source, input } }) =>
    typeof source?.tool === 'string' ? [{ name: source.tool, arguments: sample(input) }] : [],
  )
for (const call of calls) {
  const tool = own.tools.find(({ spec }) => spec.source?.tool === call.name)
  if (!tool) throw new Error(`no tool ${call.name}`)
  // A call that fails is what a model would be told: the suite judges what it saw.
  const outcome = await answered(tool.spec.name, call.arguments).catch(String)
  process.stdout.write(`${call.name}: ${JSON.stringify(outcome)}\n`)
}

/** Result of a tool; people give the answers that its server wants, as often as it asks. */
async function answered(tool: string, args: Record<string, unknown>): Promise<unknown> {
  let result = await own.run(tool, args)
  for (let rounds = 0; result instanceof AskingCall && rounds < 5; rounds++) {
    const answers = sample(result.question.answer) as Json
    result = await own.run(tool, args, { given: givenBy(result.question, answers) })
  }
  return result
}

/** Arguments that fit. */
function sample({ properties = {} }: JsonSchema): Record<string, unknown> {
  const types = Object.entries(properties as Record<string, { type?: string }>)
  return Object.fromEntries(
    types.map(([name, { type }]) => [name, type === 'string' ? 'text' : type === 'boolean' ? true : 2]),
  )
}

async function issuerOf(server: string): Promise<string> {
  const { origin } = new URL(server)
  const metadata = await fetch(`${origin}/.well-known/oauth-protected-resource/mcp`)
  const { authorization_servers = [] } = (await metadata.json()) as { authorization_servers?: string[] }
  return authorization_servers[0] ?? origin
}
