// One lane of one stage: takes records, runs handlings, hands their effects to the group commit.
//
// 1. The effects of a handling are applied and committed by effects.ts.
// 2. A lane that is lost commits nothing any more; calls under way go on and are journalled (../calls/calls.ts).
// 3. After an unclean end, events that may have caused it are started one by one (quarantine.ts).
import { failure } from '../../errors.ts'
import type { LogRecord, OpenLane } from '../../log/port.ts'
import type { Emit, Failure, StageEvent } from '../../stage.ts'
import { encodeKey } from '../../keys.ts'
import { traceIdOf, type HandlingSpan } from '../../telemetry/instruments.ts'
import { LaneLost } from '../calls/calls.ts'
import { countDeadLetter, deadLetter } from './dead-letters.ts'
import { LaneEffects } from './effects.ts'
import { GroupCommit } from './group-commit.ts'
import * as handlings from './handling.ts'
import { Handling, type LaneFacts, type Outcome } from './handling.ts'
import { timerEventId } from './ids.ts'
import { Intake } from './intake.ts'
import { OffsetTracker } from './offsets.ts'
import type { HostParts } from '../context.ts'
import type { Load } from '../load.ts'
import { openQuarantine, Quarantine, type Opening } from './quarantine.ts'
import { KeyQueue } from './queue.ts'
import { toRecord, type Origin } from './event-records.ts'
import { causeOf, NO_LETTER, SMALLEST_LETTER, type Refusals } from './refusals.ts'
import { LaneState, type RowChange } from './state.ts'
import type { TrialGate } from './trial-gate.ts'
import { renewStoredRows } from './stored-rows.ts'
import { TimerQueue, type ArmedTimer } from './timers.ts'
import { reportUnreadable } from './unreadable-rows.ts'

/** A lane's ties to its process. */
export interface LanePlace {
  readonly gate: TrialGate
  /** Shared by the lanes of its stage. */
  readonly load: Load
  /** Commits of this lane that the log has refused, at earlier openings too. */
  readonly refusals: Refusals
  /** Epochs of openings of this lane that ended while the process lived on. */
  readonly survived: ReadonlySet<number>
  /** What its beginning waits for now. */
  readonly onWait: (waitsFor: string) => void
  /** Called once, when the lane ends by itself. */
  readonly onLost: (reason: unknown) => void
}

interface Restored {
  readonly state: LaneState
  readonly topicIds: Origin['topicIds']
  readonly opening: Opening
}

export class Lane {
  readonly index: number
  readonly #parts: HostParts
  readonly #open: OpenLane
  readonly #state: LaneState
  readonly #commit: GroupCommit
  readonly #timers: TimerQueue
  readonly #queue: KeyQueue<Handling>
  readonly #lost = new AbortController()
  readonly #facts: LaneFacts
  readonly #intake: Intake
  readonly #quarantine: Quarantine
  readonly #effects: LaneEffects
  readonly #place: LanePlace

