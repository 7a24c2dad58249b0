// The entrance of a lane: from fetched records to events in their queue.
//
// 1. Records of a topic are taken in offset order; a record is taken once (OffsetTracker).
// 2. Taking stops while too much is pending, and fetching while too much is buffered; never for tasks.control: a
//    cancel must pass a backlog.
// 3. What can't be decoded goes to dead-letters with its bytes; what lies away from home is forwarded or skipped.
import { resolve } from '../codec/claim-check.ts'
import type { Decoded } from '../codec/port.ts'
import { failure, FlotillaError, toFailure } from '../errors.ts'
import { homeOf } from '../log/home.ts'
import type { LogRecord, LogTopic, OpenLane } from '../log/port.ts'
import { headers as names, type TopicName } from '../../schemas/topics.ts'
import type { Failure, StageEvent } from '../stage.ts'
import type { HandlingSpan } from '../telemetry/instruments.ts'
import type { GroupCommit } from './group-commit.ts'
import { deadLetter, persistently, StageThrew } from './handling.ts'
import { recordId } from './ids.ts'
import type { OffsetTracker } from './offsets.ts'
import type { HostParts } from './parts.ts'
import { eventIdOf, toEvent, toRecord } from './records.ts'

/** Topics that anyone may write, so records may lie away from home. */
const OPEN_TOPICS: readonly TopicName[] = ['tasks.submitted', 'tasks.control']
const UNPAUSED: TopicName = 'tasks.control'

/** Where taken events go. */
export interface EventSink {
  submit(event: StageEvent, record: LogRecord, span: HandlingSpan): void
  /** Events taken and not finished. */
  pending(): number
  failed(error: unknown): void
}

export class Intake {
  private readonly parts: HostParts
  private readonly open: OpenLane
  private readonly offsets: OffsetTracker
  private readonly commit: GroupCommit
  private readonly lost: AbortSignal
  private readonly sink: EventSink
  private readonly buffers = new Map<LogTopic, LogRecord[]>()
  private readonly pumping = new Set<LogTopic>()
  private readonly lingering = new Set<LogTopic>()
  private readonly paused = new Set<LogTopic>()
  private stopped = false

  constructor(
    parts: HostParts,
    lane: { open: OpenLane; offsets: OffsetTracker; commit: GroupCommit; lost: AbortSignal },
    sink: EventSink,
  ) {
    this.parts = parts
    this.open = lane.open
    this.offsets = lane.offsets
    this.commit = lane.commit
    this.lost = lane.lost
    this.sink = sink
  }

  stop(): void {
    this.stopped = true
  }

  /** Takes what was held back for company: none will come. */
  takeLingering(): void {
    for (const topic of this.lingering) void this.pump(topic)
    this.lingering.clear()
  }

  /** Something finished: takes what has been waiting. */
  proceed(): void {
    for (const [topic, buffer] of this.buffers)
      if (buffer.length > 0 && !this.lingering.has(topic)) void this.pump(topic)
  }

  /** Takes over records as they are delivered. */
  receive(records: readonly LogRecord[]): void {
    if (this.stopped) return
    const topics = new Set<LogTopic>()
    for (const record of records) {
      topics.add(record.topic)
      const buffer = this.buffers.get(record.topic)
      if (buffer) buffer.push(record)
      else this.buffers.set(record.topic, [record])
    }
    for (const topic of topics) {
      this.adjustFetching(topic)
      this.pumpSoon(topic)
    }
  }

  private pumpSoon(topic: LogTopic): void {
    const { lingerMs = 0 } = this.parts.stage
    if (lingerMs === 0) return void this.pump(topic)
    if (this.lingering.has(topic)) return
    this.lingering.add(topic)
    this.parts.clock.schedule(lingerMs, () => {
      this.lingering.delete(topic)
      void this.pump(topic)
    })
  }

  private adjustFetching(topic: LogTopic): void {
    if (topic === UNPAUSED) return
    const length = this.buffers.get(topic)?.length ?? 0
    const limit = this.parts.options.maxBufferedPerTopic
    if (length >= limit && !this.paused.has(topic)) {
      this.paused.add(topic)
      this.open.pause([topic])
    } else if (length < limit / 2 && this.paused.delete(topic)) this.open.resume([topic])
  }

  private mayTake(topic: LogTopic): boolean {
    if (this.stopped) return false
    return topic === UNPAUSED || this.sink.pending() < this.parts.options.maxPendingPerLane
  }

  private async pump(topic: LogTopic): Promise<void> {
    const buffer = this.buffers.get(topic)
    if (!buffer || this.pumping.has(topic)) return
    this.pumping.add(topic)
    let taken = 0
    try {
      while (taken < buffer.length && this.mayTake(topic)) {
        const took = this.take(buffer[taken++] as LogRecord)
        if (took) await took
      }
    } catch (error) {
      this.sink.failed(error)
    } finally {
      buffer.splice(0, taken)
      this.pumping.delete(topic)
    }
    this.adjustFetching(topic)
    if (buffer.length > 0 && this.mayTake(topic)) void this.pump(topic)
  }

  /** Decodes and queues a record. Synchronous but for a schema or payload that must be fetched first. */
  private take(record: LogRecord): void | Promise<void> {
    if (!this.offsets.offer(record)) return
    const subscription = this.parts.stage.consumes.find(({ topic }) => topic === record.topic)
    if (subscription?.accepts && !subscription.accepts(record.headers)) return this.skip(record)
    if (record.value === null || this.isForAnother(record)) return this.skip(record)
    return this.decode(record, record.value)
  }

  /** A replayed event is handled by the stage that gave it up. Not heeded where anyone may write. */
  private isForAnother({ topic, headers }: LogRecord): boolean {
    const only = headers[names.replayFor]
    return only !== undefined && only !== this.parts.stage.name && !OPEN_TOPICS.includes(topic)
  }

