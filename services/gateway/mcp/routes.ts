// The MCP server over HTTP: POST /mcp, stateless. docs/mcp.md.
//
// 1. Who is let in, hosts, origins, and the bounds of bodies are those of every route; errors have the protocol's form.
// 2. A request holds a slot until it is answered: as many as streams, in all and for each client.
// 3. If the client leaves, the request is aborted, and with it the task that it waited for.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { agents, mcp } from '../../../api/routes.ts'
import type { HttpSettings } from '../../../runtime/config/environment.ts'
import { retryAfter, statusOf, type HttpError } from '../../../runtime/host/http/errors.ts'
import { OpenStreams } from '../../../runtime/host/open-streams.ts'
import { once } from '../../../runtime/once.ts'
import type { Log } from '../../../runtime/telemetry/instruments.ts'
import { clientOf, principalOf } from '../access/principal.ts'
import { serve } from '../routes/serve.ts'
import { noHead } from '../streams.ts'
import { agentTools } from './agent-tools.ts'
import type { McpFleet } from './fleet.ts'
import { gatewayFleet, type GatewayParts } from './gateway-fleet.ts'
import type { Answering } from './handler.ts'

export interface McpParts extends GatewayParts {
  readonly http: HttpSettings
  readonly logger: Log
}

const PROBE_MS = 30_000

/** Within a scope of their own, because their errors have another shape. */
export async function mcpRoutes(app: FastifyInstance, parts: McpParts): Promise<void> {
  serve(app, agents.list, (request) => agentTools(parts.fleet, principalOf(request).agents))
  await app.register(async (scope) => register(scope, parts))
}

function register(app: FastifyInstance, parts: McpParts): void {
  const { http, logger } = parts
  const { maxStreams, maxStreamsPerClient, heartbeatMs } = http
  const open = new OpenStreams({ total: maxStreams, perClient: maxStreamsPerClient })
  let close = async () => {}
  // The packages for it are a twentieth of a start, and most gateways never get a request of MCP.
  const handler = once(async () => {
    const { createHandler } = await import('./handler.ts')
    const made = createHandler({
      keepAliveMs: heartbeatMs,
      maxSubscriptions: maxStreams,
      onerror: (error) => logger.debug({ err: error }, 'an MCP request was refused or failed'),
    })
    close = () => made.close()
    return made
  })
  app.addHook('onClose', () => close())
  app.setErrorHandler(async (error: Error, { method, url }, reply) => {
    if (statusOf(error as HttpError) >= 500)
      logger.error({ err: error, method, url }, 'failed to answer a request')
    return sendError(error, reply)
  })
  const exchange = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const release = open.take(clientOf(request))
    reply.raw.once('close', release)
    return answer(await handler(), request, reply, gatewayFleet(parts, request))
  }
  serve(app, mcp.call, exchange)
  // There is neither a stream of its own nor a session: the handler says so.
  serve(app, mcp.stream, exchange, noHead)
  serve(app, mcp.end, exchange)
}

async function answer(
  handler: Answering,
  request: FastifyRequest,
  reply: FastifyReply,
  fleet: McpFleet,
): Promise<FastifyReply> {
  const left = new AbortController()
  reply.raw.once('close', () => left.abort())
  // A task may take longer than a silent connection may stay; a client that is gone is noticed by probes.
  const { socket } = request.raw
  const stillMs = socket.timeout ?? 0
  socket.setTimeout(0)
  socket.setKeepAlive(true, PROBE_MS)
  reply.raw.once('close', () => void socket.setTimeout(stillMs))
  const { method, body } = request
  const asked = new Request(`http://localhost${request.url}`, {
    method,
    headers: headersOf(request),
    signal: left.signal,
    ...(method === 'POST' ? { body: JSON.stringify(body ?? null) } : {}),
  })
  const response = await handler.answer(asked, fleet, method === 'POST' ? { parsedBody: body ?? null } : {})
  // Whether the connection stays is for its two ends: a client of HTTP/1.0 waits for its end.
  response.headers.delete('connection')
  return reply.send(response)
}

function headersOf({ headers }: FastifyRequest): Headers {
  const copied = new Headers()
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && name !== 'content-length' && name !== 'transfer-encoding')
      copied.set(name, Array.isArray(value) ? value.join(', ') : value)
  return copied
}

/** Before a message was read, nothing is known of its id. */
async function sendError(error: Error, reply: FastifyReply): Promise<FastifyReply> {
  const { protocolError } = await import('./results.ts')
  const { code, message, data } = protocolError(error)
  const { retryAfterMs } = data as { readonly retryAfterMs?: number }
  return retryAfter(reply.code(statusOf(error as HttpError)), retryAfterMs).send({
    jsonrpc: '2.0',
    id: null,
    error: { code, message, data },
  })
}
