// A fleet with an MCP server whose API is closed, its agents and keys; the protocol's own client, and requests by hand.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { z } from 'zod'
import type { CreatedKey, NewKey } from '../../api/keys.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { askPerson } from '../../services/tool-executor/tools/ask-person.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { echo, startTestFleet, type TestFleet } from '../support/fleet.ts'

const ADMIN = 'an-admin-key-of-this-test'.padEnd(40, 'x')

const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({ amount: z.number() }),
  requiresApproval: true,
  run: ({ amount }) => `paid ${amount}`,
})

const wire = defineTool({
  name: 'wire',
  description: 'Wires.',
  input: z.object({ amount: z.number() }),
  requiresApproval: { approvers: { scope: 'approvals:decide' } },
  run: ({ amount }) => `wired ${amount}`,
})

const ask = askPerson({ answer: z.object({ name: z.string().min(2) }) })

const payment = (amount: number) => ({ toolCalls: [{ name: 'pay', arguments: { amount } }] })

const script: Script = ({ task, taskMark, turn, observations }) => {
  if (taskMark !== null) return undefined
  if (task.includes('order')) return { text: JSON.stringify({ order: 7, asked: JSON.parse(task) as object }) }
  if (task.includes('ask'))
    return turn === 0
      ? { toolCalls: [{ name: 'ask_person', arguments: { question: 'Who?' } }] }
      : { text: observations }
  if (task.includes('wire'))
    return turn === 0 ? { toolCalls: [{ name: 'wire', arguments: { amount: 5 } }] } : { text: observations }
  if (task.includes('pay twice')) return turn < 2 ? payment(turn + 1) : { text: observations }
  if (task.includes('pay')) return turn === 0 ? payment(5) : { text: observations }
  return { text: `answer to ${task}` }
}

const tools = { mode: 'tools' as const }
const clerk = {
  ...tools,
  description: 'Finds orders.',
  outputSchema: { type: 'object', properties: { order: { type: 'integer' } }, required: ['order'] },
  mcp: {
    input: {
      type: 'object',
      properties: { order: { type: 'integer' } },
      required: ['order'],
      additionalProperties: false,
    },
  },
}

export interface McpTestFleet {
  readonly fleet: TestFleet
  readonly url: string
  /** `legacy`: a client of 2025-11-25. `ask`: answers the questions that it is asked. */
  connect(options: ConnectOptions): Promise<Client>
  key(key: NewKey): Promise<string>
  rpc(key: string, method: string, params?: object, options?: RpcOptions): Promise<Answer>
}

export interface ConnectOptions {
  readonly key: string
  readonly legacy?: boolean
  readonly ask?: (message: string) => {
    action: 'accept' | 'decline' | 'cancel'
    content?: Record<string, boolean | string>
  }
}

export interface RpcOptions {
  readonly capabilities?: object
  readonly meta?: object
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly result: Record<string, unknown>
  readonly error: { readonly code: number; readonly message: string; readonly data?: unknown }
}

export const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} }, elicitation: {} }

export async function startMcpFleet(): Promise<McpTestFleet> {
  const agents = { default: tools, clerk, hidden: { ...tools, mcp: false as const }, 'ganz groß': tools }
  const fleet = await startTestFleet({
    http: true,
    env: { FLOTILLA_ADMIN_KEY: ADMIN },
    definition: { tools: [echo, pay, wire, ask], agents, limits: { rates: { userRequests: null } } },
    model: { script },
  })
  const url = `${fleet.process.url}/mcp`
  return {
    fleet,
    url,
    connect: (options) => connect(url, options),
    key: (key) => create(fleet, key),
    rpc: rpcTo(url),
  }
}

async function create(fleet: TestFleet, key: NewKey): Promise<string> {
  const response = await fetch(`${fleet.process.url}/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
    body: JSON.stringify(key),
  })
  return ((await response.json()) as CreatedKey).key
}

const clientInfo = { name: 'test', version: '1' }

async function connect(url: string, { key, legacy = false, ask }: ConnectOptions): Promise<Client> {
  const client = new Client(clientInfo, {
    capabilities: ask ? { elicitation: { form: {} } } : {},
    ...(legacy ? {} : { versionNegotiation: { mode: { pin: '2026-07-28' } } }),
  })
  if (ask) client.setRequestHandler('elicitation/create', ({ params }) => ask(params.message))
  const requestInit = { headers: { authorization: `Bearer ${key}` } }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }))
  return client
}

const NAMES = {
  'tools/call': 'name',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}
const revision = '2026-07-28'
let ids = 0

const rpcTo =
  (url: string): McpTestFleet['rpc'] =>
  async (key, method, params = {}, options = {}) => {
    const { capabilities = {}, meta = {}, signal } = options
    const field = NAMES[method as keyof typeof NAMES] as string | undefined
    const name = field === undefined ? undefined : String(Reflect.get(params, field))
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': revision,
      'io.modelcontextprotocol/clientCapabilities': capabilities,
      'io.modelcontextprotocol/clientInfo': clientInfo,
      ...meta,
    }
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': revision,
        'mcp-method': method,
        ...(name === undefined ? {} : { 'mcp-name': name }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: ++ids, method, params: { ...params, _meta } }),
      ...(signal ? { signal } : {}),
    })
    const { result, error } = (await response.json()) as Answer
    return { status: response.status, result, error }
  }
