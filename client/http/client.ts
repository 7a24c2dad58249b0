// A client over a gateway's HTTP API: for embedded fleets, and for programs without Kafka.
//
// Streams and waits go on by themselves when the connection breaks: behind what was read, if the gateway gave
// positions (updates, and results without a group).
import { setTimeout as sleep } from 'node:timers/promises'
import { initOf, pathOf, type Asked } from '../../api/request.ts'
import type { AnswerOf, BodyOf, Route } from '../../api/route.ts'
import { tasks as routes } from '../../api/tasks.ts'
import { FlotillaError, hasCode } from '../../runtime/errors.ts'
import { exactTime } from '../../runtime/text/quantities.ts'
import { runBatch } from '../batch.ts'
import { formatPositions, parsePositions, POSITIONS_HEADER, type Positions } from '../positions.ts'
import { assertTaskId } from '../result.ts'
import type {
  ApprovalInput,
  BatchOptions,
  Client,
  EventsOptions,
  FeedQuery,
  Feedback,
  QualityScore,
  ResultsOptions,
  StreamedEvent,
  TaskInput,
  TaskResult,
  TaskUpdate,
} from '../types.ts'

import { eventsFrom } from './events.ts'
import { itemsOf, openLines, type Connection } from './lines.ts'
import { Reconnect, type ReconnectOptions } from './reconnect.ts'
import { askJson, authorization, withoutSlash } from './requests.ts'

/** Parameters of a route below a task. Throws TASK_INVALID if no task can have this id. */
function paramsOf(taskId: string): { id: string } {
  assertTaskId(taskId)
  return { id: taskId }
}

/** How long one request waits for a result before the next one is sent. */
const WAIT_SECONDS = 25
/** Eight heartbeats of a gateway, by default. */
const QUIET_MS = 120_000

export interface HttpClientOptions extends ReconnectOptions {
  /** A stream that shows nothing, not even a heartbeat, for this long is opened again. Default 120,000 ms. */
  quietMs?: number
  /** A key of the fleet, or a token that it accepts. Needed unless its API is open. */
  apiKey?: string | undefined
}

const isRetryAsked = (error: unknown): error is FlotillaError =>
  hasCode(error, 'SEARCH_UNFINISHED', 'TOO_MANY_STREAMS')

export class HttpClient implements Client {
  readonly #url: string
  readonly #options: HttpClientOptions
  readonly #stopped = new AbortController()
  #hasAnswered = false

  /** `url`: the gateway's base URL, such as http://127.0.0.1:8000. */
  constructor(url: string, options: HttpClientOptions = {}) {
    this.#url = withoutSlash(url)
    this.#options = options
  }

  submit(task: TaskInput): Promise<{ taskId: string }> {
    return this.#send(routes.submit, { body: task }) as Promise<{ taskId: string }>
  }

