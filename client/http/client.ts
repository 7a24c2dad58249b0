// A client over a gateway's HTTP API: for embedded fleets, and for programs without Kafka.
import { FlotillaError, type ErrorCode, errorTable } from '../../runtime/errors.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { runBatch } from '../batch.ts'
import { assertTaskId } from '../result.ts'
import type {
  ApprovalInput,
  BatchOptions,
  Client,
  Feedback,
  QualityScore,
  ResultsOptions,
  TaskInput,
  TaskResult,
  TaskUpdate,
} from '../types.ts'

/** Throws TASK_INVALID if no task can have this id. */
function pathOf(taskId: string): string {
  assertTaskId(taskId)
  return `/v1/tasks/${encodeURIComponent(taskId)}`
}

/** How long one request waits for a result before the next one is sent. */
const WAIT_SECONDS = 25

/** The error that a gateway answered with, or the one for an answer that is not a gateway's. */
async function refusal(response: Response, url: string): Promise<FlotillaError> {
  const body = (await response.json().catch(() => null)) as {
    error?: { code?: string; message?: string; retryAfterMs?: number }
  } | null
  const { code = '', message = '', ...wait } = body?.error ?? {}
  if (Object.hasOwn(errorTable, code)) return new FlotillaError(code as ErrorCode, message, wait)
  return new FlotillaError(
    'GATEWAY_UNAVAILABLE',
    `${url} answered ${response.status}: this is not a fleet's gateway`,
  )
}

/** A gateway accepts requests with an effect only as JSON, so that no web page can send them by accident. */
function withType(init: RequestInit): RequestInit {
  const headers = new Headers(init.headers)
  if (!headers.has('content-type')) headers.set('content-type', 'application/json')
  return { ...init, headers }
}

/** One request to a gateway. Rejects with its error, or GATEWAY_UNAVAILABLE. */
export async function askGateway(gateway: string, path: string, init: RequestInit = {}): Promise<Response> {
  const url = gateway.replace(/\/+$/, '')
  const response = await fetch(url + path, withType(init)).catch((cause: unknown) => {
    throw new FlotillaError('GATEWAY_UNAVAILABLE', `no gateway answers at ${url}`, { cause })
  })
  if (!response.ok) throw await refusal(response, url + path)
  return response
}

/** Returns the item, or throws the error that the stream ended with. */
function itemOf<T>(line: string): T {
  const item = JSON.parse(line) as T | { error: { code: ErrorCode; message: string } }
  const isError = typeof item === 'object' && item !== null && Object.keys(item).join() === 'error'
  if (!isError) return item as T
  const { code, message } = (item as { error: { code: ErrorCode; message: string } }).error
  throw new FlotillaError(Object.hasOwn(errorTable, code) ? code : 'INTERNAL', message)
}

function isCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof FlotillaError && codes.includes(error.code)
}

export class HttpClient implements Client {
  readonly #url: string
  readonly #stopped = new AbortController()

  /** `url`: the gateway's base URL, such as http://127.0.0.1:8000. */
  constructor(url: string) {
    this.#url = url.replace(/\/+$/, '')
  }

  submit(task: TaskInput): Promise<{ taskId: string }> {
    return this.#post('/v1/tasks', task)
  }