  private decode(record: LogRecord, value: Uint8Array): void | Promise<void> {
    try {
      const decoded = this.parts.codec.decode(value, record.topic)
      if (decoded instanceof Promise) return this.decodeLater(record, value, decoded)
      const whole = resolve(decoded.type, decoded.data, this.parts.blobs)
      if (whole instanceof Promise) return this.decodeLater(record, value, decoded)
      this.route(record, { type: decoded.type, data: whole } as Decoded)
    } catch (error) {
      this.undecodable(record, error)
    }
  }

  /** `begun` is the first try; later ones ask the registry and the blob store again. */
  private async decodeLater(
    record: LogRecord,
    value: Uint8Array,
    begun: Decoded | Promise<Decoded>,
  ): Promise<void> {
    let first: Decoded | Promise<Decoded> | null = begun
    try {
      const decoded = await persistently(this.parts, this.lost, async () => {
        const pending = first ?? this.parts.codec.decode(value, record.topic)
        first = null
        const { type, data } = await pending
        return { type, data: await resolve(type, data, this.parts.blobs) } as Decoded
      })
      this.route(record, decoded)
    } catch (error) {
      if (!this.lost.aborted) this.undecodable(record, error instanceof StageThrew ? error.cause : error)
    }
  }

  private route(record: LogRecord, decoded: Decoded): void {
    const { stage, log } = this.parts
    const probe = toEvent(record, decoded, null)
    const isOpen = OPEN_TOPICS.includes(record.topic)
    if (isOpen && homeOf(probe.key, log.partitions) !== record.partition) {
      if (stage.forwardsHome) this.forward(record, probe, decoded)
      else this.skip(record)
      return
    }
    this.submit(record, { ...probe, key: stage.keyOf?.(probe) ?? probe.key }, probe.key)
  }

  private submit(record: LogRecord, event: StageEvent, taskKey: string): void {
    const { stage, instruments } = this.parts
    const span = instruments.handling({
      stage: stage.name,
      lane: this.open.lane,
      topic: record.topic,
      eventId: event.id,
      eventType: event.type,
      key: taskKey,
      traceparent: record.headers[names.traceparent] ?? null,
      atMs: record.timestampMs,
    })
    const { traceId, traceparent } = span
    this.sink.submit({ ...event, traceId, traceparent }, record, span)
  }

  private skip(record: LogRecord): void {
    this.offsets.finish(record.topic, record.offset)
    this.parts.instruments.count('records_skipped', 1, { stage: this.parts.stage.name, topic: record.topic })
    this.commit.skipped()
  }

  /** Writes the record to the home partition of its key, in a transaction of this lane. */
  private forward(record: LogRecord, event: StageEvent, decoded: Decoded): void {
    const { codec } = this.parts
    // A submission gets its task id on the way.
    const value =
      decoded.type === 'TaskSubmitted'
        ? codec.encode('TaskSubmitted', event.data as typeof decoded.data, 'tasks.submitted')
        : record.value
    this.move(record, event.key, value)
  }

  private move(record: LogRecord, key: string, value: Uint8Array | null): void {
    const { stage, log, instruments } = this.parts
    const headers = { ...record.headers, [names.eventId]: eventIdOf(record) }
    const moved = { topic: record.topic, partition: homeOf(key, log.partitions), key, value, headers }
    instruments.count('records_forwarded', 1, { stage: stage.name, topic: record.topic })
    this.commit.push({ records: [moved], rows: [], input: record, withinMs: 0, committed: () => {} })
  }

  /** A submission that names its task is answered with a result; anything else goes to dead-letters. */
  private refuse(record: LogRecord, reason: FlotillaError): void {
    const { taskId } = { taskId: null, ...(reason.details as { taskId?: string | null } | undefined) }
    if (taskId !== null && homeOf(taskId, this.parts.log.partitions) !== record.partition)
      return this.move(record, taskId, record.value)
    const key = taskId ?? recordId(record.topic, record.partition, record.offset)
    const meta = {
      id: eventIdOf(record),
      key,
      lane: record.partition,
      atMs: record.timestampMs,
      traceId: null,
    }
    const refused = failure(reason.code, reason.message)
    this.submit(record, { type: 'SubmissionRefused', data: { failure: refused }, ...meta }, key)
  }

  private undecodable(record: LogRecord, error: unknown): void {
    const { instruments, stage, codec, log } = this.parts
    const isRefusal = error instanceof FlotillaError && error.code === 'TASK_INVALID'
    if (isRefusal && stage.forwardsHome) return this.refuse(record, error)
    const cause = toFailure(error, 'UNDECODABLE_RECORD')
    const reason = error instanceof FlotillaError ? cause : failure('UNDECODABLE_RECORD', cause.message)
    instruments.log.warn(
      { topic: record.topic, partition: record.partition, offset: record.offset, reason: reason.message },
      'a record went to dead-letters',
    )
    countDeadLetter(this.parts, record.topic, reason)
    const emit = deadLetter(this.parts, record, null, reason)
    const sender = { stage: stage.name, version: stage.version, partitions: log.partitions }
    const traceparent = record.headers[names.traceparent] ?? null
    const value = codec.encode('DeadLettered', emit.data as never, 'dead-letters')
    const letter = toRecord(
      sender,
      emit,
      value,
      { id: eventIdOf(record), key: record.key ?? 'none', traceparent },
      0,
    )
    this.commit.push({ records: [letter], rows: [], input: record, withinMs: 0, committed: () => {} })
  }
}

export function countDeadLetter(parts: HostParts, topic: string, reason: Failure): void {
  parts.instruments.count('dead_letters', 1, { stage: parts.stage.name, topic, code: reason.code })
}
