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
import type { Emit, Failure, StageEvent } from '../stage.ts'
import type { HandlingSpan } from '../telemetry/instruments.ts'
import type { GroupCommit } from './group-commit.ts'
import { deadLetter, persistently } from './handling.ts'
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

  /** Something finished: takes what has been waiting. */
  proceed(): void {
    for (const [topic, buffer] of this.buffers) if (buffer.length > 0) void this.pump(topic)
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
      void this.pump(topic)
    }
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
    if (record.value === null) return this.skip(record)
    return this.decode(record, record.value)
  }

  private decode(record: LogRecord, value: Uint8Array): void | Promise<void> {
    try {
      const decoded = this.parts.codec.decode(value, record.topic)
      if (decoded instanceof Promise) return this.decodeLater(record, decoded)
      const whole = resolve(decoded.type, decoded.data, this.parts.blobs)
      if (whole instanceof Promise) return this.decodeLater(record, decoded)
      this.route(record, { type: decoded.type, data: whole } as Decoded)
    } catch (error) {
      this.undecodable(record, error)
    }
  }

  private async decodeLater(record: LogRecord, pending: Decoded | Promise<Decoded>): Promise<void> {
    try {
      const decoded = await persistently(this.parts, this.lost, async () => {
        const { type, data } = await pending
        return { type, data: await resolve(type, data, this.parts.blobs) } as Decoded
      })
      this.route(record, decoded)
    } catch (error) {
      if (!this.lost.aborted) this.undecodable(record, error)
    }
  }

  private route(record: LogRecord, decoded: Decoded): void {
    const { stage, instruments, log } = this.parts
    const probe = toEvent(record, decoded, null)
    const isOpen = OPEN_TOPICS.includes(record.topic)
    if (isOpen && homeOf(probe.key, log.partitions) !== record.partition) {
      if (stage.forwardsHome) this.forward(record, probe, decoded)
      else this.skip(record)
      return
    }
    const key = stage.keyOf?.(probe) ?? probe.key
    const span = instruments.handling({
      stage: stage.name,
      lane: this.open.lane,
      topic: record.topic,
      eventId: probe.id,
      eventType: probe.type,
      key: probe.key,
      traceparent: record.headers[names.traceparent] ?? null,
      atMs: record.timestampMs,
    })
    this.sink.submit({ ...probe, key, traceId: span.traceId } as StageEvent, record, span)
  }

  private skip(record: LogRecord): void {
    this.offsets.finish(record.topic, record.offset)
    this.parts.instruments.count('records_skipped', 1, { stage: this.parts.stage.name, topic: record.topic })
    this.commit.skipped()
  }

  /** Writes the record to the home partition of its key, in a transaction of this lane. */
  private forward(record: LogRecord, event: StageEvent, decoded: Decoded): void {
    const { stage, log, codec, instruments } = this.parts
    const emit = { topic: record.topic, type: event.type, data: event.data, key: event.key } as Emit
    const value =
      decoded.type === 'TaskSubmitted'
        ? codec.encode(event.type as 'TaskSubmitted', event.data as never, record.topic)
        : record.value
    const sender = { stage: stage.name, version: stage.version, partitions: log.partitions }
    const cause = {
      id: eventIdOf(record),
      key: event.key,
      traceparent: record.headers[names.traceparent] ?? null,
    }
    const forwarded = toRecord(sender, emit, value as Uint8Array, cause, 0)
    instruments.count('records_forwarded', 1, { stage: stage.name, topic: record.topic })
    this.commit.push({ records: [forwarded], rows: [], input: record, committed: () => {} })
  }

  private undecodable(record: LogRecord, error: unknown): void {
    const { instruments, stage, codec, log } = this.parts
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
    this.commit.push({ records: [letter], rows: [], input: record, committed: () => {} })
  }
}

export function countDeadLetter(parts: HostParts, topic: string, reason: Failure): void {
  parts.instruments.count('dead_letters', 1, { stage: parts.stage.name, topic, code: reason.code })
}
