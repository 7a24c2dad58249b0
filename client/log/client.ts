// A client on the log itself: over Kafka, or inside the process that runs an embedded fleet.
//
// 1. `submit` resolves when the record is durable. The task id is the key, so a repeated submission runs once. What no
//    stage would take is refused with RECORD_TOO_LARGE.
// 2. Waiting for a result subscribes before it searches the log, so that no result is missed between the two.
// 3. Records that others wrote to these topics by mistake are skipped: they went to dead-letters, and are
//    not results.
import { randomUUID } from 'node:crypto'
import { resolve, storeRecording } from '../../runtime/codec/claim-check.ts'
import type { Codec } from '../../runtime/codec/port.ts'
import { readable, unlessUndecodable } from '../../runtime/codec/skip.ts'
import { FlotillaError, isFinal } from '../../runtime/errors.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { bounded } from '../../runtime/log/limits.ts'
import type { Log, LogRecord, Tail } from '../../runtime/log/port.ts'
import type { BlobStore } from '../../runtime/store/port.ts'
import { quietInstruments, type Instruments } from '../../runtime/telemetry/instruments.ts'
import type { EventMap, EventType, TaskCompleted } from '../../schemas/generated/events.ts'
import { identityMistakes } from '../../schemas/identity.ts'
import { headers as names, type TopicName } from '../../schemas/topics.ts'
import { runBatch } from '../batch.ts'
import { FanOut } from '../fan-out.ts'
import { decidedData, type VerifiedDecision } from './decisions.ts'
import { Following, Items, offsetBefore, positioned, type Followed } from './follow.ts'
import { isResult, searchResult, searchWhole } from './result-search.ts'
import { findSubmission, searchSubmission, type Submission } from './submission-search.ts'
import type { Positioned, Positions } from '../positions.ts'
import { TaskEvents, type EventStream } from './task-events.ts'
import { timeLimit } from './time-limit.ts'
import { assertTaskId, toResult } from '../result.ts'
import { toSubmission } from '../submission.ts'
import { newTaskId } from './task-ids.ts'
import { Stream } from '../stream.ts'
import type {
  Client,
  Feedback,
  BatchOptions,
  EventsOptions,
  QualityScore,
  ResultsOptions,
  TaskInput,
  TaskResult,
  TaskUpdate,
} from '../types.ts'
import { keepNewest } from '../../runtime/keep-newest.ts'

export interface LogClientParts {
  readonly log: Log
  readonly codec: Codec
  /** Absent: results that were too large for the log arrive as references. */
  readonly blobs?: BlobStore
  readonly instruments?: Instruments
  /** Name in traces. Default client. */
  readonly name?: string
  /**
   * True: `find` may reject with SEARCH_UNFINISHED, so that a client can't make a server read without end.
   */
  readonly boundedSearch?: boolean
  /** Asked before a submission that names its id; a rejection refuses it. */
  readonly checkId?: (taskId: string, text: string) => Promise<unknown>
}

/** Results kept after they were read, so that asking again costs nothing. */
const REMEMBERED = 500
const MAX_EXPECTED = 100_000

type Waiter = (record: LogRecord) => void

export class LogClient implements Client {
  readonly #parts: LogClientParts
  readonly #instruments: Instruments
  readonly #waiters = new Map<string, Set<Waiter>>()
  readonly #recent = new Map<string, LogRecord>()
  readonly #tails = new Set<Tail>()
  readonly #expected = new Set<string>()
  readonly #updates: FanOut<Positioned<TaskUpdate>>
  readonly #live: FanOut<Positioned<TaskResult>>
  /** Streams of events, for gateways. */
  readonly taskEvents: TaskEvents
  #listening: Promise<void> | null = null

