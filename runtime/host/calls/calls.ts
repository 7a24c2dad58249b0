// How the host makes a stage's call.
//
// 1. Journal first (journal.ts): a recorded outcome answers without a call.
// 2. A failure of the call is data, an outcome. What this file throws is LaneLost, or broken infrastructure.
// 3. Losing the lane does not abort a call under way: the new owner waits for its outcome, so nobody pays
//    twice. Its outcome is journalled and not committed here.
// 4. A guard (guard.ts) is taken while the call is begun, and settled with the outcome that the journal has:
//    the answer that a former owner got, after somebody else has taken the call over, counts nowhere.
// 5. Calls that are not journalled (sinks: upserts by event id) are repeated until they work or the lane is
//    lost. They hold no slot: the lanes bound them, and one that waits for its database must not keep a model
//    call from being made.
// 6. A call that needs a slot (slots.ts) waits for it before anything else.
// 7. When a store is back, pending outcomes are written before any new call begins: a crash would lose them.
// 8. A key of journal or limits that another program has written ends the call: none is made, or what one has answered
//    counts without it. No later owner makes it either, because it finds the same.
import { backoffMs } from '../../backoff.ts'
import { failure, FlotillaError, toFailure } from '../../errors.ts'
import { sleep, type Clock } from '../../clock.ts'
import type { Call, CallFailure, Caller, CallOutcome } from '../../stage.ts'
import type { ValueHead } from '../../store/port.ts'
import type { Instruments } from '../../telemetry/instruments.ts'
import { attempt, countDoubt, type AttemptParts, type Breakers, type CallRequest } from './attempt.ts'
import { CallOrders } from './call-orders.ts'
import type { Guard } from './guard.ts'
import type { Beginning, CallJournal } from './journal.ts'
import { keepLease } from './lease.ts'
import type { Semaphore } from './semaphore.ts'
import { Slots, type SlotRule, type SlotsOf } from '../slots.ts'
import { Stalls } from '../stalls.ts'
import { UnderWay } from './under-way.ts'

export class LaneLost extends Error {
  override readonly name = 'LaneLost'
  /** Epoch of a later owner that the journal knows; -1: none. */
  readonly laterEpoch: number

  constructor(message: string, laterEpoch = -1) {
    super(message)
    this.laterEpoch = laterEpoch
  }
}

/** A shorter wait for a slot is not worth a record. */
const SHOW_WAIT_MS = 500
const FIRST_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 5_000
/** A pending outcome would be lost with the process, so it is retried often. */
const OUTCOME_BACKOFF_MS = 250
/** How long new calls wait for pending outcomes; after that they go ahead of one that can't be written. */
const BEHIND_MS = 2_000
const POLL_MS = 200
const BREAKER_OPEN = 'BREAKER_OPEN'
const TRIES_WHEN_LOST = 45
/** Named as what calls wait for while the store of the journal and the limits is away. */
const JOURNAL = 'the call journal'

export class CallMaker {
  /** Waits of its calls, and of other work of the stage. */
  readonly stalls: Stalls
  readonly #journal: CallJournal
  readonly #attempts: AttemptParts
  readonly #guards: Readonly<Record<string, Guard>>
  readonly #capacity: Semaphore
  readonly #slots: Slots
  readonly #orders = new CallOrders()
  readonly #slotOf: SlotsOf
  readonly #clock: Clock
  readonly #instruments: Instruments
  readonly #stage: string
  readonly #underWay: UnderWay

  constructor(parts: {
    journal: CallJournal
    callers: Readonly<Record<string, Caller>>
    /** By kind of call. */
    guards?: Readonly<Record<string, Guard>>
    breakers: Breakers
    capacity: Semaphore
    /** The slot that a call needs before it may start. Default: none. */
    slots?: SlotsOf
    /** Label of the gauges. */
    stage?: string
    clock: Clock
    instruments: Instruments
  }) {
    this.#journal = parts.journal
    this.#attempts = parts
    this.#guards = parts.guards ?? {}
    this.#capacity = parts.capacity
    const { stage = '', clock, instruments } = parts
    this.#stage = stage
    this.#underWay = new UnderWay({ stage, clock, instruments })
    this.stalls = new Stalls(stage, clock, instruments.log)
    this.#slots = new Slots(stage, instruments)
    this.#slotOf = parts.slots ?? (() => null)
    this.#clock = clock
    this.#instruments = instruments
  }

