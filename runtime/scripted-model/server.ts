// The scripted model: a real HTTP server with OpenAI's chat API, for the demo without a key and for tests.
//
// It plays recorded conversations and says so; any other task is answered with how to connect a model
// (script.ts). Markers in a task's text choose faults (faults.ts). Every call is counted, and logged on
// request (call-log.ts).
//   POST /v1/chat/completions   GET /v1/models   GET /stats
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CallLog, type CallStats } from './call-log.ts'
import { writeAnswer, type Spent } from './completion.ts'
import type { Conversation, Turn } from './conversations.ts'
import { chatRequest, readExchange, type ChatRequest, type Exchange } from './exchange.ts'
import { createFates } from './faults.ts'
import { benchScript, connectScript, recordedScript, type Script } from './script.ts'

export interface ScriptedModelOptions {
  /** Default 0, a free port. Loopback only. */
  readonly port?: number
  readonly conversations?: readonly Conversation[]
  /** Asked first; undefined leaves the answer to the recordings. */
  readonly script?: Script
  /** Delay before every answer, in addition to a task's `latency=` marker. */
  readonly latencyMs?: number
  /** Each answer waits for this, before its delay. Must not reject. */
  readonly until?: (exchange: Exchange) => Promise<unknown>
  /** JSONL file to which every call is appended. */
  readonly log?: string
}

export interface ScriptedModel {
  /** Base URL for an OpenAI client. */
  readonly url: string
  stats(): CallStats
  /** Cuts open connections. Idempotent. */
  stop(): Promise<void>
}

/** Far beyond any conversation of an agent. */
const MAX_BODY_BYTES = 32_000_000

export async function startScriptedModel(options: ScriptedModelOptions = {}): Promise<ScriptedModel> {
  const log = new CallLog(options.log)
  const server = createServer(requestHandler(options, log))
  server.keepAliveTimeout = 60_000
  await listen(server, options.port ?? 0)
  let stopping: Promise<void> | undefined
  const stop = () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    return closed.then(() => log.close())
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    stats: () => log.stats(),
    stop: () => (stopping ??= stop()),
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', 4_096, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function requestHandler(options: ScriptedModelOptions, log: CallLog) {
  const player = createPlayer(options, log)
  return (request: IncomingMessage, response: ServerResponse): void => {
    const path = request.url?.split('?')[0] ?? ''
    if (request.method === 'GET' && path === '/stats') return json(response, 200, log.stats())
    if (request.method === 'GET' && path.endsWith('/models')) {
      return json(response, 200, {
        object: 'list',
        data: [{ id: 'scripted', object: 'model', owned_by: 'flotilla' }],
      })
    }
    if (request.method === 'POST' && path.endsWith('/chat/completions'))
      return readBody(request, response, player)
    problem(response, 404, `there is no ${request.method} ${path} here`)
  }
}

type Player = (text: string, request: IncomingMessage, response: ServerResponse) => void

function readBody(request: IncomingMessage, response: ServerResponse, player: Player): void {
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk)
  })
  request.on('end', () => {
    if (bytes > MAX_BODY_BYTES)
      return problem(response, 413, `the body is longer than ${MAX_BODY_BYTES} bytes`)
    player(Buffer.concat(chunks).toString('utf8'), request, response)
  })
}

function createPlayer(options: ScriptedModelOptions, log: CallLog): Player {
  const scripts: readonly Script[] = [
    ...(options.script === undefined ? [] : [options.script]),
    recordedScript(options.conversations ?? []),
    benchScript,
  ]
  const connect = connectScript(options.conversations ?? [])
  const fates = createFates()
  let answers = 0
  return (text, request, response) => {
    const chat = parse(text)
    if (chat === null) return problem(response, 400, 'the body is not a chat completion request')
    const exchange = readExchange(chat)
    let spent: Spent = { inputTokens: 0, outputTokens: 0 }
    record(log, chat, exchange, request, response, () => spent)
    const fate = fates.of(exchange)
    const answer = () => {
      // The caller has gone: nothing is sent.
      if (response.destroyed) return
      if (fate.fault !== null) return fate.fault(response)
      const turn = fate.turn ?? playAny(scripts, exchange) ?? connect(exchange)
      spent = writeAnswer(response, {
        id: `scripted-${++answers}`,
        turn,
        request: chat,
        paceMs: fate.paceMs,
        requestChars: text.length,
      })
    }
    const waitMs = fate.latencyMs + (options.latencyMs ?? 0)
    const answerLater = () => {
      if (waitMs === 0) return answer()
      // A caller that has gone leaves no timer behind, which would keep the process from ending.
      const timer = setTimeout(answer, waitMs)
      response.once('close', () => clearTimeout(timer))
    }
    if (options.until === undefined) answerLater()
    else void options.until(exchange).then(answerLater)
  }
}

function playAny(scripts: readonly Script[], exchange: Exchange): Turn | undefined {
  for (const script of scripts) {
    const turn = script(exchange)
    if (turn !== undefined) return turn
  }
  return undefined
}

function parse(text: string): ChatRequest | null {
  try {
    return chatRequest.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/** Logs the call when its connection is done with it. */
function record(
  log: CallLog,
  chat: ChatRequest,
  exchange: Exchange,
  request: IncomingMessage,
  response: ServerResponse,
  spent: () => Spent,
) {
  const receivedMs = Date.now()
  const header = (name: string) => String(request.headers[name] ?? '') || null
  log.begun()
  response.once('close', () =>
    log.ended({
      task: exchange.taskMark,
      turn: exchange.turn + 1,
      callId: header('idempotency-key'),
      traceparent: header('traceparent'),
      model: chat.model,
      outcome: response.writableFinished ? 'answered' : 'aborted',
      status: response.statusCode,
      ...spent(),
      receivedMs,
      endedMs: Date.now(),
    }),
  )
}

function problem(response: ServerResponse, status: number, message: string): void {
  json(response, status, {
    error: { message: `scripted model: ${message}`, type: 'invalid_request_error', param: null, code: null },
  })
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
