// One event on its way through a stage: decide, call, conclude, and their joint outcome.
import { backoffMs } from '../../backoff.ts'
import { sleep } from '../../clock.ts'
import {
  externalize,
  isMissingPayload,
  refersToPayload,
  resolve,
  withoutPayloads,
} from '../../codec/claim-check.ts'
import { changeRows, merge } from '../../decisions.ts'
import { failure, FlotillaError, messageOf, toFailure } from '../../errors.ts'
import type { LogRecord, OutgoingRecord } from '../../log/port.ts'
import type { Decision, Emit, Failure, StageEvent } from '../../stage.ts'
import type { HandlingSpan } from '../../telemetry/instruments.ts'
import { LaneLost } from '../calls/calls.ts'
import { Stop } from '../calls/stop.ts'
import { callId, plainCallId } from './ids.ts'
import type { HostParts } from '../context.ts'
import { toRecord } from './event-records.ts'
import type { LaneState, RowChange } from './state.ts'

/** An event that a lane has taken: queued, then running until its effect is handed to the commit. */
export class Handling {
  readonly key: string
  /** Its large payloads are references until it is `whole`. */
  event: StageEvent
  whole = false
  /** Names it while the lane is dropped and opened again (refusals.ts). */
  readonly cause: string
  /** Null for timers. */
  readonly record: LogRecord | null
  readonly span: HandlingSpan
  /** When it began to run; 0 before. Epoch milliseconds. */
  startedMs = 0
  throws = 0
  /** Count of the events that it has sent outside of the transaction. */
  streamed = 0
  #interrupts: Stop | null = null

  constructor(event: StageEvent, record: LogRecord | null, cause: string, span: HandlingSpan) {
    this.key = event.key
    this.event = event
    this.record = record
    this.cause = cause
    this.span = span
  }

  /** Aborts when the call that it makes has to stop. Made when it is asked for: most handlings make no call. */
  get interrupted(): Stop {
    return (this.#interrupts ??= new Stop())
  }

  interrupt(): void {
    this.interrupted.abort()
  }
}

/** A stage threw: a bug. */
export class StageThrew extends Error {
  override readonly name = 'StageThrew'

  /** Why a retry is no use; null: it may succeed. */
  get final(): Failure | null {
    const { cause } = this
    return cause instanceof FlotillaError && FINAL.has(cause.code) ? toFailure(cause) : null
  }
}

/** A payload that is gone, and an event that is too large for the log: a retry fails in the same way. */
const FINAL: ReadonlySet<string> = new Set(['PAYLOAD_MISSING', 'RECORD_TOO_LARGE'])

/** A replica of the store may lag for a moment. */
const MISSING_TRIES = 3

/** Rows, events and timers of decide and conclude, joined. */
export interface Outcome {
  clear: boolean
  rows: Record<string, unknown>
  emit: Emit[]
  timers: Record<string, number | null>
  wakeParts: string | null
  /** Rows of the lane; null: none. */
  lane: Record<string, unknown> | null
  /** Journal entries that the commit makes unnecessary. */
  callIds: string[]
  /** Which of the emitted events finish what a former owner of the lane had begun; null: none. */
  resumed: Resumed | null
}

/** Events from the index `from` on, before `until`. */
interface Resumed {
  readonly epoch: number
  readonly from: number
  readonly until: number
}

export function join(...decisions: Decision[]): Outcome {
  const [first = {}] = decisions
  const joined = decisions.length <= 1 ? first : merge(...decisions)
  const { clear = false, rows = {}, emit = [], timers = {}, wakeParts = null, lane = null } = joined
  return { clear, rows, emit, timers, wakeParts, lane, callIds: [], resumed: null }
}

export interface LaneFacts {
  readonly lane: number
  readonly epoch: number
  readonly state: LaneState
  readonly lost: AbortSignal
  /** Whether a former owner, which died, may have been at work on it. */
  isSuspect(handling: Handling): boolean
  /** Whether the journal may have lost that a former owner began the call of this event. Null: no. */
  mayBeLost(handling: Handling): (() => Promise<boolean>) | null
  /** Resolves when every effect of this key, its root and its parts is committed, or the lane is lost. */
  settled(key: string): Promise<void> | null
  stream(emit: Emit, handling: Handling): void
  /** The work is done: its effects are applied and go to the commit. A promise if they wait for a store. */
  conclude(handling: Handling, outcome: Outcome): void | Promise<void>
}

function asBug<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new StageThrew(messageOf(error), { cause: error })
  }
}

