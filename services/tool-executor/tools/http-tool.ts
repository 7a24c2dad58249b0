import type { ZodType } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { JsonSchema, Tool, ToolContext, ToolDefinition } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import {
  keepPassingSecrets,
  keepSecrets,
  secretsOfHeader,
  secretsOfUrl,
} from '../../../runtime/text/redaction.ts'
import type { Json } from '../../../schemas/json.ts'
import { parseJson } from './http-json.ts'
import { decodePage } from './web/page-encoding.ts'
import { urlTemplate, type UrlTemplate } from './web/url-template.ts'
import { trustedWeb, type WebRequest } from './web/web.ts'

type Arguments = { [name: string]: Json }

/** An HTTP endpoint as a tool. Its address is the fleet owner's choice, so it may be private. */
export interface HttpToolDefinition extends Omit<ToolDefinition, 'input' | 'output' | 'run'> {
  input: ZodType | JsonSchema
  output?: ZodType | JsonSchema
  /**
   * `{name}` in path or query is replaced by that argument, percent-encoded. A value that would change the
   * address (`..`, a slash, nothing) is TOOL_ARGUMENTS_INVALID. `user:password@` is sent as basic
   * authorization.
   */
  url: string
  /** Default POST. GET sends the other arguments as query parameters, any other method as a JSON body. */
  method?: NonNullable<WebRequest['method']>
  /** A function is called for each request, for keys from the environment. */
  headers?: Record<string, string> | (() => Record<string, string>)
}

const DEFAULT_MAX_BYTES = 1_000_000

/**
 * Returns the JSON of the response, or its text if it is not JSON; an empty one is null. The call's id is
 * sent as Idempotency-Key, with traceparent. An endpoint that is down opens the tool's breaker; its 4xx do
 * not. Redirects are followed within its origin.
 */
export function httpTool(definition: HttpToolDefinition): Tool {
  const { url, method = 'POST', headers, ...rest } = definition
  const template = templateOf(definition)
  keepSecrets([...secretsOfUrl(url), ...(typeof headers === 'object' ? secretsIn(headers) : [])])
  const maxBytes = definition.maxOutputBytes ?? DEFAULT_MAX_BYTES
  return defineTool<unknown, Json>({
    ...rest,
    idempotent: definition.idempotent ?? method === 'GET',
    run: async (input, context) => {
      const target = fill(template, isArguments(input) ? input : {}, method)
      const sent = { accept: 'application/json', ...contextHeaders(context), ...target.headers }
      const body = target.body === null ? {} : { body: target.body }
      const request = { method, maxBytes, signal: context.signal, ...body, ...within(template) }
      const all = { ...sent, ...authorization(template), ...ownHeaders(headers) }
      const response = await trustedWeb.fetch(target.url, { ...request, headers: all }).catch(ofEndpoint)
      if (response.body.length === 0) return null
      if (response.contentType.includes('json') || response.truncated) return parseJson(response, maxBytes)
      return decodePage(response.body, response.contentType)
    },
  } as ToolDefinition<unknown, Json>)
}

function templateOf({ name, url }: HttpToolDefinition): UrlTemplate {
  try {
    return urlTemplate(url)
  } catch (error) {
    throw new FlotillaError('CONFIG_INVALID', `tool '${name}': ${(error as Error).message}`)
  }
}

const within = ({ shown }: UrlTemplate) => ({ sameOrigin: true, shown })

const authorization = ({ credentials }: UrlTemplate): Record<string, string> =>
  credentials === null ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }

const secretsIn = (headers: Readonly<Record<string, string>>): string[] =>
  Object.entries(headers).flatMap(([name, value]) => secretsOfHeader(name, value))

/** Under lower-case names, so that a default header is replaced, not joined. */
function ownHeaders(headers: HttpToolDefinition['headers']): Record<string, string> {
  if (typeof headers !== 'function') return lowerCase(headers ?? {})
  const asked = headers()
  keepPassingSecrets(secretsIn(asked))
  return lowerCase(asked)
}

const lowerCase = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

const isArguments = (input: unknown): input is Arguments =>
  typeof input === 'object' && input !== null && !Array.isArray(input)

const contextHeaders = ({ idempotencyKey, traceparent }: ToolContext): Record<string, string> => ({
  'idempotency-key': idempotencyKey,
  ...(traceparent && { traceparent }),
})

/** Fills the parameters of the template, then the rest as query or body. */
function fill(template: UrlTemplate, input: Arguments, method: string) {
  const url = template.fill(new Map(Object.entries(input)))
  const left = Object.entries(input).filter(([name]) => !template.names.has(name))
  if (method !== 'GET') {
    const body = JSON.stringify(Object.fromEntries(left))
    return { url: url.href, body, headers: { 'content-type': 'application/json' } }
  }
  for (const [name, value] of left) url.searchParams.append(name, plain(value))
  return { url: url.href, body: null, headers: {} }
}

const plain = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** Here the target is the tool: if it is down, so is the tool. A 429 shows that it is up. */
function ofEndpoint(error: unknown): never {
  if (!(error instanceof FlotillaError) || error.code !== 'TOOL_TARGET_UNAVAILABLE') throw error
  if ((error.details as { status?: number } | undefined)?.status === 429) throw error
  const { message, retryAfterMs } = error
  throw new FlotillaError('TOOL_UNAVAILABLE', message, {
    cause: error,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}
