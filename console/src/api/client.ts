// Asks the gateway that served the page. Paths, parameters, bodies and answers are typed by the API's route table.
import type { AnswerOf, BodyOf, QueryOf, Route, Sent } from '../../../api/route.ts'
import type * as routes from '../../../api/routes.ts'
import { takeTime } from '../clock.ts'
import { takeOmitted } from './omitted.ts'

type Values<T> = T[keyof T]
type Described =
  | Values<typeof routes.tasks>
  | Values<typeof routes.approvals>
  | Values<typeof routes.events>
  | Values<typeof routes.operator>
  | Values<typeof routes.evaluations>
  | Values<typeof routes.sessions>
  | Values<typeof routes.me>
  | Values<typeof routes.signIn>
  | Values<typeof routes.processRoutes>
type PathOf<M extends Route['method']> = Extract<Described, { readonly method: M }>['path']
type At<M extends Route['method'], P extends string> = Extract<
  Described,
  { readonly method: M; readonly path: P }
>

/** What a GET of this path answers with. */
export type Got<P extends PathOf<'GET'>> = Sent<AnswerOf<At<'GET', P>>>
export type Posted<P extends PathOf<'POST'>> = Sent<AnswerOf<At<'POST', P>>>

type Given<T> = { readonly [Name in keyof T]?: string | number | boolean | undefined }

export interface Asked<R extends Route> {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Given<QueryOf<R>>
  readonly signal?: AbortSignal
}

/** What an answer says of an error. */
interface Said {
  readonly code?: string | undefined
  readonly message?: string | undefined
  readonly remedy?: string | undefined
  readonly retryAfterMs?: number | undefined
}

export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly remedy: string
  readonly retryAfterMs: number | null

  constructor(status: number, said: Said) {
    super(said.message ?? `the gateway answered ${status}`)
    this.status = status
    this.code = said.code ?? 'INTERNAL'
    this.remedy = said.remedy ?? ''
    this.retryAfterMs = said.retryAfterMs ?? null
  }
}

const UNAVAILABLE = 'GATEWAY_UNAVAILABLE'

export const asApiError = (error: unknown): ApiError =>
  error instanceof ApiError
    ? error
    : new ApiError(0, {
        code: UNAVAILABLE,
        message: 'The gateway does not answer.',
        remedy: 'The console tries again by itself. If this stays, check that the fleet runs.',
      })

/** Whether the same question may be answered later: the gateway is away, overloaded or has a fault. */
export const mayPass = ({ status, code }: ApiError): boolean =>
  status === 0 || status === 429 || status >= 500 || code === UNAVAILABLE

let key: string | null = null
let refused: () => void = () => {}

/** The credentials of every later request; null: none. They are kept in memory. */
export const useKey = (given: string | null): void => void (key = given)
/** Called when the gateway refuses the credentials, or asks for some. */
export const onRefused = (call: () => void): void => void (refused = call)

export function pathWith(
  path: string,
  params: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, string | number | boolean | undefined>> = {},
): string {
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  )
  return given.length === 0 ? filled : `${filled}?${new URLSearchParams(given)}`
}

/** Rejects with ApiError unless the gateway answers with 2xx. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  if (key !== null) headers.set('authorization', `Bearer ${key}`)
  const response = await fetch(path, { ...init, headers, credentials: 'omit', cache: 'no-store' })
  takeTime(response.headers.get('date'))
  takeOmitted(path, response.headers)
  if (response.ok) return response
  const said = (await response.json().catch(() => ({}))) as { error?: Said }
  if (response.status === 401) refused()
  throw said.error?.code === undefined ? notOurs(response) : new ApiError(response.status, said.error)
}

/** An answer of something before the gateway, such as an ingress that has lost it for the moment: that passes. */
export const notOurs = ({ status }: Response): ApiError =>
  new ApiError(status, {
    code: UNAVAILABLE,
    message: `Not the gateway answered, but something before it: ${status}.`,
    remedy: 'The console tries again by itself. If this stays, check the proxy and that the fleet runs.',
  })

const bodyOf = async (response: Response): Promise<unknown> =>
  response.status === 204 ? null : await response.json()

/** A gateway that takes longer counts as one that does not answer. */
const ANSWER_MS = 60_000

export async function get<P extends PathOf<'GET'>>(
  path: P,
  { params, query, signal }: Asked<At<'GET', P>> = {},
): Promise<Got<P>> {
  const limit = AbortSignal.timeout(ANSWER_MS)
  const within = signal ? AbortSignal.any([signal, limit]) : limit
  return (await bodyOf(await ask(pathWith(path, params, query), { signal: within }))) as Got<P>
}

/** Asks for a change. Nobody knows whether one was made that the gateway has not answered. */
async function change(path: string, init: RequestInit): Promise<unknown> {
  try {
    const headers = { 'content-type': 'application/json', ...(init.headers as Record<string, string>) }
    return await bodyOf(await ask(path, { ...init, headers, signal: AbortSignal.timeout(ANSWER_MS) }))
  } catch (cause) {
    if (cause instanceof ApiError) throw cause
    throw new ApiError(0, {
      code: UNAVAILABLE,
      message: 'The gateway did not answer.',
      remedy: 'It may have done it all the same: look before you do it again.',
    })
  }
}

export async function post<P extends PathOf<'POST'>>(
  path: P,
  body: Partial<BodyOf<At<'POST', P>>>,
  { params, query, headers = {} }: Asked<At<'POST', P>> & { readonly headers?: Record<string, string> } = {},
): Promise<Posted<P>> {
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  return (await change(pathWith(path, params, query), init)) as Posted<P>
}

export async function remove<P extends PathOf<'DELETE'>>(
  path: P,
  { params }: Asked<At<'DELETE', P>> = {},
): Promise<void> {
  await change(pathWith(path, params), { method: 'DELETE' })
}

/** Submits a task under this id, however often: it runs once. */
export const submit = (task: TaskBody, taskId: string): Promise<Posted<'/v1/tasks'>> =>
  post('/v1/tasks', task, { headers: { 'idempotency-key': taskId } })

/** A task to submit: fields by name, as docs/configuration.md has them. */
export type TaskBody = Readonly<Record<string, unknown>> & { readonly text: string }
export type TaskView = Got<'/v1/tasks'>['tasks'][number]
export type TaskDetail = Got<'/v1/tasks/:id'>
export type TaskTree = Got<'/v1/tasks/:id/tree'>
export type SessionTurn = Got<'/v1/sessions/:id'>['list'][number]
export type TaskResult = NonNullable<Got<'/v1/tasks/:id/result'>>
export type Me = Got<'/v1/me'>
/** A decision about a call that waits for a person. */
export type DecisionBody = Partial<BodyOf<At<'POST', '/v1/tasks/:id/approvals/:callId'>>>
