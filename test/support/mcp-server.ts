// An MCP server of revision 2026-07-28 that does what a test asks of it, also what no server should: over HTTP in
// the test's process, or as a program on stdin and stdout (`node mcp-server.ts`). By hand, because a package would
// not let it misbehave.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import type { Json } from '../../schemas/json.ts'

type Fields = { [name: string]: unknown }
interface Request {
  id?: string | number
  method: string
  params?: Fields
}

interface ListedTool {
  name: string
  description: string
  inputSchema: Fields
  outputSchema?: Fields
  annotations?: Fields
}

const object = (properties: Fields = {}, required: string[] = []) => ({
  type: 'object',
  properties,
  required,
})

export const listedTools: readonly ListedTool[] = [
  {
    name: 'greet',
    description: 'Greets somebody.',
    inputSchema: object({ name: { type: 'string', pattern: '^([a-z]+)+$' } }, ['name']),
    outputSchema: object({ greeting: { type: 'string' } }, ['greeting']),
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
  { name: 'who-asks', description: 'Answers with what came along with the call.', inputSchema: object() },
  {
    name: 'report',
    description: 'Writes a report, which takes long.',
    inputSchema: object({ polls: { type: 'number' }, asks: { type: 'boolean' }, now: { type: 'boolean' } }),
  },
  {
    name: 'wipe',
    description: 'Deletes all.',
    inputSchema: object(),
    annotations: { destructiveHint: true },
  },
  ...[
    'picture',
    'mixed',
    'broken',
    'ask',
    'huge',
    'hang',
    'die',
    'flood',
    'garbage',
    'lie',
    'nothing',
    'no-json',
  ].map((name) => ({
    name,
    description: `The tool ${name}.`,
    inputSchema: name === 'ask' ? object({ asks: { type: 'object' } }) : object(),
    ...(name === 'lie' && { outputSchema: object({ truth: { type: 'boolean' } }, ['truth']) }),
  })),
]

const form = (message: string, properties: { [name: string]: Json }, required: string[]) => ({
  method: 'elicitation/create',
  params: { mode: 'form', message, requestedSchema: { type: 'object', properties, required } },
})
/** What the tool `ask` asks unless its arguments say. */
export const forms: { [name: string]: Json } = {
  sure: form('Sure?', { sure: { type: 'boolean' }, code: { type: 'string', pattern: '^(a+)+$' } }, ['sure']),
}
const inputRequired = (inputRequests: Fields): Fields => ({
  resultType: 'input_required',
  requestState: 's',
  inputRequests,
})

/** The answer of the tool `ask` to a call that brings the state, and answers. */
const answeredBy = ({ requestState, inputResponses }: Fields): Fields | null =>
  requestState === 's' ? complete({ content: text(JSON.stringify(inputResponses)) }) : null

export class ServerState {
  tools: ListedTool[] = [...listedTools]
  /** Tools on a page of the list. */
  pageTools = Infinity
  /** Requests by method, and calls by tool. */
  readonly asked = new Map<string, number>()
  readonly tasks = new Map<string, { pollsLeft: number; status: string; asks: boolean; given?: Fields }>()
  readonly calls: { name: string; meta: Fields; headers: Fields }[] = []

  page(cursor: unknown): Fields {
    const from = Number(cursor ?? 0)
    const to = from + this.pageTools
    const more = to < this.tools.length && { nextCursor: String(to) }
    return { tools: this.tools.slice(from, to), ...more }
  }

  count(name: string): number {
    return this.asked.get(name) ?? 0
  }
}

const text = (value: string) => [{ type: 'text', text: value }]
const pixel = { type: 'image', data: 'AAAA', mimeType: 'image/png' }
const complete = (fields: Fields) => ({ resultType: 'complete', ...fields })
const HUGE = 'x'.repeat(2_000_000)

/** Undefined: no answer. Null: one without a result. `write` sends anything else. */
function answer(
  state: ServerState,
  request: Request,
  headers: Fields,
  write: (line: string) => void,
): Fields | null | undefined {
  const { method, params = {} } = request
  state.asked.set(method, state.count(method) + 1)
  const task = state.tasks.get(String(params['taskId']))
  const handle = (taskId: string) => ({
    taskId,
    status: state.tasks.get(taskId)?.status ?? 'working',
    createdAt: '2026-07-28T00:00:00Z',
    lastUpdatedAt: '2026-07-28T00:00:00Z',
    ttlMs: null,
    pollIntervalMs: 500,
    ...(state.tasks.get(taskId)?.status === 'input_required' && { inputRequests: forms }),
  })
  switch (method) {
    case 'server/discover':
      return complete({
        supportedVersions: ['2026-07-28'],
        capabilities: {
          tools: { listChanged: true },
          resources: {},
          extensions: { 'io.modelcontextprotocol/tasks': {} },
        },
        ttlMs: 0,
        cacheScope: 'private',
        _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'trickster', version: '1' } },
      })
    case 'tools/list':
      return complete({ ...state.page(params['cursor']), ttlMs: 0, cacheScope: 'private' })
    case 'resources/read':
      return complete({
        contents: [{ uri: params['uri'], text: `text of ${String(params['uri'])}` }],
        ttlMs: 0,
        cacheScope: 'private',
      })
    case 'tasks/get': {
      if (!task) throw new Error('no such task')
      if (task.status === 'working' && --task.pollsLeft < 0)
        task.status = task.asks && !task.given ? 'input_required' : 'completed'
      const result = { content: text(task.given ? JSON.stringify(task.given) : 'a long report') }
      return complete({ ...handle(String(params['taskId'])), ...(task.status === 'completed' && { result }) })
    }
    case 'tasks/update':
      if (task?.status !== 'input_required') return complete({})
      task.given = params['inputResponses'] as Fields
      task.status = 'working'
      return complete({})
    case 'tasks/cancel':
      if (task) task.status = 'cancelled'
      return complete({})
    case 'tools/call':
      return called(state, params, headers, { write, handle })
    default:
      throw new Error(`no method ${method}`)
  }
}

