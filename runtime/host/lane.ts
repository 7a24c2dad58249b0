// One lane of one stage: takes records, runs handlings, hands their effects to the group commit.
//
// 1. A handling's changes are applied in memory when it ends, before its key is free again, and pushed to the commit
//    in the same turn: the commit sees effects of one key in order.
// 2. Where the stage has rows of the lane, they are applied in the turn of the decision, and every effect of the lane is
//    pushed in the order of the decisions: one that waits for a store is waited for.
// 3. A lane that is lost commits nothing any more; calls under way go on and are journalled (calls.ts).
// 4. After an unclean end, events that may have caused it are started one by one (quarantine.ts).
import type { Decoded } from '../codec/port.ts'
import { failure } from '../errors.ts'
import type { LogRecord, OpenLane } from '../log/port.ts'
import type { Emit, Failure, StageEvent } from '../stage.ts'
import { traceIdOf, type HandlingSpan } from '../telemetry/instruments.ts'
import { LaneLost } from './calls.ts'
import { COMPANY_MS, GroupCommit } from './group-commit.ts'
import * as handlings from './handling.ts'
import type { Handling, LaneFacts, Outcome } from './handling.ts'
import { timerEventId } from './ids.ts'
import { countDeadLetter, Intake } from './intake.ts'
import { OffsetTracker } from './offsets.ts'
import type { HostParts } from './parts.ts'
import { openQuarantine, Quarantine, type Opening } from './quarantine.ts'
import { KeyQueue } from './queue.ts'
import { toRecord } from './records.ts'
import { LaneState, type RowChange } from './state.ts'
import type { TrialGate } from './trial-gate.ts'
import { Uncommitted } from './uncommitted.ts'
import { TimerQueue, type ArmedTimer } from './timers.ts'

/** What a lane is to its process. */
export interface LanePlace {
  readonly gate: TrialGate
  /** Epochs of openings of this lane that ended while the process lived on. */
  readonly survived: ReadonlySet<number>
  /** Called once, when the lane ends by itself. */
  readonly onLost: (reason: unknown) => void
}

export class Lane {
  readonly index: number
  private readonly parts: HostParts
  private readonly open: OpenLane
  private readonly state: LaneState
  private readonly commit: GroupCommit
  private readonly timers: TimerQueue
  private readonly queue: KeyQueue<Handling>
  private readonly lost = new AbortController()
  private readonly uncommitted = new Uncommitted()
  private readonly facts: LaneFacts
  private readonly intake: Intake
  private readonly quarantine: Quarantine
  private readonly place: LanePlace
  /** The last effect that waits for a store, or for one that does; null when none does. */
  private delayed: Promise<void> | null = null

  private constructor(
    parts: HostParts,
    open: OpenLane,
    state: LaneState,
    opening: Opening,
    place: LanePlace,
  ) {
    this.parts = parts
    this.open = open
    this.index = open.lane
    this.state = state
    this.place = place
    const offsets = new OffsetTracker(open.positions)
    this.commit = new GroupCommit(open, offsets, parts.clock, (error) => this.drop(error))
    const { commit } = this
    this.quarantine = new Quarantine(parts, {
      index: open.lane,
      opening,
      commit,
      gate: place.gate,
      lost: this.lost.signal,
    })
    this.timers = new TimerQueue(parts.clock, (timer) => this.fire(timer))
    this.queue = new KeyQueue((handling) => void this.run(handling))
    const entrance = { open, offsets, commit: this.commit, lost: this.lost.signal }
    this.intake = new Intake(parts, entrance, {
      submit: (event, record, span) => this.submit(event, record, span),
      pending: () => this.queue.size,
      failed: (error) => this.drop(error),
    })
    this.facts = {
      lane: open.lane,
      epoch: open.epoch,
      state,
      lost: this.lost.signal,
      settled: (key) => this.settled(key),
      stream: (emit, handling) => this.stream(emit, handling),
    }
  }