  protected constructor(
    parts: HostParts,
    open: OpenLane,
    { state, topicIds, opening }: Restored,
    place: LanePlace,
  ) {
    this.#parts = parts
    this.#open = open
    this.index = open.lane
    this.#state = state
    this.#place = place
    const { refusals, load } = place
    load.narrow(Math.max(0, ...[...opening.suspects.values()].map(({ deaths }) => deaths.length)))
    const offsets = new OffsetTracker(open.positions, refusals.metadataBytes)
    const { clock, instruments, stage } = parts
    const commitParts = { clock, refusals, instruments, stage: stage.name }
    const commit = new GroupCommit(open, offsets, commitParts, (error) => this.drop(error))
    this.#commit = commit
    const lost = this.#lost.signal
    this.#quarantine = new Quarantine(parts, { index: open.lane, opening, commit, gate: place.gate, lost })
    this.#timers = new TimerQueue(
      parts.clock,
      (timer) => this.#fire(timer),
      () => parts.pauses?.isPaused(parts.stage.name) ?? false,
    )
    this.#effects = new LaneEffects(parts, {
      epoch: open.epoch,
      state,
      commit,
      quarantine: this.#quarantine,
      lost: this.#lost.signal,
      arm: (timer) => this.#timers.arm(timer),
      failed: (error) => this.drop(error),
    })
    this.#queue = new KeyQueue((handling) => void this.#run(handling))
    const origin = { partitions: parts.log.partitions, topicIds }
    const entrance = { open, offsets, commit: this.#commit, refusals, lost: this.#lost.signal, origin }
    this.#intake = new Intake(parts, entrance, {
      submit: (event, record, span) => this.#submit(event, record, span),
      interrupt: (event) => this.#interrupt(event),
      running: () => this.#queue.running,
      taken: () => this.#queue.size,
      waitingWith: (key) => this.#queue.waitingWith(key),
      hasRoom: ({ value }) => load.takes(value?.length ?? 0),
      failed: (error) => this.drop(error),
    })
    this.#facts = {
      lane: open.lane,
      epoch: open.epoch,
      state,
      lost: this.#lost.signal,
      settled: (key) => this.#effects.settled(key),
      mayBeLost: (handling) => this.#quarantine.mayBeLost(handling),
      isSuspect: (handling) => this.#quarantine.isSuspect(handling),
      stream: (emit, handling) => this.#stream(emit, handling),
      conclude: (handling, outcome) => this.#conclude(handling, outcome),
    }
  }

  /** Restores the state and starts. */
  static async begin(parts: HostParts, open: OpenLane, place: LanePlace): Promise<Lane> {
    const state = new LaneState(parts.stage.version, parts.stage)
    const { ofHost, unreadable } = await state.restore(open.rows, parts.blobs)
    open.releaseRows()
    reportUnreadable(parts, open.lane, unreadable)
    place.onWait('the log, which notes what is under way')
    const opening = await openQuarantine(parts, open, ofHost, place.survived)
    place.onWait('the ids of its topics')
    const topicIds = await parts.log.topicIds(parts.stage.consumes.map(({ topic }) => topic))
    const lane = new Lane(parts, open, { state, topicIds, opening }, place)
    await lane.#timers.restore(state.timers())
    renewStoredRows(parts, state, lane.#lost.signal)
    open.start(
      (records) => lane.#intake.receive(records),
      (reason) => lane.drop(reason),
    )
    return lane
  }

  /** It has ended: it must not replace a lane that works. */
  get isLost(): boolean {
    return this.#lost.signal.aborted
  }

  get pending(): number {
    return this.#queue.size
  }

  /** Handlings that run; the rest of `pending` waits for an earlier one of its key. */
  get running(): number {
    return this.#queue.running
  }

  /** Records fetched and not taken yet. */
  get buffered(): number {
    return this.#intake.buffered
  }

  /** Tasks whose effects wait for their commit. */
  get committing(): number {
    return this.#effects.committing
  }

  /** Keys with state: live tasks, mostly. */
  get keys(): number {
    return this.#state.size
  }

  /** Rows and timers that the lane holds in memory. */
  rows(): Iterable<RowChange> {
    return this.#state.rows()
  }

  /** A pause began or ended. */
  proceed(): void {
    if (this.isLost) return
    this.#timers.proceed()
    this.#intake.proceed()
  }

  /** There is room for large records again. */
  proceedIntake(): void {
    if (!this.isLost) this.#intake.proceed()
  }

  /** The lane moves to another process, which must not mistake that for a death of this one. */
  handOver(): void {
    this.#quarantine.moved()
    this.drop(null)
  }

  /** Ends the lane: nothing is committed any more. */
  drop(reason: unknown): void {
    if (this.#lost.signal.aborted) return
    this.#lost.abort()
    this.#intake.stop()
    this.#timers.stop()
    this.#commit.stop()
    this.#queue.dropWaiting()
    this.#effects.stop()
    this.#open
      .close()
      .catch((error: unknown) =>
        this.#parts.instruments.log.warn({ err: error }, 'failed to close a lane; it is dropped'),
      )
    this.#place.onLost(reason)
  }

  /**
   * Stops taking records, finishes and commits what is running within the limit, then ends. Records that
   * linger are handled first, because only the stage's `lingerMs` held them back: a command that ran one task
   * leaves its ledger complete.
   */
  async drain(withinMs: number): Promise<void> {
    const { clock, stage } = this.#parts
    this.#intake.takeLingering()
    this.#intake.stop()
    this.#timers.stop()
    this.#quarantine.releaseHeld()
    if (!stage.lingerMs) this.#queue.dropWaiting()
    const until = clock.now() + withinMs
    while (this.#queue.size > 0 && clock.now() < until && !this.#lost.signal.aborted)
      await new Promise<void>((resume) => clock.schedule(20, resume))
    await this.#commit.settled()
    this.#quarantine.close()
    await this.#commit.settled()
    this.drop(null)
  }

  #submit(event: StageEvent, record: LogRecord | null, span: HandlingSpan): void {
    this.#interrupt(event)
    const handling = new Handling(event, record, record ? causeOf(record) : event.id, span)
    this.#quarantine.took(handling)
    this.#queue.push(handling)
  }

  #interrupt(event: StageEvent): void {
    const keys = this.#parts.stage.interrupts?.(event)
    if (!keys) return
    for (const key of keys === true ? [event.key] : keys.map(encodeKey))
      for (const handling of this.#queue.of(key)) handling.interrupt()
  }

  #fire(timer: ArmedTimer): void {
    if (this.#state.timer(timer.key, timer.name)?.causeId !== timer.causeId) return
    const { stage, instruments } = this.#parts
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
    this.#submit({ type: 'TimerFired', data: { name: timer.name }, ...meta }, null, span)
  }

  /** Control events end or change tasks: they wait for nobody. */
  #bytesOf({ record, key }: Handling): number {
    return record?.topic === 'tasks.control' ? 0 : (record?.value?.length ?? 0) + this.#state.bytesOf(key)
  }

  async #run(handling: Handling): Promise<void> {
    const { load } = this.#place
    let heldBytes = 0
    const enter = (): Promise<void> | null => {
      heldBytes = this.#bytesOf(handling)
      return load.enter(heldBytes, () => [handling.interrupted, this.#lost.signal])
    }
    handling.startedMs = this.#parts.clock.now()
    try {
      const admitted = this.#quarantine.admit(handling, enter)
      const deaths = admitted ? await admitted : 0
      if (this.#lost.signal.aborted || deaths === null) return handling.span.dropped()
      if (this.#isStale(handling)) return this.#leaveOut(handling)
      const refusal = this.#place.refusals.of(handling.cause)
      if (deaths > 0) await this.#convict(handling, deaths)
      else if (refusal) await this.#giveUp(handling, refusal.reason, refusal.times)
      else {
        const pending = this.#attempt(handling)
        if (pending) await pending
      }
    } catch (error) {
      handling.span.dropped()
      if (!this.#lost.signal.aborted) this.drop(error)
    } finally {
      load.leave(heldBytes)
      this.#quarantine.left(handling)
      this.#queue.done(handling)
      this.#intake.proceed()
    }
  }

  #leaveOut(handling: Handling): void {
    handling.span.dropped()
    this.#quarantine.dismiss(handling)
  }

  /** A timer that was cancelled or set again while its event waited. */
  #isStale({ event }: Handling): boolean {
    if (event.type !== 'TimerFired') return false
    const timer = this.#state.timer(event.key, event.data.name)
    return timer === undefined || timerEventId(event.key, event.data.name, timer.causeId) !== event.id
  }

  /** Synchronous when the stage makes no call and nothing is large. */
  #attempt(handling: Handling): void | Promise<void> {
    const thrown = (error: unknown) => this.#thrown(handling, error)
    try {
      return handlings.handle(this.#parts, this.#facts, handling)?.catch(thrown)
    } catch (error) {
      return thrown(error)
    }
  }

  async #thrown(handling: Handling, error: unknown): Promise<void> {
    if (!(error instanceof handlings.StageThrew)) throw error
    const { stage, instruments, options } = this.#parts
    handling.throws++
    if (!error.final)
      instruments.log.error(
        { err: error.cause ?? error, stage: stage.name, event: handling.event.type, key: handling.key },
        'stage threw while handling an event (bug)',
      )
    instruments.count('handlings_failed', 1, handlings.labelsOf(stage.name, handling))
    if (!error.final && handling.throws < options.maxThrows) return this.#attempt(handling) ?? undefined
    const reason = error.final ?? handlings.stageFailure(this.#parts, error, handling.event)
    await this.#giveUp(handling, reason, 0)
  }

  /** Gives up an event that has killed its process repeatedly. */
  #convict(handling: Handling, deaths: number): Promise<void> {
    const { stage, instruments } = this.#parts
    const { event } = handling
    handling.throws = deaths
    instruments.count('events_quarantined', 1, { stage: stage.name, type: event.type })
    const message = `${stage.name} died ${deaths} times while it handled ${event.type} of ${event.key}`
    return this.#giveUp(handling, failure('PROCESS_DIED', message), 0)
  }

  /** Writes a dead letter of the event and a reply to its requester: smaller each time the log refuses it. */
  async #giveUp(handling: Handling, reason: Failure, refusals: number): Promise<void> {
    const parts = this.#parts
    const { record, key, throws, event, cause } = handling
    const given = { stage: parts.stage.name, event: event.type, cause, code: reason.code, refusals }
    parts.instruments.log.error(given, `an event was given up: ${reason.message}`)
    if (refusals >= NO_LETTER) return this.#conclude(handling, handlings.join()) ?? undefined
    countDeadLetter(parts, record?.topic ?? 'timer', reason)
    const smallest = refusals >= SMALLEST_LETTER
    const about = { record, key, lane: this.index, attempts: Math.max(1, throws), smallest }
    const letter = await handlings.persistently(parts, this.#lost.signal, () =>
      deadLetter(parts, about, reason),
    )
    const letterAlone = handlings.join({ emit: [letter] })
    if (smallest) return this.#conclude(handling, letterAlone) ?? undefined
    const reply = handlings.poisonedOutcome(parts, this.#facts, handling, reason)
    try {
      await this.#conclude(handling, { ...reply, emit: [...reply.emit, letter] })
    } catch (again) {
      // The stage's reply can't be encoded either: the dead letter alone must do.
      if (!(again instanceof handlings.StageThrew)) throw again
      await this.#conclude(handling, letterAlone)
    }
  }

  #conclude(handling: Handling, outcome: Outcome): void | Promise<void> {
    if (this.#lost.signal.aborted) throw new LaneLost('after the work')
    handling.span.finished()
    handlings.measure(this.#parts, handling)
    return this.#effects.push(handling, outcome)
  }

  /** Best effort, outside the transaction. */
  #stream(emit: Emit, handling: Handling): void {
    if (this.#lost.signal.aborted) return
    const { codec, log } = this.#parts
    try {
      const value = codec.encode(emit.type, emit.data as never, emit.topic)
      // Ids distinct from those of the events that it commits, and the same when it runs again.
      log.publish([toRecord(this.#parts, emit, value, handling, -++handling.streamed)]).catch(() => {})
    } catch (error) {
      this.#parts.instruments.log.debug({ err: error }, 'failed to publish a streamed event; it is lost')
    }
  }
}
