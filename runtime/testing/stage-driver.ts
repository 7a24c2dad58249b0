// Runs one stage without broker, clock or network, as Kafka's TopologyTestDriver does for a topology.
//
// 1. Decisions are applied as the host applies them: `clear` first, then rows (merged; null deletes), then
//    timers.
// 2. A Decision with a call is held until `answer`, `fail`, its time limit or an interrupting event; it is
//    committed together with the result of `conclude`, so its timers do not run before.
// 3. Events of one key wait while a call of that key is held, unless the stage says that they interrupt it.
// 4. Due timers fire in order of their time, as soon as nothing is held for their key.
// 5. Rows of the lane change with the decision; every key is on the one lane of the driver.
// 6. Mistakes that the host's types can't catch are caught here: `decide` and `conclude` run twice and must
//    decide the same, rows are frozen and must be JSON, events must belong to their topic, and no field may
//    be undefined.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { headers as headerNames, topics, type TopicName } from '../../schemas/topics.ts'
import { failure as failureOf, type ErrorCode } from '../errors.ts'
import { encodeKey, isWithin } from '../keys.ts'
import type {
  Call,
  CallFailure,
  CallOutcome,
  Decision,
  Emit,
  EventMap,
  EventType,
  Failure,
  Rows,
  Stage,
  StageEvent,
} from '../stage.ts'
import { DriverState, applyRows, freeze, join, type Held, type KeyState } from './driver-state.ts'

export interface SendOptions {
  /** Default: the data's taskId. */
  key?: string
  /** Default: a fresh id; give one to deliver the same event twice. */
  id?: string
  traceId?: string
  traceparent?: string
  /** The call was begun by a former owner, which died. */
  begun?: true
}

export type Emitted = Emit & { key: string }

/** `now`: epoch milliseconds at the start. */
export function drive<R extends Rows>(stage: Stage<R>, options: { now?: number } = {}): StageDriver {
  return new StageDriver(stage as unknown as Stage, options.now ?? 1_750_000_000_000)
}

const MAX_ROUNDS = 10_000

export class StageDriver {
  /** Everything emitted so far, each with its key. */
  readonly emitted: Emitted[] = []
  /** Epoch milliseconds. */
  now: number
  #stage: Stage
  readonly #state: DriverState
  #sent = 0
  #lastKey = ''

  constructor(stage: Stage, now: number) {
    this.#stage = stage
    this.#state = new DriverState(stage.laneIndex)
    this.now = now
  }

