// Intake of a lane: from fetched records to events in their queue.
//
// 1. Records of a topic are taken in offset order; a record is taken once (OffsetTracker).
// 2. Taking stops while too much is running, and fetching while too much is buffered. tasks.control is exempt
//    from the first, up to a bound of its own; an interrupt takes effect even while its record must wait, so
//    a cancel passes any backlog.
// 3. A record that can't be decoded goes to dead-letters with its bytes, and so does one that is too large,
//    before anything of it is copied; one away from its home partition is forwarded or skipped.
// 4. One task's control records can't fill the lane: past a bound further ones go to dead-letters.
// 5. A record that anyone may have written is stripped of what can't be trusted (foreign.ts), and ids in it
//    are checked before one becomes a key, even in a record to be forwarded. Of the stages that read such a
//    topic, the one that forwards answers a refused record, or writes its dead letter; the others skip it.
import type { Decoded } from '../../codec/port.ts'
import { failure, FlotillaError, hasCode, toFailure } from '../../errors.ts'
import { homeOf } from '../../log/home.ts'
import { isTaken, LOG_RECORD_BYTES, RECORD_BYTES, recordBytes } from '../../log/limits.ts'
import type { LogRecord, LogTopic, OpenLane, OutgoingRecord } from '../../log/port.ts'
import { isTaskId } from '../../../schemas/identity.ts'
import { headers as names, type TopicName } from '../../../schemas/topics.ts'
import { encodeKey } from '../../keys.ts'
import { plural } from '../../text/quantities.ts'
import type { RecordEvent, StageEvent, Subscription } from '../../stage.ts'
import type { HandlingSpan } from '../../telemetry/instruments.ts'
import { Burial } from './burial.ts'
import type { GroupCommit } from './group-commit.ts'
import { isOpen, mistakesOf, received, submittedIdIn, submittedIdOf } from './foreign.ts'
import { persistently, StageThrew } from './handling.ts'
import type { OffsetTracker } from './offsets.ts'
import type { HostParts } from '../context.ts'
import { RecordBuffer } from './record-buffer.ts'
import { eventIdOf, taskIdOf, toEvent, type Origin } from './event-records.ts'
import { causeOf, type Refusals } from './refusals.ts'

const CONTROL: TopicName = 'tasks.control'

/** Receives the events that are taken. */
export interface EventSink {
  submit(event: StageEvent, record: LogRecord, span: HandlingSpan): void
  /** Stops what this event interrupts, ahead of its turn. */
  interrupt(event: StageEvent): void
  /** Events that run; and all that are taken and not finished. */
  running(): number
  taken(): number
  /** Events that wait for one of this key's family. */
  waitingWith(key: string): number
  /** Whether there is memory for one more of its size. */
  hasRoom(record: LogRecord): boolean
  failed(error: unknown): void
}

export class Intake {
  readonly #parts: HostParts
  readonly #open: OpenLane
  readonly #offsets: OffsetTracker
  readonly #commit: GroupCommit
  readonly #lost: AbortSignal
  readonly #origin: Origin
  readonly #sink: EventSink
  readonly #refusals: Refusals
  readonly #buffers = new Map<LogTopic, RecordBuffer>()
  readonly #burial: Burial
  readonly #subscriptions: ReadonlyMap<LogTopic, Subscription>
  #stopped = false

  constructor(
    parts: HostParts,
    lane: {
      open: OpenLane
      offsets: OffsetTracker
      commit: GroupCommit
      refusals: Refusals
      lost: AbortSignal
      origin: Origin
    },
    sink: EventSink,
  ) {
    this.#parts = parts
    this.#subscriptions = new Map(parts.stage.consumes.map((each) => [each.topic, each]))
    this.#open = lane.open
    this.#offsets = lane.offsets
    this.#commit = lane.commit
    this.#refusals = lane.refusals
    this.#lost = lane.lost
    this.#origin = lane.origin
    this.#sink = sink
    const done = (error?: unknown) => (error === undefined ? this.proceed() : sink.failed(error))
    this.#burial = new Burial(parts, { ...lane, done })
  }

  stop(): void {
    this.#stopped = true
  }

  /** Flushes records held back by `lingerMs`: nothing else will arrive to batch them with. */
  takeLingering(): void {
    for (const buffer of this.#buffers.values()) {
      if (buffer.isLingering) this.#pump(buffer)
      buffer.isLingering = false
    }
  }

