// A connection to an MCP server: the one place that speaks to it.
//
// 1. Revisions 2026-07-28 and 2025-11-25; which one is agreed on when it is opened. A program that is known to
//    be older is not probed: some end at a request that they do not know.
// 2. Every request has the call's signal, which the server is notified of, and a limit of its own.
// 3. A list of tools is bounded as a whole (list-bound.ts), its schemas by mcp/pins.ts. Calls that want it at once share
//    one list, unless the server has said meanwhile that it has changed.
// 4. What the server wants to ask somebody is an answer too: questions.ts makes a question of it, and the call is made
//    again with what people answered. Only a server of 2026-07-28 learns that it may ask: those of 2025-11-25 ask
//    in the middle of a call, which can't wait for days.
import {
  type CallToolResult,
  Client,
  CLIENT_CAPABILITIES_META_KEY,
  isInputRequiredResult,
  type ReadResourceResult,
  StreamableHTTPClientTransport,
  type Tool as ListedTool,
  TRACEPARENT_META_KEY,
  type Transport,
} from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { z } from 'zod'
import type { McpServer } from '../../../../runtime/config/mcp/servers.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { exactTime } from '../../../../runtime/text/quantities.ts'
import { boundedFetch } from './bounded-fetch.ts'
import type { Given } from '../../call.ts'
import type { Credentials } from './credentials.ts'
import { isStale, linkError, said } from './link-error.ts'
import { ListBound } from './list-bound.ts'
import type { Asked } from './questions.ts'
import { TASK, WatchedTransport } from './watched-transport.ts'

export type { CallToolResult, ListedTool, ReadResourceResult }

/** Key of `_meta` under which the call's id travels, beside `traceparent`. */
const IDEMPOTENCY_KEY = 'flotilla/idempotencyKey'
const TASKS = 'io.modelcontextprotocol/tasks'
const LEGACY = '2025-11-25'
const capabilities = { extensions: { [TASKS]: {} } }
const capabilitiesOfCalls = { ...capabilities, elicitation: { form: {} } }
/** The SDK's own limit comes after the call's. */
const SDK_GRACE_MS = 2_000
const SHOWN_STDERR = 1_000

/** A task of the server's, as the Tasks extension describes it. */
const taskSchema = z.looseObject({
  taskId: z.string().min(1).max(1_024),
  status: z.enum(['working', 'input_required', 'completed', 'failed', 'cancelled']),
  statusMessage: z.string().optional(),
  ttlMs: z.number().nullable().optional(),
  pollIntervalMs: z.number().optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.looseObject({ code: z.number(), message: z.string() }).optional(),
  inputRequests: z.record(z.string(), z.unknown()).optional(),
})
export type ServerTask = z.infer<typeof taskSchema>

export interface RequestOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly idempotencyKey?: string
  readonly traceparent?: string | null
}

export type LinkAnswer =
  { readonly result: CallToolResult } | { readonly task: ServerTask } | { readonly asks: Asked }

/** Opens the connection. `protocol`: the revision that was agreed on before, if any. Rejects with a FlotillaError. */
export async function openLink(
  server: McpServer,
  credentials: Credentials,
  { protocol, signal }: { protocol?: string; signal: AbortSignal },
): Promise<Link> {
  const isOld = protocol !== undefined && protocol <= LEGACY
  const first = new Link(server, credentials)
  try {
    return await first.open(isOld ? 'legacy' : 'auto', signal)
  } catch (error) {
    await first.close()
    // A program may have died of the probe, or the server may have been renewed since it was pinned.
    const mayBeOther = server.command !== undefined ? protocol === undefined || isOld : isOld
    if (signal.aborted || !mayBeOther) throw error
    const second = new Link(server, credentials)
    return second.open(isOld ? 'auto' : 'legacy', signal).catch(async () => {
      await second.close()
      throw error
    })
  }
}

export class Link {
  /** True once the server has said that its tools have changed. */
  toolsChanged = false
  /** False once the connection has ended. */
  isOpen = true
  readonly #server: McpServer
  readonly #client: Client
  readonly #transport: WatchedTransport
  #stderr = ''
  /** Requests that wait for their answers. */
  #awaited = 0
  #listing: Promise<ListedTool[]> | null = null