  /** Delivers one event and everything that follows from it at this moment. Returns the emitted events. */
  send<T extends EventType>(topic: TopicName, type: T, data: EventMap[T], options: SendOptions = {}) {
    return this.#emittedBy(() => {
      const event = this.#event(topic, type, data, options)
      if (this.#accepts(topic, type, data)) this.#deliver(event)
    })
  }

  /** The handling of this event has thrown too often: applies the Decision of `poisoned`. */
  poison<T extends EventType>(
    topic: TopicName,
    type: T,
    data: EventMap[T],
    error: Failure,
    options: SendOptions = {},
  ) {
    return this.#emittedBy(() => {
      const event = this.#event(topic, type, data, options)
      const rows = this.#state.view(this.#keyOf(event))
      const decision = this.#stage.poisoned?.(event, rows, error, this.#state.lane)
      if (decision) this.#commit(event, decision)
      this.#settle()
    })
  }

  /** Moves the clock; due timers and time limits fire, each at its own time. */
  advance(ms: number) {
    return this.#emittedBy(() => {
      const until = this.now + ms
      for (let due = this.#nextDue(); due !== null && due.atMs <= until; due = this.#nextDue()) {
        this.now = Math.max(this.now, due.atMs)
        due.fire()
        this.#settle()
      }
      this.now = until
    })
  }

  /** The held call succeeds. */
  answer(value: unknown, options: { key?: string } = {}) {
    return this.#resolve(options.key, (held) => ({ ok: true, value, ...this.#times(held) }))
  }

  /** The held call fails: a code of the error table, or a whole failure. */
  fail(error: ErrorCode | CallFailure, options: { key?: string } = {}) {
    const failure = typeof error === 'string' ? failureOf(error, `${error} for the test`) : error
    return this.#resolve(options.key, (held) => ({ ok: false, failure, ...this.#times(held) }))
  }

  /** The call that is held, if one is. With several, that of the key last sent to. */
  get pendingCall(): Call | null {
    return this.pendingCallOf(this.#heldKey() ?? '')
  }

  pendingCallOf(key: string): Call | null {
    return this.#state.peek(key)?.held?.call ?? null
  }

  /** Committed rows of a key. */
  rows(key: string): Readonly<Record<string, unknown>> {
    return this.#state.peek(key)?.rows ?? {}
  }

  /** Rows of the lane. */
  laneRows(): Readonly<Record<string, unknown>> {
    return this.#state.laneRows()
  }

  /** Reopens the lane, by this stage or one with other settings: its index is built from its rows. */
  reopen(stage: Stage = this.#stage): void {
    this.#stage = stage
    this.#state.reopen(stage.laneIndex)
  }

  /** Committed timers of a key: name → due time. */
  timers(key: string): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#state.peek(key)?.timers ?? [])
  }

  /** Data of every emitted event of one type. */
  all<T extends EventType>(type: T): EventMap[T][] {
    return this.emitted.filter((emit) => emit.type === type).map((emit) => emit.data as EventMap[T])
  }

  /** Data of the one emitted event of this type; any other number is an error. */
  only<T extends EventType>(type: T): EventMap[T] {
    const found = this.all(type)
    assert.equal(found.length, 1, `${found.length} events of type ${type} were emitted, not one`)
    return found[0] as EventMap[T]
  }

  #emittedBy(work: () => void): Emitted[] {
    const from = this.emitted.length
    work()
    return this.emitted.slice(from)
  }

  #event<T extends EventType>(
    topic: TopicName,
    type: T,
    data: EventMap[T],
    options: SendOptions,
  ): StageEvent {
    const subscribed = this.#stage.consumes.some((subscription) => subscription.topic === topic)
    assert.ok(subscribed, `${this.#stage.name} does not consume ${topic}`)
    assertCarries(topic, type)
    const key = options.key ?? (data as { taskId?: string | null }).taskId
    assert.ok(key, 'the event has no taskId: say its key')
    this.#sent += 1
    const meta = {
      key,
      lane: 0,
      atMs: this.now,
      traceId: options.traceId ?? null,
      traceparent: options.traceparent ?? null,
      ...(options.begun && { begun: options.begun }),
    }
    return freeze({ type, data, id: options.id ?? hash('sent', this.#sent), ...meta }) as StageEvent
  }

  #accepts(topic: TopicName, type: EventType, data: object): boolean {
    const requester = (data as { requester?: string }).requester
    const recordHeaders: Record<string, string> = { [headerNames.schema]: type }
    if (requester !== undefined) recordHeaders[headerNames.requester] = requester
    const subscription = this.#stage.consumes.find((candidate) => candidate.topic === topic)
    if (subscription?.events && !subscription.events.includes(type)) return false
    return subscription?.accepts?.(recordHeaders) ?? true
  }

  #keyOf(event: StageEvent): string {
    if (event.type === 'TimerFired') return event.key
    return encodeKey(this.#stage.keyOf?.(event) ?? event.key)
  }

  #deliver(event: StageEvent): void {
    const key = this.#keyOf(event)
    this.#lastKey = key
    const { waiting } = this.#state.of(key)
    const stopped = this.#heldBy(event, key)
    if (stopped.includes(key)) waiting.unshift(event)
    else waiting.push(event)
    for (const other of stopped) this.fail('CALL_ABORTED', { key: other })
    this.#settle()
  }

  /** Keys whose held call this event stops. */
  #heldBy(event: StageEvent, key: string): string[] {
    const interrupts = this.#stage.interrupts?.(event) ?? false
    const roots = interrupts === true ? [key] : interrupts === false ? [] : interrupts.map(encodeKey)
    const within = (other: string) => roots.some((root) => isWithin(other, root))
    return this.#state.entries().flatMap(([other, state]) => (state.held && within(other) ? [other] : []))
  }

  /** Handles everything that it can now: waiting events, then due timers. */
  #settle(): void {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const ready = this.#state.entries().find(([, state]) => !state.held && state.waiting.length > 0)
      const event = ready?.[1].waiting.shift()
      if (event) {
        this.#handle(event)
        continue
      }
      const due = this.#nextDue()
      if (due === null || due.atMs > this.now) return
      due.fire()
    }
    throw new Error(`${this.#stage.name} never comes to rest: a timer that is due sets itself again`)
  }

  #handle(event: StageEvent): void {
    const key = this.#keyOf(event)
    const rows = this.#state.view(key)
    const decision = this.#twice(() => this.#stage.decide(event, rows, this.#state.lane))
    if (decision.call === undefined) return this.#commit(event, decision)
    assert.equal(decision.lane, undefined, 'rows of the lane are written by conclude, after the call')
    this.#state.of(key).held = { event, call: freeze(decision.call), startedMs: this.now, decision }
  }

  #resolve(key: string | undefined, outcomeOf: (held: Held) => CallOutcome): Emitted[] {
    return this.#emittedBy(() => {
      const held = this.#take(key ?? this.#heldKey() ?? '')
      const of = this.#keyOf(held.event)
      const rows = applyRows(this.#state.view(of), held.decision, this.#state.inherited(of))
      const outcome = freeze(outcomeOf(held))
      const { lane } = this.#state
      const conclude = () => this.#stage.conclude?.(held.event, rows, held.call, outcome, lane) ?? {}
      const concluded = this.#twice(conclude)
      assert.equal(concluded.call, undefined, 'conclude may not ask for a call: set a timer that is due now')
      this.#commit(held.event, join(held.decision, concluded))
      this.#settle()
    })
  }

  #take(key: string): Held {
    const state = this.#state.peek(key)
    assert.ok(state?.held, `no call of ${this.#stage.name} is held`)
    const held = state.held
    state.held = null
    return held
  }

  #twice(run: () => Decision): Decision {
    const first = run()
    assert.deepEqual(run(), first, `${this.#stage.name} decided differently the second time: it is not pure`)
    return first
  }

  #commit(event: StageEvent, decision: Decision): void {
    this.#state.commit(this.#keyOf(event), decision, event.atMs)
    for (const emit of decision.emit ?? []) this.emitted.push(checkEmit(emit, event.key))
  }

  /** The next event due: a timer of a key at rest or one that interrupts, or a call's time limit. */
  #nextDue(): { atMs: number; fire: () => void } | null {
    const candidates = this.#state.entries().flatMap(([key, state]) => this.#dueOf(key, state))
    return candidates.sort((a, b) => a.atMs - b.atMs)[0] ?? null
  }

  #dueOf(key: string, state: KeyState): { atMs: number; fire: () => void }[] {
    const timers = [...state.timers].map(([name, atMs]) => this.#timer(key, name, atMs))
    const firing = timers.filter((event) => !state.held || this.#stage.interrupts?.(event))
    const due = firing.map((event) => ({ atMs: event.atMs, fire: () => this.#fire(key, event) }))
    if (!state.held) return due
    const { timeoutMs, untilMs = Number.POSITIVE_INFINITY } = state.held.call
    const limitMs = state.held.startedMs + timeoutMs
    const code = untilMs <= limitMs ? 'CALL_ABORTED' : 'CALL_TIMEOUT'
    return [{ atMs: Math.min(limitMs, untilMs), fire: () => void this.fail(code, { key }) }, ...due]
  }

  #timer(key: string, name: string, atMs: number): StageEvent {
    const id = hash('timer', key, name, atMs, this.#sent)
    return { type: 'TimerFired', data: { name }, id, key, lane: 0, atMs, traceId: null }
  }

  #fire(key: string, event: StageEvent): void {
    if (event.type === 'TimerFired') this.#state.of(key).timers.delete(event.data.name)
    this.#sent += 1
    this.#deliver(event)
  }

  #heldKey(): string | undefined {
    if (this.#state.peek(this.#lastKey)?.held) return this.#lastKey
    return this.#state.entries().find(([, state]) => state.held)?.[0]
  }

  #times(held: Held) {
    const callId = hash('call', held.event.id, this.#stage.name)
    return { startedMs: held.startedMs, endedMs: this.now, callId }
  }
}

function hash(...parts: unknown[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32)
}

function checkEmit(emit: Emit, key: string): Emitted {
  assertCarries(emit.topic, emit.type)
  for (const [field, value] of Object.entries(emit.data)) {
    assert.notEqual(value, undefined, `${emit.type}.${field} is undefined: Avro has null only`)
  }
  return freeze({ ...emit, key: emit.key ?? key })
}

function assertCarries(topic: TopicName, type: EventType): void {
  const spec = topics.find((candidate) => candidate.name === topic)
  assert.ok(spec?.events.includes(type), `${topic} does not carry ${type}`)
}