function called(
  state: ServerState,
  params: Fields,
  headers: Fields,
  { write, handle }: { write: (line: string) => void; handle: (id: string) => Fields },
): Fields | null | undefined {
  const name = String(params['name'])
  const args = (params['arguments'] ?? {}) as Fields
  const meta = (params['_meta'] ?? {}) as Fields
  state.asked.set(name, state.count(name) + 1)
  state.calls.push({ name, meta, headers })
  switch (name) {
    case 'greet':
      return complete({ content: [], structuredContent: { greeting: `hello ${String(args['name'])}` } })
    case 'report': {
      const id = `report-${state.tasks.size + 1}`
      const status = args['now'] === true ? 'input_required' : 'working'
      state.tasks.set(id, { pollsLeft: Number(args['polls'] ?? 1), status, asks: args['asks'] === true })
      return { resultType: 'task', ...handle(id) }
    }
    case 'picture':
      return complete({ content: [pixel] })
    case 'mixed':
      return complete({ content: [...text('a caption'), pixel] })
    case 'broken':
      return complete({ content: text('the pump is dry'), isError: true })
    case 'ask':
      return (
        answeredBy(params) ?? inputRequired(args['asks'] === undefined ? forms : (args['asks'] as Fields))
      )
    case 'huge':
      return complete({ content: text(HUGE) })
    case 'lie':
      return complete({ content: [], structuredContent: { truth: 'no' } })
    case 'nothing':
      return null
    case 'hang':
      return undefined
    case 'die':
      process.exit(3)
    // falls through
    case 'flood':
      for (let n = 0; n < 20_000; n++)
        write('{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}')
      return undefined
    case 'garbage':
      for (let n = 0; n < 200; n++) write('{"jsonrpc":"1.0"}')
      return undefined
    default:
      return complete({
        content: text(JSON.stringify({ meta, headers, env: Object.keys(process.env).sort() })),
      })
  }
}

export interface TestServer extends AsyncDisposable {
  readonly url: string
  readonly state: ServerState
  /** Status that every request gets; null: an answer. */
  refuse: number | null
  /** The next request gets it. */
  refuseOnce: number | null
  /** Set: requests need one of its tokens, which its issuer gives out. */
  protectedBy: TestIssuer | null
  /** Set: tokens lack this scope for calls. */
  wantsScope: string | null
}