  async find(taskId: string): Promise<TaskResult | null> {
    return this.#repeat(taskId, {}).catch((error: unknown) => {
      if (hasCode(error, 'TASK_UNKNOWN')) return null
      throw error
    })
  }

  async result(taskId: string, { timeoutMs }: { timeoutMs?: number } = {}): Promise<TaskResult> {
    const until = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs
    const reconnect = new Reconnect(this.#options, this.#hasAnswered)
    for (;;) {
      const seconds = Math.min(WAIT_SECONDS, Math.max(0, (until - Date.now()) / 1_000))
      const result = await this.#repeat(taskId, { wait: seconds }, until).then(
        (found) => {
          reconnect.connected()
          return found
        },
        (error: unknown) => reconnect.pause(error, this.#stopped.signal).then(() => null),
      )
      if (result !== null) return result
      if (Date.now() >= until)
        throw new FlotillaError(
          'TASK_TIMED_OUT',
          `no result of ${taskId} within ${exactTime(timeoutMs ?? 0)}; the task continues`,
        )
    }
  }

  /**
   * HTTP has no acknowledgement: with a group, results in flight when the connection breaks are not sent
   * again.
   */
  results({ group, from = 'latest' }: ResultsOptions = {}): AsyncIterable<TaskResult> & AsyncDisposable {
    const path = (after: string | undefined) => pathOf(routes.results, { query: { from, group, after } })
    return this.#follow(linesFrom<TaskResult>(path), () => false)
  }

  watch(taskId: string, { early = false }: { early?: boolean } = {}): AsyncIterable<TaskUpdate> {
    const params = paramsOf(taskId)
    const path = (after: string | undefined) =>
      pathOf(routes.updates, { params, query: { early: early || undefined, after } })
    return this.#follow(linesFrom<TaskUpdate>(path), (last) => last?.kind === 'result')
  }

  events(
    taskId: string,
    { after, early = false }: EventsOptions = {},
  ): AsyncIterable<StreamedEvent> & AsyncDisposable {
    assertTaskId(taskId)
    const query = new URLSearchParams(early ? { early: 'true' } : {})
    const stream = eventsFrom(`/v1/tasks/${encodeURIComponent(taskId)}/events`, query, after)
    return this.#follow(stream.connect, (last) => stream.isOver() || last?.type === 'result')
  }

  /**
   * Events of all tasks that the caller may see, without streamed text and results; from now on, or behind the
   * event with the id `after`.
   */
  feed({ after, ...filter }: FeedQuery = {}): AsyncIterable<StreamedEvent> & AsyncDisposable {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(filter)) if (value !== undefined) query.set(name, value)
    return this.#follow(eventsFrom('/v1/events', query, after).connect, () => false)
  }

  async cancel(taskId: string, reason?: string): Promise<void> {
    const body = reason === undefined ? {} : { reason }
    await this.#send(routes.cancel, { params: paramsOf(taskId), body })
  }

  async approve({ taskId, callId, ...body }: ApprovalInput): Promise<void> {
    await this.#send(routes.approve, { params: { ...paramsOf(taskId), callId }, body })
  }

  async feedback({ taskId, ...body }: Feedback): Promise<void> {
    await this.#send(routes.feedback, { params: paramsOf(taskId), body })
  }

  async scoreQuality({ taskId, ...body }: QualityScore): Promise<void> {
    await this.#send(routes.quality, { params: paramsOf(taskId), body })
  }

  /** A new task that shares the recorded beginning of another one. */
  fork(taskId: string, options: BodyOf<typeof routes.fork> = {}): Promise<AnswerOf<typeof routes.fork>> {
    return this.#send(routes.fork, { params: paramsOf(taskId), body: options })
  }

  /** Whether the stages would decide an ended task the same again. */
  replay(taskId: string): Promise<AnswerOf<typeof routes.replay>> {
    return this.#send(routes.replay, { params: paramsOf(taskId) })
  }

  /** Two ended tasks side by side. */
  compare(taskId: string, other: string): Promise<AnswerOf<typeof routes.compare>> {
    return this.#send(routes.compare, { params: { ...paramsOf(taskId), other } })
  }

  batch(tasks: Iterable<TaskInput>, options: BatchOptions = {}): AsyncIterable<TaskResult> {
    return runBatch(this, tasks, options)
  }

  async close(): Promise<void> {
    this.#stopped.abort()
  }

  async #send<R extends Route>(route: R, asked: Asked<R>): Promise<AnswerOf<R>> {
    return (await this.#ask<AnswerOf<R>>(pathOf(route, asked), initOf(route, asked))) as AnswerOf<R>
  }

  /** Repeats while the gateway only asks for a retry, because it is full or still searching. */
  async #repeat(
    taskId: string,
    query: { wait?: number },
    untilMs = Number.POSITIVE_INFINITY,
  ): Promise<TaskResult | null> {
    const path = pathOf(routes.result, { params: paramsOf(taskId), query })
    for (;;) {
      try {
        return await this.#ask<TaskResult>(path)
      } catch (error) {
        if (!isRetryAsked(error) || Date.now() >= untilMs) throw error
        await sleep(Math.min(error.retryAfterMs ?? 1_000, Math.max(0, untilMs - Date.now())))
      }
    }
  }

  async #ask<T>(path: string, init: RequestInit = {}): Promise<T | null> {
    const { signal } = this.#stopped
    try {
      const headers = authorization(this.#options.apiKey)
      const answer = await askJson<T>(this.#url, path, { headers, ...init, signal })
      this.#hasAnswered = true
      return answer
    } catch (error) {
      if (!signal.aborted) throw error
      throw new FlotillaError('GATEWAY_UNAVAILABLE', 'the client was closed', { cause: error })
    }
  }

  /** Leaving the loop ends the request. `isOver`: nothing comes after what came. */
  #follow<T extends object>(
    connect: (connection: Connection) => AsyncGenerator<T>,
    isOver: (last: T | null) => boolean,
  ): AsyncIterable<T> & AsyncDisposable {
    const stop = new AbortController()
    const generator = this.#items(connect, isOver, stop)
    return {
      [Symbol.asyncIterator]: () => generator,
      [Symbol.asyncDispose]: async () => stop.abort(),
    }
  }

  async *#items<T extends object>(
    connect: (connection: Connection) => AsyncGenerator<T>,
    isOver: (last: T | null) => boolean,
    stop: AbortController,
  ): AsyncGenerator<T> {
    const signal = AbortSignal.any([this.#stopped.signal, stop.signal])
    const reconnect = new Reconnect(this.#options, this.#hasAnswered)
    const { quietMs = QUIET_MS, apiKey } = this.#options
    const connection = { gateway: this.#url, quietMs, apiKey, signal, connected: () => reconnect.connected() }
    try {
      while (!signal.aborted)
        try {
          for await (const item of connect(connection)) {
            yield item
            if (isOver(item)) return
          }
          if (isOver(null)) return
          // A gateway that stops ends its streams, and one that saw no update of the task for long.
          await reconnect.pause(
            new FlotillaError('GATEWAY_UNAVAILABLE', `${this.#url} ended the stream`),
            signal,
          )
        } catch (error) {
          if (signal.aborted) return
          await reconnect.pause(error, signal)
        }
    } finally {
      stop.abort()
    }
  }
}

/** The lines of one connection after another, each behind those before it. */
function linesFrom<T extends object>(path: PathAfter) {
  const positions = new Map<number, number>()
  return async function* ({ gateway, connected, ...options }: Connection): AsyncGenerator<T> {
    const after = positions.size > 0 ? formatPositions(positions) : undefined
    const response = await openLines(gateway, path(after), options)
    const { quietMs } = options
    connected()
    const begun = parsePositions(String(response.headers[POSITIONS_HEADER] ?? ''))
    if (positions.size === 0) move(positions, begun)
    for await (const line of itemsOf(response, gateway, quietMs)) {
      const { position, ...item } = line as T & { position?: string }
      yield item as unknown as T
      if (position !== undefined) move(positions, parsePositions(position))
    }
  }
}

/** The path of a stream that begins behind these positions. */
type PathAfter = (after: string | undefined) => string

function move(positions: Map<number, number>, to: Positions | null): void {
  for (const [partition, offset] of to ?? []) positions.set(partition, offset)
}