  async find(taskId: string): Promise<TaskResult | null> {
    const response = await this.#repeat(`${pathOf(taskId)}/result`).catch((error: unknown) => {
      if (isCode(error, 'TASK_UNKNOWN')) return null
      throw error
    })
    return response === null || response.status === 204 ? null : ((await response.json()) as TaskResult)
  }

  async result(taskId: string, { timeoutMs }: { timeoutMs?: number } = {}): Promise<TaskResult> {
    const until = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs
    for (;;) {
      const seconds = Math.min(WAIT_SECONDS, Math.max(0, (until - Date.now()) / 1_000))
      const response = await this.#repeat(`${pathOf(taskId)}/result?wait=${seconds}`, until)
      if (response.status !== 204) return (await response.json()) as TaskResult
      if (Date.now() >= until)
        throw new FlotillaError(
          'TASK_TIMED_OUT',
          `no result of ${taskId} within ${timeoutMs} ms; the task continues`,
        )
    }
  }

  /**
   * HTTP has no acknowledgement: with a group, results in flight when the connection breaks are not sent
   * again.
   */
  results({ group, from = 'latest' }: ResultsOptions = {}): AsyncIterable<TaskResult> & AsyncDisposable {
    const query = new URLSearchParams(group === undefined ? { from } : { from, group })
    return this.#lines<TaskResult>(`/v1/results?${query}`)
  }

  watch(taskId: string, { early = false }: { early?: boolean } = {}): AsyncIterable<TaskUpdate> {
    return this.#updatesAt(`${pathOf(taskId)}/updates${early ? '?early=true' : ''}`)
  }

  async *#updatesAt(path: string): AsyncGenerator<TaskUpdate> {
    for (let isOver = false; !isOver;) {
      try {
        yield* this.#lines<TaskUpdate>(path)
        isOver = true
      } catch (error) {
        // A task may wait for days, for example for a person.
        if (!isCode(error, 'STREAM_SILENT')) throw error
      }
    }
  }

  async cancel(taskId: string, reason?: string): Promise<void> {
    await this.#post(`${pathOf(taskId)}/cancel`, { reason: reason ?? null })
  }

  async approve({ taskId, callId, ...decision }: ApprovalInput): Promise<void> {
    await this.#post(`${pathOf(taskId)}/approvals/${encodeURIComponent(callId)}`, decision)
  }

  async feedback({ taskId, ...feedback }: Feedback): Promise<void> {
    await this.#post(`${pathOf(taskId)}/feedback`, feedback)
  }

  async scoreQuality({ taskId, ...score }: QualityScore): Promise<void> {
    await this.#post(`${pathOf(taskId)}/quality`, score)
  }

  batch(tasks: Iterable<TaskInput>, options: BatchOptions = {}): AsyncIterable<TaskResult> {
    return runBatch(this, tasks, options)
  }

  async close(): Promise<void> {
    this.#stopped.abort()
  }

  async #post<T>(path: string, body: unknown): Promise<T> {
    return (await (await this.#fetch(path, { method: 'POST', body: JSON.stringify(body) })).json()) as T
  }

  /** Repeats while the gateway only asks for a retry, because it is full or still searching. */
  async #repeat(path: string, untilMs = Number.POSITIVE_INFINITY): Promise<Response> {
    for (;;) {
      try {
        return await this.#fetch(path)
      } catch (error) {
        if (!isCode(error, 'SEARCH_UNFINISHED', 'TOO_MANY_STREAMS') || Date.now() >= untilMs) throw error
        await sleep(
          Math.min((error as FlotillaError).retryAfterMs ?? 1_000, Math.max(0, untilMs - Date.now())),
        )
      }
    }
  }

  async #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(this.#url + path, {
      ...withType(init),
      signal: AbortSignal.any([this.#stopped.signal, ...(init.signal ? [init.signal] : [])]),
    }).catch((cause: unknown) => {
      const what = this.#stopped.signal.aborted
        ? 'the client was closed'
        : `no gateway answers at ${this.#url}`
      throw new FlotillaError('GATEWAY_UNAVAILABLE', what, { cause })
    })
    if (response.ok) return response
    throw await refusal(response, this.#url + path)
  }

  /** Newline-delimited JSON. Leaving the loop ends the request. */
  #lines<T>(path: string): AsyncIterable<T> & AsyncDisposable {
    const stop = new AbortController()
    const generator = this.#readLines<T>(path, stop)
    return {
      [Symbol.asyncIterator]: () => generator,
      [Symbol.asyncDispose]: async () => stop.abort(),
    }
  }

  async *#readLines<T>(path: string, stop: AbortController): AsyncGenerator<T> {
    const response = await this.#fetch(path, { signal: stop.signal })
    const decoder = new TextDecoder()
    let rest = ''
    try {
      for await (const chunk of response.body ?? []) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) if (line !== '') yield itemOf<T>(line)
      }
    } finally {
      stop.abort()
    }
  }
}