/** The event with its large payloads, fetched when it runs: one that is away delays its own key only. */
function withPayloads(
  parts: HostParts,
  lost: AbortSignal,
  { event, record }: Handling,
): StageEvent | Promise<StageEvent> {
  if (event.type === 'TimerFired' || event.type === 'SubmissionRefused') return event
  const { type } = event
  if (!refersToPayload(type, event.data)) return event
  const whole = (data: unknown) => ({ ...event, data }) as StageEvent
  const { payloads } = parts.stage.consumes.find(({ topic }) => topic === record?.topic) ?? {}
  if (payloads === 'unread') return whole(withoutPayloads(type, event.data))
  let missing = 0
  const fetch = async () => {
    try {
      return await resolve(type, event.data, parts.blobs)
    } catch (error) {
      if (!isMissingPayload(error) || ++missing < MISSING_TRIES) throw error
      const gone = payloads === 'optional' ? 'null' : 'spare'
      try {
        return await resolve(type, event.data, parts.blobs, gone)
      } catch (cause) {
        throw isMissingPayload(cause) ? new StageThrew(cause.message, { cause }) : cause
      }
    }
  }
  return persistently(parts, lost, fetch).then(whole)
}

/** The event as `decide` gets it: whole, and with what a former owner had begun for it. */
function wholeEvent(parts: HostParts, lane: LaneFacts, handling: Handling): StageEvent | Promise<StageEvent> {
  const event = withPayloads(parts, lane.lost, handling)
  if (!parts.stage.mayHaveBegun || !lane.isSuspect(handling)) return event
  return withBegun(parts, lane, handling, event)
}

async function withBegun(
  parts: HostParts,
  { lost, state }: LaneFacts,
  { key }: Handling,
  whole: StageEvent | Promise<StageEvent>,
): Promise<StageEvent> {
  const event = await whole
  const { stage, journal } = parts
  const call = asBug(() => stage.mayHaveBegun?.(event, state.view(key)) ?? null)
  if (call === null) return event
  const id = callId(key, event.id, stage.name, 0)
  const isBegun = await persistently(parts, lost, () => journal.wasBegun(id, key, call))
  return isBegun ? { ...event, begun: true } : event
}

/**
 * Runs `decide`, makes the call that it asks for, and concludes with the outcome in the tick in which that is decided:
 * another handling may be answered in between. Synchronous if the stage makes no call and nothing is large.
 */
export function handle(parts: HostParts, lane: LaneFacts, handling: Handling): void | Promise<void> {
  if (handling.whole) return work(parts, lane, handling)
  const event = wholeEvent(parts, lane, handling)
  const begin = (whole: StageEvent) => {
    handling.event = whole
    handling.whole = true
    return work(parts, lane, handling)
  }
  return event instanceof Promise ? event.then(begin) : begin(event)
}

function work(parts: HostParts, lane: LaneFacts, handling: Handling): void | Promise<void> {
  const rows = lane.state.view(handling.key)
  const decision = asBug(() => parts.stage.decide(handling.event, rows, lane.state.lane))
  if (decision.call !== undefined) return workWithCall(parts, lane, handling, rows, decision)
  return lane.conclude(handling, withTakenOver(lane, handling, join(decision)))
}

