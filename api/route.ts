// A route of the HTTP API as data: the gateway serves it, clients call it, its documentation is generated from it.
//
// 1. What comes in is checked by these schemas. In a body, null is the same as an absent optional field.
// 2. What goes out is not cut to its schema: a field that the schema lacks is a mistake that tests find.
import type { z } from 'zod'
import type { ErrorCode } from '../runtime/errors.ts'

export const tags = {
  tasks: 'Submit tasks, follow them, get their results, decide what waits for a person',
  sessions: 'Conversations whose turns are tasks',
  usage: 'Usage, cost and limits',
  evaluations: 'Runs of evaluations and their scores',
  fleet: 'What the fleet is configured with, and what its stages do',
  'dead-letters': 'Records that no stage could process',
  keys: 'API keys: who may do what',
  alerts: 'Alert rules, silences and tests of channels',
  openai: 'For clients of OpenAI’s API, with an agent as the model: flotilla/<agent>',
  mcp: 'For clients of the Model Context Protocol: each agent is a tool',
  process: 'Health and metrics of the process, and this description',
} as const

export interface Answer {
  readonly description: string
  /** Absent: no body. */
  readonly schema?: z.ZodType
  /** Default application/json. */
  readonly type?: string | readonly string[]
  /** Server-sent events, beside the body or instead of it: the schema of the data of each. */
  readonly events?: z.ZodType
  readonly example?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface Header {
  readonly description: string
  readonly pattern?: string
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** As Fastify spells it: `/v1/tasks/:id`. */
  readonly path: string
  readonly tag: keyof typeof tags
  readonly summary: string
  readonly description?: string
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  /** What messages call a parameter of the query. Default parameter. */
  readonly queryWord?: string
  /** Request headers that the route reads. */
  readonly headers?: Readonly<Record<string, Header>>
  readonly body?: z.ZodObject
  /** Parts that the handler checks itself. */
  readonly checkedLater?: readonly ('query' | 'body')[]
  /** Whose errors it answers with. Default: `Error` of this API. */
  readonly protocol?: 'openai' | 'mcp'
  readonly bodyExample?: unknown
  /** By status. */
  readonly answers: Readonly<Record<number, Answer>>
  /** Besides those that every route may answer with. */
  readonly errors?: readonly ErrorCode[]
}

export const route = <const R extends Route>(described: R): R => described

type Output<S> = S extends z.ZodType ? z.output<S> : Record<never, never>

export type ParamsOf<R extends Route> = Output<R['params']>
export type QueryOf<R extends Route> = Output<R['query']>
export type BodyOf<R extends Route> = Output<R['body']>

type SchemaOf<A> = A extends { readonly schema: infer S extends z.ZodType } ? z.output<S> : never
/** Values that the route answers with, of every status. */
export type AnswerOf<R extends Route> = {
  [Status in keyof R['answers']]: SchemaOf<R['answers'][Status]>
}[keyof R['answers']]

/** The same value, of which nothing is changed. */
export type Sent<T> = T extends readonly (infer Item)[]
  ? readonly Sent<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Sent<T[Name]> }
    : T

/** The route's name in tables: `GET /v1/tasks/:id`. */
export const routeName = ({ method, path }: Pick<Route, 'method' | 'path'>): string => `${method} ${path}`

/** A path with its parameters filled in. */
export function pathWith(path: string, values: Readonly<Record<string, string>> = {}): string {
  return path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(values[name] ?? ''))
}
