// The route of the MCP server: docs/mcp.md. Messages are the protocol's own.
import { z } from 'zod'
import { route, type Answer, type Route } from './route.ts'
import { json } from './schemas/values.ts'

const id = z.union([z.string(), z.number()])

/** Its methods and parameters are those of the Model Context Protocol. */
const message = z
  .looseObject({
    jsonrpc: z.literal('2.0'),
    id: id.exactOptional(),
    method: z.string(),
    params: z.record(z.string(), json).exactOptional(),
  })
  .meta({ id: 'McpMessage' })

const answer = z
  .looseObject({ jsonrpc: z.literal('2.0'), id: id.nullable(), result: json.exactOptional() })
  .meta({ id: 'McpAnswer' })

export const mcpError = z
  .looseObject({
    jsonrpc: z.literal('2.0'),
    id: id.nullable(),
    error: z.looseObject({ code: z.number(), message: z.string() }),
  })
  .meta({ id: 'McpError' })

const shared = { tag: 'mcp', protocol: 'mcp' } as const
const refused = (description: string): Answer => ({ description, schema: mcpError })
const notAllowed = { 405: refused('There is no stream and no session here: the server keeps no state.') }

export const mcp = {
  call: route({
    ...shared,
    method: 'POST',
    path: '/mcp',
    summary: 'One message of the Model Context Protocol',
    description:
      'Streamable HTTP without sessions. Revision 2026-07-28, and clients of 2025-11-25 that need no session.',
    headers: {
      'mcp-protocol-version': { description: 'Revision of the protocol.' },
      'mcp-method': { description: 'The method of the message; needed from 2026-07-28 on.' },
      'mcp-name': { description: 'The tool or the task that the message names; needed from 2026-07-28 on.' },
    },
    body: message,
    checkedLater: ['body'],
    bodyExample: {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'example', version: '1' },
      },
    },
    answers: {
      200: {
        description: 'The answer, or a stream of notifications that ends with it.',
        schema: answer,
        events: answer,
      },
      202: { description: 'A notification was taken.' },
      404: refused('There is no such method.'),
      406: refused('A client of 2025-11-25 must accept JSON and event streams.'),
    },
    errors: ['TOO_MANY_STREAMS'],
  }),
  stream: route({
    ...shared,
    method: 'GET',
    path: '/mcp',
    summary: 'Not supported: a stream beside the answers',
    answers: notAllowed,
  }),
  end: route({
    ...shared,
    method: 'DELETE',
    path: '/mcp',
    summary: 'Not supported: the end of a session',
    answers: notAllowed,
  }),
} as const satisfies Record<string, Route>