  constructor(parts: LogClientParts) {
    this.#parts = parts
    this.#instruments = parts.instruments ?? quietInstruments
    const { log } = parts
    this.taskEvents = new TaskEvents(parts, this)
    this.#updates = new FanOut({
      tail: (handler) =>
        log.tail(
          { topics: ['tasks.history', 'tasks.streaming', 'tasks.completed'], from: 'latest' },
          handler,
        ),
      nameOf: ({ key }) => key ?? '',
      translate: async (record) => positioned(await this.#toUpdate(record), record, 'tasks.history'),
      isLast: ({ item }) => item.kind === 'result',
      // What has no position is a sign of life; the history has all that counts.
      isBestEffort: ({ item, position }) => position === null && item.kind !== 'result',
    })
    this.#live = new FanOut({
      tail: (handler) => log.tail({ topics: ['tasks.completed'], from: 'latest' }, handler),
      nameOf: () => '',
      translate: async (record) => positioned(await this.#toResult(record), record, 'tasks.completed'),
      isLast: () => false,
      isBestEffort: () => false,
    })
  }

  async submit(task: TaskInput): Promise<{ taskId: string }> {
    // Ids in order of time: rows that stores keep by task id are then close together, and grow at one end.
    const taskId = task.taskId ?? newTaskId(task.sessionId, this.#parts.log.partitions)
    if (task.taskId === undefined && this.#listening) await this.#expect(taskId)
    const submission = toSubmission(task, taskId)
    if (task.taskId !== undefined) await this.#parts.checkId?.(taskId, task.text)
    const { blobs } = this.#parts
    const stored = blobs ? await storeRecording(submission, blobs) : submission
    await this.#publish('tasks.submitted', 'TaskSubmitted', stored, taskId)
    return { taskId }
  }

  async cancel(taskId: string, reason?: string): Promise<void> {
    const data = { taskId, reason: reason ?? null, requestedBy: null }
    await this.#say('TaskCancelled', data)
  }

  /** Who decides is believed: a gateway verifies it first. */
  async approve(given: VerifiedDecision): Promise<void> {
    await this.#say('ApprovalDecided', decidedData(given))
  }

  async feedback({ taskId, satisfaction, comment, userId }: Feedback): Promise<void> {
    if (!(satisfaction >= 0 && satisfaction <= 1))
      throw new FlotillaError('REQUEST_INVALID', 'satisfaction must be a number from 0 to 1')
    const data = { taskId, satisfaction, comment: comment ?? null, userId: userId ?? null }
    await this.#say('FeedbackGiven', data)
  }

  async scoreQuality({ taskId, quality, scorer }: QualityScore): Promise<void> {
    if (!(quality >= 0 && quality <= 1))
      throw new FlotillaError('REQUEST_INVALID', 'quality must be a number from 0 to 1')
    const data = { taskId, quality, scorer: scorer ?? null }
    await this.#say('QualityScored', data)
  }

  /** Publishes an event of a submitted task. Throws REQUEST_INVALID with every name that can't be one; TASK_INVALID for the id. */
  async #say<T extends EventType>(type: T, data: EventMap[T] & { taskId: string }): Promise<void> {
    assertTaskId(data.taskId)
    const mistakes = identityMistakes(type, data)
    if (mistakes.length > 0) throw new FlotillaError('REQUEST_INVALID', mistakes.join('; '))
    await this.#publish('tasks.control', type, data, data.taskId)
  }

  async #publish<T extends EventType>(
    topic: TopicName,
    type: T,
    data: EventMap[T],
    key: string,
  ): Promise<void> {
    const { log, codec, name = 'client' } = this.#parts
    const eventId = randomUUID().replaceAll('-', '')
    const span = this.#instruments.sending({
      service: name,
      topic,
      eventId,
      eventType: type,
      key,
      traceparent: null,
    })
    const headers: Record<string, string> = { [names.eventId]: eventId, [names.schema]: type }
    if (span.traceparent !== null) headers[names.traceparent] = span.traceparent
    try {
      const value = codec.encode(type, data, topic)
      const partition = homeOf(key, log.partitions)
      await log.publish([bounded({ topic, partition, key, value, headers }, type)])
      span.end()
    } catch (error) {
      span.end(error as Error)
      throw error
    }
  }

  async find(taskId: string): Promise<TaskResult | null> {
    assertTaskId(taskId)
    const { log, boundedSearch = false } = this.#parts
    const search = boundedSearch ? searchResult : searchWhole
    const record = this.#recent.get(taskId) ?? (this.#expected.has(taskId) ? null : await search(log, taskId))
    return record ? this.#decode(record) : null
  }

  /** The submission of this id, and when it was; null if the log no longer has it. */
  async submission(taskId: string): Promise<Submission | null> {
    assertTaskId(taskId)
    return searchSubmission(this.#parts, taskId)
  }

  /** Whether the log has a submission of this id. Rejects with SEARCH_UNFINISHED if that can't be decided yet. */
  async isSubmitted(taskId: string): Promise<boolean> {
    return (await findSubmission(this.#parts.log, taskId)) !== null
  }

  /** Rejects with `signal`'s reason when it aborts. */
  async result(
    taskId: string,
    { timeoutMs, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<TaskResult> {
    assertTaskId(taskId)
    const waiting = this.#waitFor(taskId)
    const limit = timeLimit(taskId, timeoutMs, signal)
    const look = async () => {
      await this.#listen()
      const found = this.#expected.has(taskId) ? null : await this.#search(taskId, limit.isOver)
      return found ?? (await this.#decode(await waiting.record))
    }
    try {
      return await Promise.race([look(), limit.passed])
    } finally {
      limit.cancel()
      waiting.stop()
    }
  }

  /** A caller that waits may wait for the search too. */
  async #search(taskId: string, isOver: () => boolean): Promise<TaskResult | null> {
    const record = this.#recent.get(taskId) ?? (await searchWhole(this.#parts.log, taskId, isOver))
    return record ? this.#decode(record) : null
  }

  /** For a new id, if we listen already: its result can only arrive from now on, and needs no search. */
  async #expect(taskId: string): Promise<void> {
    await this.#listening
    this.#expected.add(taskId)
    keepNewest(this.#expected, MAX_EXPECTED)
  }

  #waitFor(taskId: string): { record: Promise<LogRecord>; stop: () => void } {
    const waiters = this.#waiters.get(taskId) ?? new Set()
    this.#waiters.set(taskId, waiters)
    let waiter: Waiter = () => {}
    const record = new Promise<LogRecord>((resolveRecord) => (waiter = resolveRecord))
    waiters.add(waiter)
    const stop = () => {
      waiters.delete(waiter)
      if (waiters.size === 0) this.#waiters.delete(taskId)
    }
    return { record, stop }
  }

  #listen(): Promise<void> {
    this.#listening ??= this.#tail(['tasks.completed'], (record) => this.#onCompleted(record)).ready
    return this.#listening
  }

  #onCompleted(record: LogRecord): void {
    if (record.key === null || !isResult(record)) return
    this.#expected.delete(record.key)
    this.#recent.set(record.key, record)
    keepNewest(this.#recent, REMEMBERED)
    for (const waiter of this.#waiters.get(record.key) ?? []) waiter(record)
  }

  #tail(topics: readonly TopicName[], each: (record: LogRecord) => void): Tail {
    const tail = this.#parts.log.tail({ topics, from: 'latest' }, (records) => records.forEach(each))
    this.#tails.add(tail)
    return tail
  }

  async #decode(record: LogRecord): Promise<TaskResult> {
    const { codec, blobs } = this.#parts
    const decoded = await codec.decode(record.value ?? new Uint8Array(), record.topic)
    if (decoded.type !== 'TaskCompleted')
      throw new FlotillaError('UNDECODABLE_RECORD', `${decoded.type} on ${record.topic}`)
    const data = blobs ? await resolve(decoded.type, decoded.data, blobs) : decoded.data
    return toResult(data as TaskCompleted)
  }

  results(options: ResultsOptions = {}): Items<TaskResult> {
    return new Items(this.positionedResults(options))
  }

  /** As `results`, each with its position. */
  positionedResults({ group, from = 'latest' }: ResultsOptions = {}): Stream<Positioned<TaskResult>> {
    const stream: Stream<Positioned<TaskResult>> = new Stream(async () => {
      this.#tails.delete(tail)
      await tail.close()
    })
    const onRefused = (error: Error) => stream.end(error)
    const options = {
      topics: ['tasks.completed'] as const,
      from,
      ...(group === undefined ? {} : { group, onRefused }),
    }
    const give = async (record: LogRecord) => {
      const result = positioned(await this.#toResult(record), record, 'tasks.completed')
      if (result === null) return
      if (group === undefined) return stream.push(result)
      // The group's position must not pass a result that its reader has not processed.
      if (!(await stream.hand(result))) throw new Error('the reader left before it asked for more')
    }
    // A blob that is unavailable is retried; one that will never come must not block the reader silently.
    const refuse = (error: unknown): never => {
      if (isFinal(error)) stream.end(error)
      throw error
    }
    const tail = this.#parts.log.tail(options, async (records) => {
      for (const record of records) await give(record).catch(refuse)
    })
    this.#tails.add(tail)
    return stream
  }

  /**
   * Results after these positions, or from now on, from a tail that all such readers share. Ends with
   * READER_TOO_SLOW.
   */
  liveResults(after: Positions = new Map()): Following<TaskResult> {
    const translate = (record: LogRecord) => this.#toResult(record)
    return this.#following('tasks.completed', this.#live.follow(''), after, translate)
  }

  /** Where `liveResults` has to begin to miss nothing that is written from now on. */
  async resultPositions(where: 'earliest' | 'latest' = 'latest'): Promise<Positions> {
    const ranges = await this.#parts.log.ranges(['tasks.completed'])
    return new Map(ranges.map(({ partition, ...range }) => [partition, offsetBefore(range, where)]))
  }

  watch(taskId: string): Items<TaskUpdate> {
    return new Items(this.positionedUpdates(taskId))
  }

  /**
   * As `watch`, with the positions of what is in the history; `after` begins behind one of them. Ends with
   * READER_TOO_SLOW when the reader takes updates more slowly than they come.
   */
  positionedUpdates(taskId: string, after: Positions = new Map()): Following<TaskUpdate> {
    assertTaskId(taskId)
    const live = this.#updates.follow(taskId)
    const { stream, ready } = live
    const finish = async () => {
      await ready
      const found = await this.#search(taskId, () => stream.isEnded)
      if (!found) return
      await stream.push({ item: { kind: 'result', result: found }, position: null })
      stream.end()
    }
    finish().catch((error: unknown) => stream.end(error))
    const translate = async (record: LogRecord) => (record.key === taskId ? this.#toUpdate(record) : null)
    return this.#following('tasks.history', live, after, translate)
  }

  /** Where `positionedUpdates` has to begin to miss nothing that is written from now on. */
  async updatePositions(taskId: string): Promise<Positions> {
    assertTaskId(taskId)
    const { log } = this.#parts
    const home = homeOf(taskId, log.partitions)
    const ranges = await log.ranges(['tasks.history'], { partitions: [home] })
    return new Map(ranges.map((range) => [home, offsetBefore(range, 'latest')]))
  }

  #following<T>(
    topic: TopicName,
    live: Followed<T>['live'],
    after: Positions,
    translate: Followed<T>['translate'],
  ): Following<T> {
    return new Following({ log: this.#parts.log, topic, live, after, translate })
  }

  /** Null for records that others wrote to the topic by mistake: they went to dead-letters. */
  async #toResult(record: LogRecord): Promise<TaskResult | null> {
    if (!isResult(record)) return null
    return unlessUndecodable(record, () => this.#decode(record))
  }

  async #toUpdate(record: LogRecord): Promise<TaskUpdate | null> {
    if (record.topic === 'tasks.completed') {
      const result = await this.#toResult(record)
      return result && { kind: 'result', result }
    }
    const { codec } = this.#parts
    const decoded = await readable(codec, record)
    if (decoded?.type === 'TaskProgressed') return { kind: 'progress', event: decoded.data }
    return decoded?.type === 'TokensStreamed' ? { kind: 'text', ...decoded.data } : null
  }

  events(taskId: string, { after }: EventsOptions = {}): EventStream {
    assertTaskId(taskId)
    return this.taskEvents.ofTask(taskId, { after })
  }

  batch(tasks: Iterable<TaskInput>, options: BatchOptions = {}): AsyncIterable<TaskResult> {
    return runBatch(this, tasks, options)
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#tails, this.#updates, this.#live, this.taskEvents].map((open) => open.close()),
    )
    this.#tails.clear()
  }
}