/** The first thing that this owner says in the history of a key that it took over in the middle. */
function withTakenOver({ state, epoch }: LaneFacts, { key }: Handling, outcome: Outcome): Outcome {
  const from = outcome.emit.findIndex(({ topic }) => topic === 'tasks.history')
  if (from >= 0 && state.takeRestored(key)) outcome.resumed = { epoch, from, until: from + 1 }
  return outcome
}

async function workWithCall(
  parts: HostParts,
  lane: LaneFacts,
  handling: Handling,
  rows: Record<string, unknown>,
  decision: Decision,
): Promise<void> {
  const { stage } = parts
  const { call } = decision
  const left = decision.clear ? lane.state.inherited(handling.key) : null
  if (!call || !stage.conclude) throw new StageThrew(`${stage.name} asked for a call and has no conclude`)
  if (decision.lane)
    throw new StageThrew(`${stage.name}: rows of the lane are written by conclude, after the call`)
  const isJournalled = call.journalled !== false
  // The events behind this call must be durable before the world sees it. What is not journalled is repeated after
  // every crash, with the events before it: those need no commit of their own.
  const settled = isJournalled ? lane.settled(handling.key) : null
  if (settled) await settled
  if (lane.lost.aborted) throw new LaneLost('before a call')
  let isResumed = false
  const { id: eventId } = handling.event
  const id = isJournalled ? callId(handling.key, eventId, stage.name, 0) : plainCallId(eventId, stage.name)
  const span = handling.span.call(call, id)
  const onResumed = (): void => void (isResumed = true)
  const stream = (emit: Emit): void => lane.stream(emit, handling)
  const outcome = await parts.calls.make({
    call,
    id,
    key: handling.key,
    owner: parts.instance,
    epoch: lane.epoch,
    interrupted: handling.interrupted,
    lost: lane.lost,
    traceparent: span.traceparent,
    stream,
    mayBeLost: lane.mayBeLost(handling),
    onResumed,
  })
  span.end(outcome)
  const concluded = asBug(
    () =>
      stage.conclude?.(
        handling.event,
        // Nobody else has the view that `decide` was given; `left`: what clearing the key leaves.
        changeRows(left ?? rows, decision.rows),
        call,
        outcome,
        lane.state.lane,
      ) ?? {},
  )
  if (concluded.call)
    throw new StageThrew(`${stage.name}: conclude may not ask for another call; set a timer that is due now`)
  const joined = join(decision, concluded)
  if (isJournalled) joined.callIds.push(outcome.callId)
  if (!isResumed) return lane.conclude(handling, withTakenOver(lane, handling, joined))
  lane.state.takeRestored(handling.key)
  const from = decision.emit?.length ?? 0
  joined.resumed = { epoch: lane.epoch, from, until: joined.emit.length }
  return lane.conclude(handling, joined)
}

/** The work is done; the commit follows. */
export function measure({ clock, instruments, stage }: HostParts, handling: Handling): void {
  const seconds = (clock.now() - handling.startedMs) / 1_000
  instruments.observe('handling', seconds, labelsOf(stage.name, handling))
}

/** Labels of a metric on handlings. */
export const labelsOf = (stage: string, { record, event: { type } }: Handling) => ({
  stage,
  topic: record?.topic ?? 'timer',
  type,
})

/** The reply to the requester of a poisoned event. If `poisoned` throws, there is only a dead letter. */
export function poisonedOutcome(
  parts: HostParts,
  lane: LaneFacts,
  handling: Handling,
  reason: Failure,
): Outcome {
  const { stage } = parts
  try {
    const { state } = lane
    return join(stage.poisoned?.(handling.event, state.present(handling.key), reason, state.lane) ?? {})
  } catch (error) {
    parts.instruments.log.error(
      { err: error, stage: stage.name },
      'stage.poisoned() threw (bug); the requester gets no reply',
    )
    return join()
  }
}