  /** Restores the state and begins to work. */
  static async begin(parts: HostParts, open: OpenLane, place: LanePlace): Promise<Lane> {
    const state = new LaneState(parts.stage.version, parts.stage.laneIndex)
    await state.restore(open.rows, parts.blobs)
    const opening = await openQuarantine(parts, open, place.survived)
    const lane = new Lane(parts, open, state, opening, place)
    for (const { key, name, timer } of state.timers()) lane.timers.arm({ key, name, ...timer })
    open.start((records) => lane.intake.receive(records))
    return lane
  }

  /** It has ended: it must not take the place of a lane that works. */
  get isLost(): boolean {
    return this.lost.signal.aborted
  }

  get pending(): number {
    return this.queue.size
  }

  /** Tasks whose effects wait for their commit. */
  get committing(): number {
    return this.uncommitted.size
  }

  /** Keys with state: live tasks, mostly. */
  get keys(): number {
    return this.state.size
  }

  /** What the lane holds in memory. */
  rows(): Iterable<RowChange> {
    return this.state.rows()
  }

  /** The lane goes to another process, which must not take that for a death of this one. */
  handOver(): void {
    this.quarantine.moved()
    this.drop(null)
  }

  /** Ends the lane: nothing is committed any more. */
  drop(reason: unknown): void {
    if (this.lost.signal.aborted) return
    this.lost.abort()
    this.intake.stop()
    this.timers.stop()
    this.commit.stop()
    this.queue.dropWaiting()
    this.uncommitted.release()
    this.open
      .close()
      .catch((error: unknown) => this.parts.instruments.log.warn({ err: error }, 'closing a lane'))
    this.place.onLost(reason)
  }

  /**
   * Stops taking records, finishes and commits what is at work within the limit, then ends. What lingers was held back by
   * the stage's own wish, so it is done first: a command that ran one task leaves its books complete.
   */
  async drain(): Promise<void> {
    const { clock, options, stage } = this.parts
    this.intake.takeLingering()
    this.intake.stop()
    this.timers.stop()
    if (!stage.lingerMs) this.queue.dropWaiting()
    const until = clock.now() + options.drainMs
    while (this.queue.size > 0 && clock.now() < until && !this.lost.signal.aborted)
      await new Promise<void>((resume) => clock.schedule(20, resume))
    await this.commit.settled()
    this.quarantine.close()
    await this.commit.settled()
    this.drop(null)
  }

  private submit(event: StageEvent, record: LogRecord | null, span: HandlingSpan): void {
    const interrupted = new AbortController()
    this.interrupt(event)
    const handling = { key: event.key, event, record, span, interrupted, throws: 0, streamed: 0 }
    this.quarantine.took(handling)
    this.queue.push(handling)
  }

  private interrupt(event: StageEvent): void {
    const keys = this.parts.stage.interrupts?.(event)
    if (!keys) return
    for (const key of keys === true ? [event.key] : keys)
      for (const handling of this.queue.of(key)) handling.interrupted.abort()
  }

  private fire(timer: ArmedTimer): void {
    if (this.state.timer(timer.key, timer.name)?.causeId !== timer.causeId) return
    const { stage, instruments } = this.parts
    const id = timerEventId(timer.key, timer.name, timer.causeId)
    const span = instruments.handling({
      stage: stage.name,
      lane: this.index,
      topic: 'timer',
      eventId: id,
      eventType: `TimerFired ${timer.name}`,
      key: timer.key,
      traceparent: timer.traceparent,
      atMs: timer.dueMs,
    })
    instruments.count('timers_fired', 1, { stage: stage.name })
    const traceId = span.traceId ?? traceIdOf(timer.traceparent)
    const meta = { id, key: timer.key, lane: this.index, atMs: timer.dueMs, traceId }
    this.submit({ type: 'TimerFired', data: { name: timer.name }, ...meta }, null, span)
  }

