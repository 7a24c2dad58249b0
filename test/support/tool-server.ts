// A tool server that keeps count: each arrival and each answer is a line of JSON, as a checker reads it after a kill.
//   POST /charge  something that must not happen twice      POST /lookup  something that may
//   POST /broken  always refused (422)                      POST /linger  takes longer than anybody waits
//   GET /made/KEY whether a call with this idempotency key has arrived, and what it was answered or will be (404: none has)
import { closeSync, openSync, writeSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ToolEvent {
  readonly event: 'arrived' | 'answered' | 'aborted'
  /** `charge`, `lookup`, … */
  readonly tool: string
  /** The idempotency key that was sent. */
  readonly callId: string
  readonly task: string
  /** The model's turn that asked for it, and which of that turn's calls it is, as the caller says. */
  readonly turn: number
  readonly item: number
  readonly atMs: number
}

export interface ToolServer {
  readonly url: string
  stop(): Promise<void>
}

export interface ToolServerOptions {
  /** JSONL file to which events are appended. */
  readonly log: string
  /** How long each call takes. */
  latencyMs(): number
  /** Before that, a call waits for this. */
  until?(call: ToolEvent): Promise<unknown>
}

const LINGER_MS = 100_000

export async function startToolServer({ log, latencyMs, until }: ToolServerOptions): Promise<ToolServer> {
  const file = openSync(log, 'a')
  const made = new Map<string, ToolEvent>()
  const server = createServer((request, response) => {
    const write = (event: ToolEvent) => {
      if (event.event === 'arrived') made.set(event.callId, event)
      writeSync(file, `${JSON.stringify(event)}\n`)
    }
    const asked = /^\/made\/(.+)$/.exec(request.url ?? '')
    if (request.method === 'GET' && asked)
      return lookUp(made.get(decodeURIComponent(asked[1] ?? '')), response)
    void serve(request, response, { latencyMs: latencyMs(), until, write })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4_096, resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      closeSync(file)
    },
  }
}

function lookUp(made: ToolEvent | undefined, response: ServerResponse): void {
  response.writeHead(made ? 200 : 404, { 'content-type': 'application/json' })
  response.end(JSON.stringify(made ? outcomeOf(made) : { error: 'no call has this key' }))
}

const outcomeOf = ({ tool, task, turn, item }: Pick<ToolEvent, 'tool' | 'task' | 'turn' | 'item'>) => ({
  tool,
  task,
  turn,
  item,
})

interface Arguments {
  readonly task?: string
  readonly turn?: number
  readonly item?: number
}

interface Serving {
  readonly latencyMs: number
  readonly until: ToolServerOptions['until'] | undefined
  readonly write: (event: ToolEvent) => void
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { latencyMs, until, write }: Serving,
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { task = '', turn = 1, item = 0 } = JSON.parse(Buffer.concat(chunks).toString() || '{}') as Arguments
  const tool = request.url?.slice(1) ?? ''
  const about = { tool, task, turn, item, callId: String(request.headers['idempotency-key'] ?? '') }
  const arrived = { event: 'arrived', ...about, atMs: Date.now() } as const
  write(arrived)
  const answer = () => {
    if (response.destroyed) return
    const status = tool === 'broken' ? 422 : 200
    const body = status === 200 ? outcomeOf(arrived) : { error: 'this one never works' }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const wait = () => (timer = setTimeout(answer, tool === 'linger' ? LINGER_MS : latencyMs))
  let timer: NodeJS.Timeout | undefined
  if (until) void until(arrived).then(wait)
  else wait()
  response.once('close', () => {
    clearTimeout(timer)
    write({ event: response.writableFinished ? 'answered' : 'aborted', ...about, atMs: Date.now() })
  })
}