  constructor(server: McpServer, credentials: Credentials) {
    this.#server = server
    this.#transport = new WatchedTransport(this.#innerTransport(credentials))
    this.#client = new Client(
      { name: 'flotilla', version: '1' },
      {
        capabilities,
        inputRequired: { autoFulfill: false },
        listMaxPages: 64,
      },
    )
    this.#client.onclose = () => (this.isOpen = false)
    this.#client.setNotificationHandler('notifications/tools/list_changed', () => {
      this.toolsChanged = true
      this.#listing = null
    })
  }

  async open(era: 'auto' | 'legacy', signal: AbortSignal): Promise<this> {
    const { connectMs } = this.#server.limits
    const limited = AbortSignal.any([signal, AbortSignal.timeout(connectMs)])
    this.#client.setVersionNegotiation({ mode: era, probe: { timeoutMs: Math.ceil(connectMs / 3) } })
    await this.#guarded(limited, () =>
      this.#client.connect(this.#transport, { signal: limited, timeout: connectMs }),
    )
    return this
  }

  get protocol(): string {
    return this.#client.getNegotiatedProtocolVersion() ?? LEGACY
  }

  get hasResources(): boolean {
    return this.#client.getServerCapabilities()?.resources !== undefined
  }

  /** Name and version that the server gives itself. */
  get title(): string {
    const found = this.#client.getServerVersion()
    return said(found === undefined ? 'unnamed' : `${found.name} ${found.version}`)
  }

  list(signal: AbortSignal): Promise<ListedTool[]> {
    const listing = (this.#listing ??= this.#list())
    const ended = () => {
      if (this.#listing === listing) this.#listing = null
    }
    listing.then(ended, ended)
    return this.#guarded(signal, () => listing)
  }

  async #list(): Promise<ListedTool[]> {
    this.toolsChanged = false
    if (this.#client.getServerCapabilities()?.tools === undefined) return []
    const timeoutMs = this.#server.limits.connectMs
    const bound = new ListBound(this.#server)
    const signal = AbortSignal.any([bound.signal, AbortSignal.timeout(timeoutMs)])
    this.#transport.onTools = (tools) => bound.add(tools)
    const options = { ...this.#options({ signal, timeoutMs }), cacheMode: 'bypass' as const }
    return (await this.#guarded(signal, () => this.#client.listTools(undefined, options))).tools
  }

  /** `given`: what people answered to an earlier call. */
  async call(
    tool: ListedTool,
    args: Record<string, unknown>,
    { given, ...options }: RequestOptions & { readonly given?: Given | undefined },
  ): Promise<LinkAnswer> {
    const mayAsk = this.protocol > LEGACY && { [CLIENT_CAPABILITIES_META_KEY]: capabilitiesOfCalls }
    const params = {
      name: tool.name,
      arguments: args,
      _meta: { ...metaOf(options), ...mayAsk },
      ...(given && { inputResponses: given.responses }),
      ...(given && given.state !== null && { requestState: given.state }),
    }
    const headers = options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }
    // Results are checked by the tool's caller, with bounds of its own.
    const toolDefinition = { name: tool.name, inputSchema: tool.inputSchema }
    const sent = { ...this.#options(options), headers, toolDefinition, allowInputRequired: true }
    const result = await this.#guarded(options.signal, () => this.#client.callTool(params, sent))
    if (isInputRequiredResult(result)) {
      const { inputRequests, requestState } = result
      return { asks: { inputRequests, requestState } }
    }
    const task: unknown = result._meta?.[TASK]
    return task === undefined ? { result } : { task: this.#task(task) }
  }

  read(uri: string, options: RequestOptions): Promise<ReadResourceResult> {
    const params = { uri, _meta: metaOf(options) }
    const sent = { ...this.#options(options), cacheMode: 'bypass' as const }
    return this.#guarded(options.signal, () => this.#client.readResource(params, sent))
  }

  task(taskId: string, options: RequestOptions): Promise<ServerTask> {
    const asked = { method: 'tasks/get', params: { taskId, _meta: metaOf(options) } }
    return this.#guarded(options.signal, () =>
      this.#client.request(asked, taskSchema, this.#options(options)),
    )
  }

  async answerTask(taskId: string, responses: Given['responses'], options: RequestOptions): Promise<void> {
    const params = { taskId, inputResponses: responses, _meta: metaOf(options) }
    await this.#guarded(options.signal, () =>
      this.#client.request({ method: 'tasks/update', params }, z.looseObject({}), this.#options(options)),
    )
  }

  async cancelTask(taskId: string, options: RequestOptions): Promise<void> {
    const asked = { method: 'tasks/cancel', params: { taskId, _meta: metaOf(options) } }
    await this.#guarded(options.signal, () =>
      this.#client.request(asked, z.looseObject({}), this.#options(options)),
    )
  }

  async close(): Promise<void> {
    this.isOpen = false
    await this.#client.close().catch(() => {})
    await this.#transport.close().catch(() => {})
  }

  #task(value: unknown): ServerTask {
    const parsed = taskSchema.safeParse(value)
    if (parsed.success) return parsed.data
    const why = said(z.prettifyError(parsed.error))
    throw new FlotillaError(
      'TOOL_OUTPUT_INVALID',
      `MCP server ${this.#server.name} answered with a task that is none: ${why}`,
    )
  }

  #options({ signal, timeoutMs }: RequestOptions) {
    return { signal, timeout: timeoutMs + SDK_GRACE_MS, resetTimeoutOnProgress: false }
  }

  /** Ends when the signal aborts, whatever the SDK does. */
  async #guarded<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const aborted = Promise.withResolvers<never>()
    const abort = () => aborted.reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    this.#awaited++
    try {
      signal.throwIfAborted()
      return await Promise.race([work(), aborted.promise])
    } catch (error) {
      throw this.#errorOf(error, signal)
    } finally {
      this.#awaited--
      signal.removeEventListener('abort', abort)
    }
  }

  #errorOf(error: unknown, signal: AbortSignal): FlotillaError {
    const { name } = this.#server
    if (signal.aborted && (signal.reason as Error | undefined)?.name === 'TimeoutError')
      return new FlotillaError(
        'TOOL_TIMEOUT',
        `MCP server ${name} did not connect in ${exactTime(this.#server.limits.connectMs)}${this.#lastWords()}`,
      )
    const found = linkError(name, error, this.#transport.problem)
    if (found.code !== 'TOOL_UNAVAILABLE' || this.#stderr === '') return isStale(error) ? stale(found) : found
    return new FlotillaError(found.code, `${found.message}${this.#lastWords()}`, { cause: error })
  }

  #lastWords(): string {
    return this.#stderr === '' ? '' : `; it last wrote: ${said(this.#stderr)}`
  }

  #innerTransport(credentials: Credentials): Transport {
    const { name, url, command = '', args = [], cwd, limits } = this.#server
    if (url !== undefined) {
      const { headers, provider } = credentials
      const isAwaited = (): boolean => this.#awaited > 0
      const bounded = boundedFetch({ maxBytes: limits.maxBytes, shown: name, isAwaited })
      return new StreamableHTTPClientTransport(new URL(url), {
        requestInit: { headers },
        fetch: provider?.watched(bounded) ?? bounded,
        ...(provider && { authProvider: provider }),
      }) as Transport
    }
    const env = { ...withheld, ...credentials.variables } as Record<string, string>
    const inner = new StdioClientTransport({
      command,
      args: [...args],
      env,
      stderr: 'pipe',
      maxBufferSize: limits.maxBytes,
      ...(cwd !== undefined && { cwd }),
    })
    inner.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-SHOWN_STDERR)
    })
    return inner
  }
}

/** Variables that the SDK passes by itself, and we do not; the system leaves out what is undefined. */
const withheld = Object.fromEntries(['LOGNAME', 'SHELL', 'TERM', 'USER'].map((name) => [name, undefined]))

const metaOf = ({ idempotencyKey, traceparent }: RequestOptions): Record<string, string> => ({
  ...(idempotencyKey !== undefined && { [IDEMPOTENCY_KEY]: idempotencyKey }),
  ...(traceparent && { [TRACEPARENT_META_KEY]: traceparent }),
})

const staleErrors = new WeakSet<Error>()

function stale(error: FlotillaError): FlotillaError {
  staleErrors.add(error)
  return error
}

/** The server had forgotten the session or refused old credentials: nothing was done, and a new link may work. */
export const needsNewLink = (error: unknown): boolean => error instanceof Error && staleErrors.has(error)