  private async run(handling: Handling): Promise<void> {
    try {
      const admitted = this.quarantine.admit(handling)
      const deaths = admitted ? await admitted : 0
      if (this.lost.signal.aborted) return handling.span.dropped()
      if (this.isStale(handling)) return this.leaveOut(handling)
      const pending = deaths > 0 ? this.convict(handling, deaths) : this.attempt(handling)
      if (pending) await pending
    } catch (error) {
      handling.span.dropped()
      if (!this.lost.signal.aborted) this.drop(error)
    } finally {
      this.quarantine.left(handling)
      this.queue.done(handling)
      this.intake.proceed()
    }
  }

  private leaveOut(handling: Handling): void {
    handling.span.dropped()
    this.quarantine.dismiss(handling)
  }

  /** A timer that was cancelled or set anew while its event waited. */
  private isStale({ event }: Handling): boolean {
    if (event.type !== 'TimerFired') return false
    const timer = this.state.timer(event.key, event.data.name)
    return timer === undefined || timerEventId(event.key, event.data.name, timer.causeId) !== event.id
  }

  /** Synchronous when the stage makes no call and nothing is large. */
  private attempt(handling: Handling): void | Promise<void> {
    try {
      const outcome = handlings.work(this.parts, this.facts, handling)
      if (outcome instanceof Promise)
        return outcome
          .then((concluded) => this.conclude(handling, concluded()))
          .catch((error: unknown) => this.thrown(handling, error))
      const concluded = this.conclude(handling, outcome)
      return concluded?.catch((error: unknown) => this.thrown(handling, error))
    } catch (error) {
      return this.thrown(handling, error)
    }
  }

  private async thrown(handling: Handling, error: unknown): Promise<void> {
    if (!(error instanceof handlings.StageThrew)) throw error
    const { stage, instruments, options } = this.parts
    handling.throws++
    instruments.log.error(
      { err: error.cause ?? error, stage: stage.name, event: handling.event.type, key: handling.key },
      'a stage threw',
    )
    instruments.count('handlings_failed', 1, { stage: stage.name, type: handling.event.type })
    if (handling.throws < options.maxThrows) return this.attempt(handling) ?? undefined
    await this.poison(handling, handlings.stageFailure(this.parts, error, handling.event))
  }

  /** Its process died of it, again and again. */
  private convict(handling: Handling, deaths: number): Promise<void> {
    const { stage, instruments } = this.parts
    const { event } = handling
    handling.throws = deaths
    const message = `${stage.name} died ${deaths} times while it handled ${event.type} of ${event.key}`
    instruments.log.error({ stage: stage.name, event: event.type, key: event.key, deaths }, message)
    instruments.count('events_quarantined', 1, { stage: stage.name, type: event.type })
    return this.poison(handling, failure('PROCESS_DIED', message))
  }

  private async poison(handling: Handling, reason: Failure): Promise<void> {
    const letter = handlings.deadLetter(this.parts, handling.record, handling, reason)
    countDeadLetter(this.parts, handling.record?.topic ?? 'timer', reason)
    const told = handlings.poisonedOutcome(this.parts, this.facts, handling, reason)
    told.emit.push(letter)
    try {
      await this.conclude(handling, told)
    } catch (again) {
      // What the stage wants its requester told can't be encoded either: the dead letter alone must do.
      if (!(again instanceof handlings.StageThrew)) throw again
      await this.conclude(handling, handlings.join({ emit: [letter] }))
    }
  }

