// Registers a described route: what comes in is checked by its schemas, and the handler gets it typed.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { checked } from '../../../api/check.ts'
import { OMITTED_HEADER, omittedHeader } from '../../../api/omitted.ts'
import type { AnswerOf, BodyOf, ParamsOf, QueryOf, Route, Sent } from '../../../api/route.ts'
import { FlotillaError, messageOf } from '../../../runtime/errors.ts'
import { collectingOmissions, Omissions } from '../../../runtime/omitted.ts'

export type RequestOf<R extends Route> = FastifyRequest<{
  Params: ParamsOf<R>
  Querystring: QueryOf<R>
  Body: BodyOf<R>
}>

type Handler<R extends Route> = (
  request: RequestOf<R>,
  reply: FastifyReply,
) => Sent<AnswerOf<R>> | FastifyReply | Promise<Sent<AnswerOf<R>> | FastifyReply>

interface ServeOptions {
  /** False: a HEAD request gets no answer, because the answer is a stream. */
  readonly exposeHeadRoute?: boolean
  readonly config?: { readonly page: boolean }
}

export function serve<R extends Route>(
  app: FastifyInstance,
  route: R,
  handler: Handler<R>,
  options: ServeOptions = {},
): void {
  const { method, path: url, params, query, body } = route
  app.route<{ Params: ParamsOf<R>; Querystring: QueryOf<R>; Body: BodyOf<R> }>({
    method,
    url,
    ...options,
    schema: {
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { querystring: query }),
      ...(body === undefined ? {} : { body }),
    },
    validatorCompiler: ({ schema, httpPart }) => validator(route, schema as z.ZodObject, httpPart ?? ''),
    handler: collected.bind(null, handler as never) as never,
    onSend: (request, reply, payload, done) => {
      const omitted = omissions.get(request)?.list() ?? []
      if (omitted.length > 0) reply.header(OMITTED_HEADER, omittedHeader(omitted))
      done(null, payload)
    },
  })
}

/** What the answer of each request goes without, for its header. */
const omissions = new WeakMap<FastifyRequest, Omissions>()

function collected(handler: Handler<Route>, request: RequestOf<Route>, reply: FastifyReply): unknown {
  const own = new Omissions()
  omissions.set(request, own)
  return collectingOmissions(own, () => handler(request, reply))
}

type Validator = (value: unknown) => { value: unknown } | { error: Error }

function validator(route: Route, schema: z.ZodObject, part: string): Validator {
  const check = checkOf(route, schema, part)
  return (value) => {
    try {
      return { value: check(value) }
    } catch (error) {
      return { error: error instanceof Error ? error : new Error(messageOf(error)) }
    }
  }
}

function checkOf(route: Route, schema: z.ZodObject, part: string): (value: unknown) => unknown {
  // The handler says of an id whether there is such a thing.
  if (part === 'params') return (value) => value
  if (route.checkedLater?.includes(part === 'body' ? 'body' : 'query') === true)
    return part === 'body' ? fieldsOf : (value) => value
  if (part === 'querystring')
    return (value) => checked(schema, value, { word: route.queryWord ?? 'parameter' })
  return (value) => checked(schema, withoutNulls(fieldsOf(value), schema))
}

/** The fields of a JSON object; none if there is no body. Throws REQUEST_INVALID for anything else. */
function fieldsOf(body: unknown): Record<string, unknown> {
  if (body === null || body === undefined) return {}
  if (typeof body !== 'object' || Array.isArray(body))
    throw new FlotillaError('REQUEST_INVALID', 'the body must be a JSON object')
  return body as Record<string, unknown>
}

/** Null says the same as an absent field; that a field is not known, the schema says. */
function withoutNulls(body: Record<string, unknown>, schema: z.ZodObject): Record<string, unknown> {
  const isLeftOut = ([name, value]: [string, unknown]) => value === null && Object.hasOwn(schema.shape, name)
  return Object.fromEntries(Object.entries(body).filter((entry) => !isLeftOut(entry)))
}
