// A real HTTP server that answers as one provider or another does: what the model caller talks to in these tests.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { createModelCaller } from '../../../../services/planner/model/client.ts'
import type { ModelRequest } from '../../../../services/planner/call.ts'
import type { ModelSize, ProviderDefinition } from '../../../../runtime/config/fleet.ts'
import type { CallContext, Emit } from '../../../../runtime/stage.ts'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Record<string, unknown>
}

export type Handler = (received: Received, response: ServerResponse) => void

export interface ProviderServer {
  readonly url: string
  readonly received: Received[]
  /** Connections opened so far. */
  connections(): number
  stop(): Promise<void>
  handler: Handler
}

export async function startProvider(t: TestContext, handler: Handler): Promise<ProviderServer> {
  const received: Received[] = []
  let connections = 0
  const stop = () => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  }
  const state: ProviderServer = { url: '', received, connections: () => connections, stop, handler }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const one = {
        path: request.url ?? '',
        headers: request.headers,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      }
      received.push(one)
      state.handler(one, response)
    })
  })
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(stop)
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` })
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

/** Writes chunks as server-sent events; strings are written as they are. */
export function events(response: ServerResponse, chunks: unknown[], end = true) {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const chunk of chunks) {
    response.write(typeof chunk === 'string' ? chunk : `data: ${JSON.stringify(chunk)}\n\n`)
  }
  if (end) response.end('data: [DONE]\n\n')
}

export const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 }

export function delta(part: Record<string, unknown>, finish: string | null = null) {
  return {
    object: 'chat.completion.chunk',
    model: 'm-1',
    choices: [{ index: 0, delta: part, finish_reason: finish }],
  }
}

export function completion(message: Record<string, unknown>, finish: string | null = 'stop') {
  const choices = [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }]
  return { object: 'chat.completion', model: 'm-1', choices, usage }
}

export function request(more: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model: 'test/m-1',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Say hello.' },
    ],
    temperature: 0.2,
    maxOutputTokens: 100,
    stream: false,
    step: 3,
    ...more,
  }
}

export function callContext(streamed: Emit[] = [], signal = new AbortController().signal): CallContext {
  return {
    callId: 'call-1',
    key: 'task-1',
    signal,
    traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
    stream: (emit) => streamed.push(emit),
  }
}

export function callerFor(
  providers: Record<string, ProviderDefinition>,
  variables: Record<string, string> = {},
  sizes: readonly ModelSize[] = [],
) {
  return createModelCaller({ fleet: { models: { providers, sizes } }, environment: { raw: variables } })
}