  get slotsHeld(): number {
    return this.#slots.held
  }

  make(request: CallRequest): Promise<CallOutcome> {
    const { inOrderOf } = request.call
    if (inOrderOf === undefined) return this.#make(request)
    return this.#orders.run(inOrderOf, () => this.#make(request))
  }

  #make(request: CallRequest): Promise<CallOutcome> {
    if (request.call.journalled === false) return this.#makeUnjournalled(request)
    const rule = this.#slotOf(request.call)
    return rule === null ? this.#makeInTurn(request) : this.#makeInSlot(request, rule)
  }

  async #makeInSlot(request: CallRequest, rule: SlotRule): Promise<CallOutcome> {
    // A call that is answered from the journal needs no slot.
    const recorded = this.#slots.isFull(rule) ? await this.#findRecorded(request) : null
    if (recorded) return recorded
    if (!(await this.#takeSlot(request, rule))) return this.#stop(request)
    try {
      return await this.#makeInTurn(request)
    } finally {
      this.#slots.release(rule)
    }
  }

  /** Waits for a slot, at most until the task's deadline. */
  async #takeSlot(request: CallRequest, rule: SlotRule): Promise<boolean> {
    const { call, interrupted, lost, key, stream } = request
    if (!this.#slots.isFull(rule)) return !lost.aborted && this.#slots.acquire(rule, interrupted)
    const { waiting } = rule
    const hide = this.#clock.schedule(SHOW_WAIT_MS, () => waiting && stream(waiting(key, this.#clock.now())))
    const late = new AbortController()
    const leftMs = call.untilMs === undefined ? null : call.untilMs - this.#clock.now()
    const cancel = leftMs === null ? () => {} : this.#clock.schedule(Math.max(0, leftMs), () => late.abort())
    try {
      return await this.#slots.acquire(rule, interrupted, lost, late.signal)
    } finally {
      cancel()
      hide()
    }
  }

  async #makeInTurn(request: CallRequest): Promise<CallOutcome> {
    const { call, interrupted, lost } = request
    const granted = this.#capacity.acquire(interrupted, lost)
    if (!(typeof granted === 'boolean' ? granted : await granted)) return this.#stop(request)
    this.#underWay.begin(call.kind)
    try {
      return await this.#makeJournalled(request)
    } finally {
      this.#underWay.end(call.kind)
      this.#capacity.release()
    }
  }

  /** Stopped before it was made. */
  async #stop(request: CallRequest): Promise<CallOutcome> {
    if (request.lost.aborted) throw new LaneLost('before a call')
    const stopped = failure('CALL_ABORTED', `${request.call.kind} ${request.call.target} was stopped`)
    return (await this.#findRecorded(request)) ?? this.#refuse(request, stopped)
  }

  /**
   * Resolves when no call is under way any more, or after that time. A process that stops waits for it: calls
   * of lanes that it has lost go on, and their new owners wait for what is recorded.
   */
  settled(withinMs: number): Promise<void> {
    return this.#underWay.settled(withinMs)
  }

  /** An answer recorded by an earlier run counts although this run is stopped: it was paid for. */
  async #findRecorded(request: CallRequest): Promise<CallOutcome | null> {
    const found = await this.#persist(request, () => this.#journal.recorded(request.id), nothing)
    if (found === null) return null
    if (found.epoch !== request.epoch) request.onResumed?.()
    await this.#settle(request, found.outcome)
    return found.outcome
  }

  /** The outcome of a call that was not made. */
  #refuse({ id }: CallRequest, reason: CallFailure): CallOutcome {
    const now = this.#clock.now()
    return { ok: false, failure: reason, startedMs: now, endedMs: now, callId: id }
  }

  async #makeUnjournalled(request: CallRequest): Promise<CallOutcome> {
    const { call, lost } = request
    if (lost.aborted) throw new LaneLost('before a call')
    const make = async (): Promise<CallOutcome> => {
      const outcome = await attempt(this.#attempts, request)
      if (outcome.ok || !outcome.failure.retryable) return outcome
      const { code, message } = outcome.failure
      throw code === BREAKER_OPEN ? new FlotillaError(code, message) : new Error(message)
    }
    this.#underWay.begin(call.kind)
    try {
      return await this.stalls.retry(`the ${call.kind}`, make, {
        refuse: nothing,
        pause: (tries) => this.#pause(backoffMs(tries, FIRST_BACKOFF_MS, MAX_BACKOFF_MS), lost),
      })
    } finally {
      this.#underWay.end(call.kind)
    }
  }

  async #makeJournalled(request: CallRequest): Promise<CallOutcome> {
    const guard = this.#guardOf(request.call)
    const isLost = () => request.lost.aborted
    const reserve = () =>
      guard && !isLost()
        ? this.#persist<CallFailure | null>(request, () => guard.reserve(request), toFailure)
        : null
    // In one turn with the beginning. It counts once, even if the journal turns out to have the outcome.
    const reserving = reserve()
    reserving?.catch(() => {})
    const begun = await this.#begin(request)
    if ('ok' in begun) {
      await reserving?.catch(() => {})
      await this.#settle(request, begun)
      return begun
    }
    // An entry without a lease is never taken over.
    const taken = this.#journal.renewalMs > 0 ? new AbortController() : null
    let stopRenewing = () => {}
    try {
      // Who waited for a former owner needs the whole time of a reservation again.
      const refused = await this.#reserved(request, begun.inDoubt ? reserve() : reserving)
      if (isLost()) return await this.#handBack(request, begun.inDoubt)
      if (!refused && begun.inDoubt) countDoubt(this.#attempts, request.call, 'repeated')
      if (!refused && taken) stopRenewing = keepLease(this.#journal, this.#clock, request, taken)
      const found = refused
        ? this.#refuse(request, refused)
        : await attempt(this.#attempts, request, taken?.signal)
      const outcome = refused ? found : (guard?.bounded?.(request, found) ?? found)
      if (!(await this.#finish(request, outcome, refused ? null : guard)))
        throw new LaneLost('another owner took the call over')
      return outcome
    } finally {
      stopRenewing()
      this.#journal.end(request.id, request.epoch)
    }
  }

  /** Why the guard refuses, or null. A slow guard uses up the lease: it is renewed before the call. */
  async #reserved(
    request: CallRequest,
    reserving: Promise<CallFailure | null> | null,
  ): Promise<CallFailure | null> {
    if (!reserving || request.lost.aborted) return null
    const { renewalMs } = this.#journal
    let freshMs = this.#clock.now()
    const refused = await reserving
    while (!refused && renewalMs > 0 && this.#clock.now() - freshMs >= renewalMs) {
      freshMs = this.#clock.now()
      const isOurs = await this.#persist(
        request,
        () => this.#journal.renew(request.id, request.epoch),
        () => true,
      )
      if (!isOurs) throw new LaneLost('another owner took the call over')
    }
    return refused
  }

  #guardOf(call: Call): Guard | null {
    const guard = this.#guards[call.kind]
    return guard?.applies(call) ? guard : null
  }

  /** Settles the guard by an outcome that the journal has. */
  async #settle(request: CallRequest, outcome: CallOutcome): Promise<void> {
    const guard = this.#guardOf(request.call)
    if (!guard) return
    await this.#persist<unknown>(request, () => guard.settle(request, outcome), nothing)
  }

  /** Resolves with its outcome if that is known already; otherwise it is begun, and to be made. */
  async #begin(request: CallRequest): Promise<CallOutcome | { inDoubt: boolean }> {
    const { call, id, owner, epoch, key, mayBeLost } = request
    for (;;) {
      const ask = () => this.#journal.begin(id, owner, epoch, call, key, mayBeLost)
      const begin = () => (this.#journal.behind > 0 ? this.#outcomesFirst(request).then(ask) : ask())
      const beginning = await this.#persist<Beginning | CallOutcome>(request, begin, (error) =>
        call.idempotent
          ? this.#refuse(request, toFailure(error))
          : this.#outcomeUnknown(request, error.message),
      )
      if ('ok' in beginning) return beginning
      switch (beginning.do) {
        case 'call':
          if (beginning.inDoubt) request.onResumed?.()
          return { inDoubt: beginning.inDoubt }
        case 'answer':
          if (beginning.isOfFormer) request.onResumed?.()
          this.#instruments.count('calls_replayed', 1, { stage: this.#stage, kind: call.kind })
          if (beginning.requestChanged) this.#reportChange(request)
          return beginning.outcome
        case 'giveUp':
          request.onResumed?.()
          return this.#outcomeUnknown(
            request,
            'it was begun by a process that died before its outcome was recorded, or whose records are lost',
          )
        case 'wait':
          await this.#pause(Math.min(POLL_MS, beginning.forMs), request.lost)
          break
        default:
          throw new LaneLost('a later owner of the lane made this call', beginning.epoch)
      }
    }
  }

  async #outcomesFirst({ lost }: CallRequest): Promise<void> {
    for (let waitedMs = 0; this.#journal.behind > 0 && waitedMs < BEHIND_MS; waitedMs += POLL_MS)
      await this.#pause(POLL_MS, lost)
  }

  /** Harmless after an upgrade that words a request differently; otherwise a stage that is not pure. */
  #reportChange({ call, id }: CallRequest): void {
    this.#instruments.count('calls_changed', 1, { stage: this.#stage, kind: call.kind })
    this.#instruments.log.warn(
      { callId: id, kind: call.kind, target: call.target },
      'replayed a recorded outcome although the request has changed since',
    )
  }

  /**
   * The lane was lost while the call was begun, or a guard taken: its next owner makes it, whom a cancel can
   * reach, and finds what was reserved.
   */
  async #handBack({ id, epoch }: CallRequest, inDoubt: boolean): Promise<never> {
    // An entry in doubt says more than none, so it is kept until its lease lapses.
    if (!inDoubt) await this.#journal.release(id, epoch).catch(() => {})
    throw new LaneLost('before a call')
  }

  #outcomeUnknown(request: CallRequest, why: string): CallOutcome {
    const { kind, target } = request.call
    countDoubt(this.#attempts, request.call, 'unknown')
    return this.#refuse(request, failure('CALL_OUTCOME_UNKNOWN', `${kind} ${target}: ${why}`))
  }

  /**
   * Operations of journal and guard are retried while the store is away; no calls are made meanwhile. `final`: the result
   * of one that no retry can do.
   */
  #persist<T>(
    { lost }: CallRequest,
    operation: () => Promise<T>,
    final: (error: FlotillaError) => T,
  ): Promise<T> {
    return this.stalls.retry(JOURNAL, operation, {
      final,
      refuse: nothing,
      pause: (tries) => this.#pause(backoffMs(tries, FIRST_BACKOFF_MS, MAX_BACKOFF_MS), lost),
    })
  }

  /** A lost lane does not end the tries at once: the new owner is waiting for this outcome. */
  #finish(request: CallRequest, outcome: CallOutcome, guard: Guard | null): Promise<boolean> {
    const { id, epoch } = request
    const settle = guard ? () => guard.settle(request, outcome) : undefined
    const settleIf = (entry: ValueHead) => guard?.settleIf?.(request, outcome, entry) ?? null
    const finish = () => this.#journal.finish(id, epoch, outcome, { settle, settleIf })
    return this.stalls.retry(JOURNAL, finish, {
      final: (error) => {
        const said = 'failed to journal or settle an outcome; it counts all the same'
        this.#instruments.log.error({ err: error }, said)
        return true
      },
      refuse: (_, tries) => {
        if (request.lost.aborted && tries >= TRIES_WHEN_LOST) throw new LaneLost('the journal is away')
      },
      pause: (tries) => sleep(this.#clock, backoffMs(tries, FIRST_BACKOFF_MS, OUTCOME_BACKOFF_MS)),
    })
  }

  async #pause(delayMs: number, lost: AbortSignal): Promise<void> {
    if (lost.aborted) throw new LaneLost('while waiting')
    await sleep(this.#clock, delayMs)
    if (lost.aborted) throw new LaneLost('while waiting')
  }
}

const nothing = () => null