  /** Records fetched and not taken yet. */
  get buffered(): number {
    return [...this.#buffers.values()].reduce((sum, { length }) => sum + length, 0)
  }

  /** Something finished: takes the records that have been waiting. */
  proceed(): void {
    for (const buffer of this.#buffers.values())
      if (buffer.length > 0 && !buffer.isLingering) this.#pump(buffer)
  }

  /** Takes over records as they are delivered. */
  receive(records: readonly LogRecord[]): void {
    if (this.#stopped) return
    const grown: RecordBuffer[] = []
    for (const record of records) {
      const buffer = this.#bufferOf(record.topic)
      if (!grown.includes(buffer)) grown.push(buffer)
      buffer.push(record)
    }
    for (const buffer of grown) {
      this.#adjustFetching(buffer)
      this.#pumpSoon(buffer)
    }
  }

  #bufferOf(topic: LogTopic): RecordBuffer {
    let buffer = this.#buffers.get(topic)
    if (!buffer) this.#buffers.set(topic, (buffer = new RecordBuffer(topic)))
    return buffer
  }

  #pumpSoon(buffer: RecordBuffer): void {
    const { lingerMs = 0 } = this.#parts.stage
    if (lingerMs === 0) return this.#pump(buffer)
    if (buffer.isLingering) return
    buffer.isLingering = true
    this.#parts.clock.schedule(lingerMs, () => {
      buffer.isLingering = false
      this.#pump(buffer)
    })
  }

  #adjustFetching(buffer: RecordBuffer): void {
    const { maxBufferedPerTopic, maxBufferedBytesPerTopic } = this.#parts.options
    const share = Math.max(buffer.length / maxBufferedPerTopic, buffer.bytes / maxBufferedBytesPerTopic)
    if (share >= 1 && !buffer.isPaused) {
      buffer.isPaused = true
      this.#open.pause([buffer.topic])
    } else if (share < 0.5 && buffer.isPaused) {
      buffer.isPaused = false
      this.#open.resume([buffer.topic])
    }
  }

  #mayTake(record: LogRecord | undefined): record is LogRecord {
    if (this.#stopped || record === undefined || !this.#offsets.hasRoom(record)) return false
    const { maxPendingPerLane, maxTakenPerLane } = this.#parts.options
    if (this.#sink.taken() + this.#burial.waiting >= maxTakenPerLane) return false
    if (record.topic === CONTROL) return true
    return !this.#isPaused() && this.#sink.running() < maxPendingPerLane && this.#sink.hasRoom(record)
  }

  /** Cancels and decisions are taken nevertheless: a pause must not keep anybody from ending a task. */
  #isPaused(): boolean {
    const { pauses, stage } = this.#parts
    return pauses?.isPaused(stage.name) ?? false
  }

  #pump(buffer: RecordBuffer): void {
    if (buffer.isPumping) return
    buffer.isPumping = true
    this.#takeFrom(buffer, 0)
  }

  /** The records of the buffer before `from` are taken already. */
  #takeFrom(buffer: RecordBuffer, from: number): void {
    let taken = from
    try {
      for (let next = buffer.at(taken); this.#mayTake(next); next = buffer.at(taken)) {
        taken++
        const took = this.#take(next)
        if (took) return void this.#takeAfter(took, buffer, taken)
      }
    } catch (error) {
      this.#sink.failed(error)
    }
    buffer.drop(taken)
    buffer.isPumping = false
    this.#adjustFetching(buffer)
    if (this.#mayTake(buffer.at(0))) this.#pump(buffer)
    else this.#hearInterrupts(buffer)
  }

  async #takeAfter(took: Promise<void>, buffer: RecordBuffer, taken: number): Promise<void> {
    await took.catch((error: unknown) => this.#sink.failed(error))
    this.#takeFrom(buffer, taken)
  }

  /** Applies the interrupts among the records that must wait. */
  #hearInterrupts(buffer: RecordBuffer): void {
    if (this.#stopped || !this.#parts.stage.interrupts) return
    for (const record of buffer.peek()) {
      const event = record.topic === CONTROL ? this.#glance(record) : null
      if (event) this.#sink.interrupt(event)
    }
  }

  /** The event of a record at home that can be read at once. Errors show when it is taken. */
  #glance(found: LogRecord): StageEvent | null {
    if (found.value === null || !isTaken(found)) return null
    try {
      const record = received(found, this.#parts.clock.now())
      const decoded = this.#parts.codec.decode(found.value, record.topic)
      if (!(decoded instanceof Promise)) {
        const event = toEvent(record, decoded, this.#origin)
        const isWrong = mistakesOf(record, event as Decoded).length > 0 || this.#isAway(record, event.key)
        return isWrong ? null : this.#keyed(event)
      }
      decoded.catch(() => {})
    } catch {}
    return null
  }

  #isAway({ topic, partition }: LogRecord, key: string): boolean {
    return isOpen(topic) && homeOf(key, this.#parts.log.partitions) !== partition
  }

  /** The event itself, from now on with the key of its state. */
  #keyed(event: RecordEvent): StageEvent {
    return Object.assign(event, { key: encodeKey(this.#parts.stage.keyOf?.(event) ?? event.key) })
  }

  /** Decodes and queues a record. Synchronous but for a schema or payload that must be fetched first. */
  #take(found: LogRecord): void | Promise<void> {
    if (!this.#offsets.offer(found)) return
    const isFromAnyone = isOpen(found.topic)
    const record = isFromAnyone ? received(found, this.#parts.clock.now()) : found
    const subscription = this.#subscriptions.get(record.topic)
    if (subscription?.accepts && !subscription.accepts(record.headers)) return this.#skip(record)
    if (record.value === null || this.#isForAnother(record)) return this.#skip(record)
    if (isFromAnyone && !isTaken(found)) return this.#tooLarge(record, record.value, recordBytes(found))
    return this.#decode(record, record.value)
  }

  /** A replayed event is handled by the stage that gave it up. Ignored on topics that anyone may write. */
  #isForAnother({ topic, headers }: LogRecord): boolean {
    const only = headers[names.replayFor]
    return only !== undefined && only !== this.#parts.stage.name && !isOpen(topic)
  }

  #decode(record: LogRecord, value: Uint8Array): void | Promise<void> {
    try {
      const decoded = this.#parts.codec.decode(value, record.topic)
      if (decoded instanceof Promise) return this.#decodeLater(record, value, decoded)
      this.#route(record, decoded)
    } catch (error) {
      this.#undecodable(record, error)
    }
  }

  /** `begun` is the first try; later ones ask the registry again. */
  async #decodeLater(record: LogRecord, value: Uint8Array, begun: Promise<Decoded>): Promise<void> {
    let first: Promise<Decoded> | null = begun
    try {
      const decoded = await persistently(this.#parts, this.#lost, async () => {
        const pending = first ?? this.#parts.codec.decode(value, record.topic)
        first = null
        return await pending
      })
      this.#route(record, decoded)
    } catch (error) {
      if (!this.#lost.aborted) this.#undecodable(record, error instanceof StageThrew ? error.cause : error)
    }
  }

  #route(record: LogRecord, decoded: Decoded): void {
    const { stage } = this.#parts
    const probe = toEvent(record, decoded, this.#origin)
    const mistakes = mistakesOf(record, probe as Decoded)
    if (mistakes.length > 0) return this.#refuseNames(record, probe as Decoded, mistakes)
    if (this.#isAway(record, probe.key)) {
      if (stage.forwardsHome) this.#move(record, probe.key)
      else this.#skip(record)
      return
    }
    const subscription = this.#subscriptions.get(record.topic)
    if (subscription?.events && !subscription.events.includes(decoded.type)) return this.#skip(record)
    const ofTask = probe.key
    const event = this.#keyed(probe)
    if (this.#isFlood(record, event)) this.#tooMany(record, event)
    else this.#submit(record, event, ofTask)
  }

  /** On a topic that anyone may write and several stages read, one stage alone answers what is refused. */
  #isAnothersToRefuse({ topic }: LogRecord): boolean {
    return isOpen(topic) && !this.#parts.stage.forwardsHome
  }

  /** Refuses a record in which an id or a name is invalid. */
  #refuseNames(record: LogRecord, { type, data }: Decoded, mistakes: readonly string[]): void {
    if (this.#isAnothersToRefuse(record)) return this.#skip(record)
    const why = mistakes.join('; ')
    const taskId = 'taskId' in data ? data.taskId : null
    if (type === 'TaskSubmitted') return this.#refuse(record, taskId, `The task was not accepted: ${why}.`)
    this.#undecodable(record, new FlotillaError('REQUEST_INVALID', `${type}: ${why}`))
  }

  /** A stage that batches events (`lingerMs`) waits for a store, not for one task: the whole topic waits. */
  #isFlood({ topic }: LogRecord, event: StageEvent): boolean {
    const { stage, options } = this.#parts
    if (topic !== CONTROL || stage.lingerMs) return false
    return this.#sink.waitingWith(event.key) >= options.maxWaitingPerKey && !stage.interrupts?.(event)
  }

  #tooMany(record: LogRecord, { type, key }: StageEvent): void {
    const waiting = this.#parts.options.maxWaitingPerKey
    const message = `${type} of ${key}: ${plural(waiting, 'record')} about this task ${waiting === 1 ? 'waits' : 'wait'} already while it is busy`
    this.#burial.bury(record, failure('TASK_BUSY', message))
  }

  #submit(record: LogRecord, event: StageEvent, taskKey: string): void {
    const { stage, instruments } = this.#parts
    const span = instruments.handling({
      stage: stage.name,
      lane: this.#open.lane,
      topic: record.topic,
      eventId: event.id,
      eventType: event.type,
      key: taskKey,
      traceparent: record.headers[names.traceparent] ?? null,
      atMs: record.timestampMs,
      data: event.data,
    })
    const { traceId, traceparent } = span
    this.#sink.submit(Object.assign(event, { traceId, traceparent }), record, span)
  }

  #skip(record: LogRecord): void {
    this.#offsets.finish(record.topic, record.offset)
    this.#parts.instruments.count('records_skipped', 1, {
      stage: this.#parts.stage.name,
      topic: record.topic,
    })
    this.#commit.skipped()
  }

  /** Writes the record to the home partition of its key, in a transaction of this lane. */
  #move(record: LogRecord, key: string): void {
    const refusal = this.#refusals.of(causeOf(record))
    if (refusal) return this.#burial.bury(record, refusal.reason)
    const { stage, log, instruments } = this.#parts
    const { topic, value, headers } = record
    instruments.count('records_forwarded', 1, { stage: stage.name, topic })
    this.#push(record, [{ topic, partition: homeOf(key, log.partitions), key, value, headers }])
  }

  #push(input: LogRecord, records: OutgoingRecord[]): void {
    const cause = causeOf(input)
    this.#commit.push({ records, rows: [], input, cause, withinMs: 0, committed: () => {} })
  }

  /** Answers a submission with a result: under its own id, at home, or under one from its position. */
  #refuse(record: LogRecord, taskId: string | null, reason: string): void {
    if (isTaskId(taskId) && this.#isAway(record, taskId)) return this.#move(record, taskId)
    const key = isTaskId(taskId) ? taskId : taskIdOf(record, this.#origin)
    const meta = {
      id: eventIdOf(record, this.#origin),
      key,
      lane: record.partition,
      atMs: record.timestampMs,
      traceId: null,
    }
    const refused = failure('TASK_INVALID', reason)
    this.#submit(record, { type: 'SubmissionRefused', data: { failure: refused }, ...meta }, key)
  }

  #undecodable(record: LogRecord, error: unknown): void {
    if (this.#isAnothersToRefuse(record)) return this.#skip(record)
    const isRefusal = hasCode(error, 'TASK_INVALID')
    if (isRefusal && this.#parts.stage.forwardsHome)
      return this.#refuse(record, submittedIdIn(error), error.message)
    const cause = toFailure(error, 'UNDECODABLE_RECORD')
    this.#burial.bury(
      record,
      error instanceof FlotillaError ? cause : failure('UNDECODABLE_RECORD', cause.message),
    )
  }

  /** Answers a submission at home that names its task with a result; anything else goes to dead-letters. */
  #tooLarge(record: LogRecord, value: Uint8Array, bytes: number): void {
    if (this.#isAnothersToRefuse(record)) return this.#skip(record)
    const message = `a record of ${bytes} bytes with key and headers on ${record.topic}: at most ${RECORD_BYTES} are taken`
    const taskId = bytes <= LOG_RECORD_BYTES ? submittedIdOf(this.#parts.codec, value, record.topic) : null
    if (!isTaskId(taskId) || this.#isAway(record, taskId))
      return this.#burial.bury(record, failure('RECORD_TOO_LARGE', message))
    this.#refuse(record, taskId, message)
  }
}