export function stageFailure(parts: HostParts, error: StageThrew, event: StageEvent): Failure {
  return failure(
    'HANDLER_FAILED',
    `${parts.stage.name} threw on ${event.type} of ${event.key}: ${error.message}`,
  )
}

/** A timer that the commit arms. */
export interface Armed {
  readonly key: string
  readonly name: string
  readonly dueMs: number
}

/** Changes of rows and timers that an outcome makes; the timers that it arms. */
export function changesOf(
  state: LaneState,
  handling: Handling,
  outcome: Outcome,
): { changes: RowChange[]; armed: Armed[] } {
  const { key, event } = handling
  const changes: RowChange[] = outcome.clear ? state.cleared(key) : []
  if (event.type === 'TimerFired') changes.push(state.timerChange(key, event.data.name, null))
  for (const name in outcome.rows) changes.push({ key, name, value: outcome.rows[name] ?? null })
  const armed: Armed[] = []
  const set = (owner: string, name: string, dueMs: number): void => {
    const timer = { dueMs, causeId: event.id, traceparent: handling.span.traceparent }
    changes.push(state.timerChange(owner, name, timer))
    armed.push({ key: owner, name, dueMs })
  }
  for (const name in outcome.timers) {
    const dueMs = outcome.timers[name] as number | null
    if (dueMs === null) changes.push(state.timerChange(key, name, null))
    else set(key, name, dueMs)
  }
  if (outcome.wakeParts !== null && !outcome.clear)
    for (const part of state.parts(key)) set(part, outcome.wakeParts, event.atMs)
  return { changes, armed }
}

/** The events of an outcome as records. Large payloads go to the blob store first. */
export function encodeEmits(
  parts: HostParts,
  handling: Handling,
  { emit: emits, resumed }: Pick<Outcome, 'emit' | 'resumed'>,
): OutgoingRecord[] | Promise<OutgoingRecord[]> {
  if (emits.length === 0) return []
  const { blobs, codec, stage } = parts
  const records: OutgoingRecord[] = []
  const later: Promise<void>[] = []
  const encode = (emit: Emit, data: Emit['data'], index: number): void => {
    const isResumed = resumed !== null && index >= resumed.from && index < resumed.until
    const resumedEpoch = isResumed && emit.topic === 'tasks.history' ? resumed.epoch : null
    const value = codec.encode(emit.type, data as never, emit.topic)
    records[index] = toRecord(parts, emit, value, handling, index, resumedEpoch)
  }
  asBug(() => {
    for (let index = 0; index < emits.length; index++) {
      const emit = emits[index] as Emit
      const data = externalize(emit.type, emit.data, blobs)
      if (!(data instanceof Promise)) {
        encode(emit, data, index)
        continue
      }
      // An event that can't be encoded must fail before the rows of the lane change.
      if (stage.laneIndex) codec.encode(emit.type, emit.data as never, emit.topic)
      later.push(data.then((ready) => asBug(() => encode(emit, ready, index))))
    }
  })
  return later.length === 0 ? records : Promise.all(later).then(() => records)
}

/** Repeats what needs a store until it works or the lane is lost. Bugs and lost lanes pass. */
export async function persistently<T>(
  parts: HostParts,
  lost: AbortSignal,
  step: () => T | Promise<T>,
): Promise<T> {
  const final = (error: FlotillaError): never => {
    throw lost.aborted ? error : new StageThrew(error.message, { cause: error })
  }
  const refuse = (error: unknown): void => {
    if (error instanceof StageThrew || error instanceof LaneLost || lost.aborted) throw error
  }
  const pause = async (attempt: number): Promise<void> => {
    await sleep(parts.clock, backoffMs(attempt, 50, 5_000))
    if (lost.aborted) throw new LaneLost('while waiting for a store')
  }
  return parts.calls.stalls.retry('a store', step, { final, refuse, pause })
}
