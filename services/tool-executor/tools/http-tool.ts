import type { ZodType } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { JsonSchema, Tool, ToolContext, ToolDefinition } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { Json } from '../../../schemas/json.ts'
import { parsed } from './http-json.ts'
import { trustedWeb, type WebRequest } from './web.ts'

type Arguments = { [name: string]: Json }

/** An HTTP endpoint as a tool. Its address is the fleet owner's choice, so it may be private. */
export interface HttpToolDefinition extends Omit<ToolDefinition, 'input' | 'output' | 'run'> {
  input: ZodType | JsonSchema
  output?: ZodType | JsonSchema
  /** `{name}` in the path is replaced by that argument, percent-encoded. */
  url: string
  /** Default POST. GET sends the other arguments as query parameters, any other method as a JSON body. */
  method?: NonNullable<WebRequest['method']>
  /** A function is asked at each call, for keys from the environment. */
  headers?: Record<string, string> | (() => Record<string, string>)
}

const DEFAULT_MAX_BYTES = 1_000_000

/**
 * Answers with the JSON of the response, or its text when it is not JSON; an empty one is null. The call's id goes along as
 * Idempotency-Key, and traceparent. An endpoint that is down opens the breaker of the tool; its 4xx do not.
 */
export function httpTool(definition: HttpToolDefinition): Tool {
  const { url, method = 'POST', headers, ...rest } = definition
  if (!URL.parse(url))
    throw new FlotillaError('CONFIG_INVALID', `tool '${definition.name}': url ${url} is not a URL`)
  const maxBytes = definition.maxOutputBytes ?? DEFAULT_MAX_BYTES
  return defineTool<unknown, Json>({
    ...rest,
    idempotent: definition.idempotent ?? method === 'GET',
    run: async (input, context) => {
      const own = typeof headers === 'function' ? headers() : (headers ?? {})
      const target = fill(url, isArguments(input) ? input : {}, method)
      const sent = { accept: 'application/json', ...contextHeaders(context), ...target.headers, ...own }
      const body = target.body === null ? {} : { body: target.body }
      const request = { method, headers: sent, maxBytes, signal: context.signal, ...body }
      const response = await trustedWeb.fetch(target.url, request).catch(ofEndpoint)
      if (response.body.length === 0) return null
      if (response.contentType.includes('json') || response.truncated) return parsed(response, maxBytes)
      return response.body.toString()
    },
  } as ToolDefinition<unknown, Json>)
}

const isArguments = (input: unknown): input is Arguments =>
  typeof input === 'object' && input !== null && !Array.isArray(input)

const contextHeaders = ({ idempotencyKey, traceparent }: ToolContext): Record<string, string> => ({
  'idempotency-key': idempotencyKey,
  ...(traceparent && { traceparent }),
})

/** Path parameters, then the rest as query or body. */
function fill(template: string, input: Arguments, method: string) {
  const left = new Map(Object.entries(input))
  const url = new URL(
    template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const value = left.get(name)
      left.delete(name)
      return encodeURIComponent(plain(value ?? ''))
    }),
  )
  if (method !== 'GET') {
    const body = JSON.stringify(Object.fromEntries(left))
    return { url: url.href, body, headers: { 'content-type': 'application/json' } }
  }
  for (const [name, value] of left) url.searchParams.append(name, plain(value))
  return { url: url.href, body: null, headers: {} }
}

const plain = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** Here the target is the tool: when it is down, so is the tool. A request to wait (429) shows that it is up. */
function ofEndpoint(error: unknown): never {
  if (!(error instanceof FlotillaError) || error.code !== 'TOOL_TARGET_UNAVAILABLE') throw error
  if ((error.details as { status?: number } | undefined)?.status === 429) throw error
  const { message, retryAfterMs } = error
  throw new FlotillaError('TOOL_UNAVAILABLE', message, {
    cause: error,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}
