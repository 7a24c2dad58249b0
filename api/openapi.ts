// The HTTP API as an OpenAPI 3.1 document, made of the route table.
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { errorTable, type ErrorCode } from '../runtime/errors.ts'
import { statusOfCode } from '../runtime/host/http/errors.ts'
import { mcpError } from './mcp.ts'
import { openaiError } from './openai/fields.ts'
import { routeScope, type RouteScope } from './route-scopes.ts'
import { tags, type Answer, type Route } from './route.ts'
import { allRoutes } from './routes.ts'
import { errorAnswer } from './schemas/errors.ts'

/** Of the API, whose paths begin with its first number. */
const VERSION = '1.0.0'

export type JsonObject = { [name: string]: unknown }

export interface OpenApi {
  readonly openapi: '3.1.0'
  readonly info: JsonObject
  readonly tags: readonly { name: string; description: string }[]
  readonly security: readonly JsonObject[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Record<string, JsonObject>; readonly securitySchemes: JsonObject }
}

export interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description?: string
  readonly parameters: readonly JsonObject[]
  readonly requestBody?: JsonObject
  readonly responses: Readonly<Record<string, JsonObject>>
  readonly security: readonly JsonObject[]
}

/** Errors that any route may answer with: what the server refuses before a route sees it, and bugs. */
const everywhere: readonly ErrorCode[] = [
  'REQUEST_INVALID',
  'HOST_REFUSED',
  'ORIGIN_REFUSED',
  'INTERNAL',
  'LOG_UNAVAILABLE',
]

/** Errors of a route that needs a scope, once the API is closed. */
const closed: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'TOO_MANY_ATTEMPTS',
  'STORE_UNAVAILABLE',
]

/** Statuses that the server itself answers with. */
const refusals: Readonly<Record<string, string>> = {
  413: 'The body is too long.',
  414: 'A part of the path is too long.',
  415: 'A request that changes something must be JSON.',
  429: 'A limit was reached: Retry-After says when to ask again.',
  431: 'The request has too many headers.',
  503: 'Not now: Retry-After says when to ask again.',
}

export function openApi(routes: readonly Route[] = allRoutes): OpenApi {
  const schemas: Record<string, JsonObject> = {}
  const builder = new Builder(schemas)
  const paths: Record<string, Record<string, Operation>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: builder.operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Flotilla',
      version: VERSION,
      description: 'The HTTP API of a fleet of LLM agents.',
    },
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    security: [{}, { bearer: [] }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'An API key of the fleet, or a token of its OpenID provider. Not needed if the API is open.',
        },
      },
    },
  }
}

/** Null: it needs no key. */
function scopeOf({ method, path }: Route): Exclude<RouteScope, 'open'> | null {
  const scope = routeScope(method, path) ?? 'open'
  return scope === 'open' ? null : scope
}

const neededOf = (scope: Exclude<RouteScope, 'open'>): string =>
  scope === 'any' ? 'a key or token, of `any` scope,' : `the scope \`${scope}\``

class Builder {
  readonly #schemas: Record<string, JsonObject>

  constructor(schemas: Record<string, JsonObject>) {
    this.#schemas = schemas
  }

  operation(route: Route): Operation {
    const { method, path, tag, summary, body } = route
    const scope = scopeOf(route)
    const description = [
      ...(route.description === undefined ? [] : [route.description]),
      ...(scope === null ? [] : [`Needs ${neededOf(scope)} once the API is closed.`]),
    ].join(' ')
    return {
      operationId: operationId(method, path),
      tags: [tag],
      summary,
      ...(description === '' ? {} : { description }),
      security: scope === null ? [] : [{}, { bearer: scope === 'any' ? [] : [scope] }],
      parameters: this.#parameters(route),
      ...(body === undefined ? {} : { requestBody: this.#body(route, body) }),
      responses: this.#responses(route),
    }
  }

  #parameters({ params, query, headers = {} }: Route): JsonObject[] {
    const of = (place: 'path' | 'query', schema: z.ZodObject | undefined) =>
      Object.entries(schema?.shape ?? {}).map(([name, field]) => {
        const { description, examples: _, ...rest } = this.#schema(field)
        const required = place === 'path'
        return {
          name,
          in: place,
          required,
          ...(description === undefined ? {} : { description }),
          schema: rest,
        }
      })
    const inHeader = Object.entries(headers).map(([name, { description, ...limits }]) => ({
      name,
      in: 'header',
      required: false,
      description,
      schema: { type: 'string', ...limits },
    }))
    return [...of('path', params), ...of('query', query), ...inHeader]
  }

  #body({ bodyExample }: Route, body: z.ZodObject): JsonObject {
    const schema = nullable(this.#schema(body), this.#schemas)
    const example = bodyExample === undefined ? {} : { example: bodyExample }
    const content = {
      schema: body.safeParse({}).success ? { anyOf: [schema, { type: 'null' }] } : schema,
      ...example,
    }
    // Even an empty one: a request that changes something says that it is JSON.
    return { required: true, content: { 'application/json': content } }
  }

  #responses(route: Route): Record<string, JsonObject> {
    const { answers, errors = [], body, params, path, protocol } = route
    const found: Record<string, JsonObject> = {}
    for (const [status, answer] of Object.entries(answers)) found[status] = this.#answer(answer)
    const inTask = params ? (['TASK_INVALID'] as const) : []
    const ofAccess = scopeOf(route) === null ? [] : closed
    const codes = [...new Set([...everywhere, ...ofAccess, ...errors, ...inTask])]
    const byStatus = Map.groupBy(codes, (code) => String(statusOfCode(code)))
    const plain = ['414', '429', '431', '503', ...(body ? ['413', '415'] : [])]
    for (const status of new Set([...byStatus.keys(), ...plain])) {
      if (path === '/ready' && status === '503') continue
      const meanings = (byStatus.get(status) ?? []).map((code) => `${code}: ${errorTable[code].meaning}`)
      const description = meanings.join(' ') || (refusals[status] ?? '')
      const answer = this.#answer({ description, schema: errorOf(protocol) })
      const own = found[status]
      found[status] = own === undefined ? answer : either(own, answer)
    }
    return found
  }