/** `/mcp` answers; `/around` redirects to itself, `/away` to another origin. */
export async function startMcpServer(state = new ServerState()): Promise<TestServer> {
  const own = {
    refuse: null as number | null,
    refuseOnce: null as number | null,
    protectedBy: null as TestIssuer | null,
    wantsScope: null as string | null,
  }
  const server = createServer((incoming, response) => {
    const path = incoming.url ?? ''
    if (path === '/resource')
      return json(response, { resource: url, authorization_servers: [own.protectedBy?.url] })
    if (path !== '/mcp')
      return redirect(response, path === '/around' ? '/around' : 'http://localhost:9/elsewhere')
    const refused = own.refuseOnce ?? own.refuse
    own.refuseOnce = null
    if (refused !== null) return void response.writeHead(refused).end('refused')
    const token = incoming.headers.authorization?.replace('Bearer ', '') ?? ''
    if (own.protectedBy && !own.protectedBy.tokens.has(token))
      return void response
        .writeHead(401, {
          'www-authenticate': `Bearer resource_metadata="${url.replace('/mcp', '/resource')}"`,
        })
        .end()
    if (own.wantsScope !== null)
      return void response
        .writeHead(403, {
          'www-authenticate': `Bearer error="insufficient_scope", scope="${own.wantsScope}"`,
        })
        .end()
    if (incoming.method !== 'POST') return void response.writeHead(405).end()
    let body = ''
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
    incoming.on('end', () => respond(state, JSON.parse(body) as Request, { ...incoming.headers }, response))
  })
  // On a loaded machine a client may use a connection again at the moment in which it would be closed.
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return Object.assign(own, { url, state, [Symbol.asyncDispose]: stop })
}

export interface TestIssuer extends AsyncDisposable {
  readonly url: string
  /** Access tokens that are good. */
  readonly tokens: Set<string>
  /** Bodies of the token requests. */
  readonly grants: URLSearchParams[]
  /** True: it takes requests, and answers none. */
  isSilent: boolean
  /** False: a refresh token stays good, and comes with no answer. */
  rotates: boolean
  /** What every token request is refused with. */
  refusal: Fields | null
  /** Behind every access token. */
  padding: string
}

/** An OAuth issuer: client credentials, and refresh tokens that are good once. */
export async function startTestIssuer(refreshToken = 'refresh-0000'): Promise<TestIssuer> {
  const tokens = new Set<string>()
  const grants: URLSearchParams[] = []
  const own = { isSilent: false, rotates: true, refusal: null as Fields | null, padding: '' }
  let refresh = refreshToken
  const server = createServer((incoming, response) => {
    if (own.isSilent) return
    if (incoming.url?.startsWith('/.well-known/'))
      return json(response, {
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        response_types_supported: ['code'],
        grant_types_supported: ['client_credentials', 'refresh_token'],
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'none'],
      })
    let body = ''
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
    incoming.on('end', () => {
      const grant = new URLSearchParams(body)
      grants.push(grant)
      if (own.refusal !== null) return json(response, own.refusal, 400)
      if (grant.get('grant_type') === 'refresh_token' && grant.get('refresh_token') !== refresh)
        return json(response, { error: 'invalid_grant', error_description: 'used before' }, 400)
      const access_token = `access-token-${grants.length}${own.padding}`
      tokens.add(access_token)
      const rotates = own.rotates && grant.get('grant_type') === 'refresh_token'
      if (own.rotates) refresh = `refresh-${String(grants.length).padStart(4, '0')}`
      const renewed = rotates ? { refresh_token: refresh } : {}
      json(response, { access_token, token_type: 'Bearer', expires_in: 3_600, ...renewed })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return Object.assign(own, { url, tokens, grants, [Symbol.asyncDispose]: stop })
}

const json = (response: ServerResponse, body: unknown, status = 200): void =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

const redirect = (response: ServerResponse, location: string): void =>
  void response.writeHead(307, { location }).end()

function respond(state: ServerState, request: Request, headers: Fields, response: ServerResponse): void {
  if (request.id === undefined) return void response.writeHead(202).end()
  const message = reply(state, request, headers, () => {})
  if (message === null) return
  const text = request.params?.['name'] === 'no-json' ? '<html>' : JSON.stringify(message)
  response.writeHead(200, { 'content-type': 'application/json' }).end(text)
}

function reply(
  state: ServerState,
  request: Request,
  headers: Fields,
  write: (line: string) => void,
): Fields | null {
  const { id } = request
  try {
    const result = answer(state, request, headers, write)
    return result === undefined ? null : { jsonrpc: '2.0', id, result }
  } catch (error) {
    const code = request.method === 'server/discover' ? -32_601 : -32_000
    return { jsonrpc: '2.0', id, error: { code, message: (error as Error).message } }
  }
}

if (import.meta.main) {
  const state = new ServerState()
  const write = (line: string) => void process.stdout.write(`${line}\n`)
  process.stderr.write('the trickster is here\n')
  createInterface({ input: process.stdin }).on('line', (line) => {
    const request = JSON.parse(line) as Request
    if (request.id === undefined) return
    const message = reply(state, request, {}, write)
    if (message !== null) write(JSON.stringify(message))
  })
}