  /** Encodes, applies and pushes the effect of a handling. */
  private conclude(handling: Handling, outcome: Outcome): void | Promise<void> {
    if (this.lost.signal.aborted) throw new LaneLost('after the work')
    handling.span.finished()
    const records = handlings.encodeEmits(this.parts, handling, outcome.emit)
    const { changes, armed } = handlings.changesOf(this.state, handling, outcome)
    const rows = this.encodeRows(changes, outcome)
    if (outcome.lane) this.state.writeLane(outcome.lane)
    const apply = (readyRecords: Awaited<typeof records>, readyRows: Awaited<typeof rows>) => {
      if (this.lost.signal.aborted) throw new LaneLost('after the work')
      this.state.apply(changes)
      this.uncommitted.add(handling.key)
      const cleared = this.quarantine.acquitted(handling)
      this.commit.push({
        records: readyRecords,
        rows: cleared.length > 0 ? [...readyRows, ...cleared] : readyRows,
        input: handling.record,
        withinMs: readyRecords.length > 0 ? 0 : this.untilFirst(armed),
        committed: () => {
          this.uncommitted.remove(handling.key)
          this.committed(handling, outcome, armed)
        },
      })
    }
    if (!(records instanceof Promise) && !(rows instanceof Promise)) {
      if (this.delayed === null) return apply(records, rows)
      return this.inTurn(() => apply(records, rows))
    }
    let started: readonly [typeof records, typeof rows] | null = [records, rows]
    const stored = handlings.persistently(this.parts, this.lost.signal, () => {
      const encoding = started ?? this.encodeAgain(handling, outcome, changes)
      started = null
      return Promise.all(encoding)
    })
    if (!this.parts.stage.laneIndex) return stored.then((ready) => apply(...ready))
    stored.catch(() => {})
    return this.inTurn(async () => apply(...(await stored)))
  }

  /** After every effect that is delayed already. When one of them can't be pushed, none behind it may be: the lane ends. */
  private inTurn(push: () => void | Promise<void>): Promise<void> {
    const mine = (this.delayed ?? Promise.resolve()).then(push)
    this.delayed = mine
    mine.then(
      () => {
        if (this.delayed === mine) this.delayed = null
      },
      (error: unknown) => this.drop(error),
    )
    return mine
  }

  /** Nobody waits for an effect that emits nothing; but a timer is armed by the commit. */
  private untilFirst(armed: readonly { dueMs: number }[]): number {
    const now = this.parts.clock.now()
    return armed.reduce((delayMs, { dueMs }) => Math.max(0, Math.min(delayMs, dueMs - now)), COMPANY_MS)
  }

  private encodeAgain(handling: Handling, outcome: Outcome, changes: readonly RowChange[]) {
    return [
      handlings.encodeEmits(this.parts, handling, outcome.emit),
      this.encodeRows(changes, outcome),
    ] as const
  }

  private encodeRows(changes: readonly RowChange[], { lane }: Outcome) {
    const { blobs, options } = this.parts
    return this.state.encode(changes, blobs, options.maxRowBytes, lane)
  }

  private settled(key: string): Promise<void> | null {
    const settled = this.uncommitted.settled(key)
    if (settled) this.commit.flush()
    return settled
  }

  private committed(handling: Handling, outcome: Outcome, armed: { name: string; dueMs: number }[]): void {
    const { stage, instruments, journal } = this.parts
    const { key, event, span } = handling
    for (const { name, dueMs } of armed)
      this.timers.arm({ key, name, dueMs, causeId: event.id, traceparent: span.traceparent })
    span.committed(outcome.emit.map(({ topic, type }) => ({ topic, eventType: type })))
    instruments.count('handlings', 1, {
      stage: stage.name,
      topic: handling.record?.topic ?? 'timer',
      type: event.type,
    })
    for (const emit of outcome.emit)
      instruments.committed(emit as Decoded, {
        stage: stage.name,
        traceparent: emit.traceparent ?? span.traceparent,
      })
    if (outcome.callIds.length > 0) journal.forget(outcome.callIds, this.open.epoch).catch(() => {})
  }

  /** Best effort, outside the transaction. */
  private stream(emit: Emit, handling: Handling): void {
    if (this.lost.signal.aborted) return
    const { codec, stage, log } = this.parts
    const sender = { stage: stage.name, version: stage.version, partitions: log.partitions }
    try {
      const value = codec.encode(emit.type, emit.data as never, emit.topic)
      const cause = { id: handling.event.id, key: handling.key, traceparent: handling.span.traceparent }
      // Ids apart from those of the events that it commits, and the same when it runs again.
      log.publish([toRecord(sender, emit, value, cause, -++handling.streamed)]).catch(() => {})
    } catch (error) {
      this.parts.instruments.log.debug({ err: error }, 'streaming')
    }
  }
}