  #answer({ description, schema, type = 'application/json', example, headers, events }: Answer): JsonObject {
    const shown = example === undefined ? {} : { example }
    const types = typeof type === 'string' ? [type] : type
    const isJson = types.includes('application/json')
    const sent = schema && (isJson ? this.#schema(schema) : { type: 'string' })
    const named = Object.entries(headers ?? {}).map(([name, text]) => [
      name,
      { description: text, schema: { type: 'string' } },
    ])
    return {
      description,
      ...(named.length === 0 ? {} : { headers: Object.fromEntries(named) }),
      ...(sent === undefined && events === undefined
        ? {}
        : {
            content: {
              ...(sent && Object.fromEntries(types.map((each) => [each, { schema: sent, ...shown }]))),
              ...(events && { 'text/event-stream': this.#events(events) }),
            },
          }),
    }
  }

  /** OpenAPI 3.1 has no word for the items of a stream, and readers of the schema differ in what it is of. */
  #events(schema: z.ZodType): JsonObject {
    return { schema: {}, 'x-event-data': this.#schema(schema) }
  }

  /** Named schemas become components. */
  #schema(schema: z.core.$ZodType): JsonObject {
    const {
      $schema: _,
      $defs = {},
      ...rest
    } = z.toJSONSchema(schema, { io: 'input' }) as JsonObject & { $defs?: Record<string, JsonObject> }
    for (const [name, part] of Object.entries($defs)) this.#name(name, part)
    const { id } = rest
    if (typeof id !== 'string') return relocated(rest)
    this.#name(id, rest)
    return { $ref: `#/components/schemas/${id}` }
  }

  /** Throws for a name of two schemas: the description would show the latter for both. */
  #name(name: string, schema: JsonObject): void {
    const shown = relocated(schema)
    const known = (this.#schemas[name] ??= shown)
    if (!isDeepStrictEqual(known, shown)) throw new Error(`two schemas have the name ${name}`)
  }
}

const errorOf = (protocol: Route['protocol']): z.ZodType =>
  protocol === undefined ? errorAnswer : { openai: openaiError, mcp: mcpError }[protocol]

/** References to components, and without what only this builder reads. */
function relocated<T>(value: T): T {
  const text = JSON.stringify(value, (name, part: unknown) =>
    name === 'id' && typeof part === 'string' ? undefined : part,
  )
  return JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/')) as T
}

/** In a body, null is the same as an absent field. */
function nullable(schema: JsonObject, named: Record<string, JsonObject>): JsonObject {
  const reference = typeof schema['$ref'] === 'string' ? schema['$ref'].split('/').at(-1) : undefined
  const shape = reference === undefined ? schema : (named[reference] ?? {})
  const required = new Set((shape['required'] ?? []) as string[])
  const properties = Object.entries((shape['properties'] ?? {}) as Record<string, JsonObject>).map(
    ([name, field]) => {
      const { description, ...rest } = field
      const isAny = Object.keys(rest).length === 0
      if (required.has(name) || isAny || 'anyOf' in rest) return [name, field]
      return [
        name,
        { ...(description === undefined ? {} : { description }), anyOf: [rest, { type: 'null' }] },
      ]
    },
  )
  const result = { ...shape, properties: Object.fromEntries(properties) as JsonObject }
  if (reference === undefined) return result
  named[reference] = result
  return schema
}

type Content = { content: { 'application/json': { schema: JsonObject } } }

function either(a: JsonObject, b: JsonObject): JsonObject {
  const schemaOf = (answer: JsonObject) => (answer as Content).content['application/json'].schema
  const schemas = [schemaOf(a), schemaOf(b)]
  const [schema] = isDeepStrictEqual(...(schemas as [JsonObject, JsonObject]))
    ? schemas
    : [{ anyOf: schemas }]
  return {
    ...a,
    description: `${String(a['description'])} Or: ${String(b['description'])}`,
    content: { 'application/json': { schema } },
  }
}

/** `getTasksIdResult`. */
function operationId(method: string, path: string): string {
  const words = path.replace('/v1', '').match(/\w+/g) ?? []
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}
