// The contract between a stage (pure) and the host (all I/O).
//
// 1. `decide` and `conclude` are pure: no await, clock, randomness, environment or logger. Time is
//    `event.atMs` in `decide` and `outcome.endedMs` in `conclude`, both journalled, so a second run decides
//    the same.
// 2. Everything a Decision holds (rows, events, timers) is committed in one transaction with the input's
//    position.
// 3. An expected failure is data (a CallOutcome with ok: false). A throw is a bug: the event goes to
//    dead-letters after a few tries, and `poisoned` says how its requester learns of it.
// 4. Events of one key are handled one at a time, in order of arrival. Different keys run concurrently.
// 5. A key may have parts (keys.ts), each a key of its own: only `keyOf` makes them. A handling of a part
//    also sees the rows of its root (its own rows win), as they are when it begins; clearing a root clears
//    its parts, clearing a part only itself. A root may wake its parts, and never runs beside them.
// 6. A lane may have rows that all of its keys share (a window, a queue): a LaneIndex. They change in the
//    tick in which a Decision is made, so the next one sees them; and the effects of such a stage are
//    committed in the order of its decisions, so that after a crash the lane is as some decision left it, and
//    later ones are made again.
import type { EventMap, EventType, Failure } from '../schemas/generated/events.ts'
import type { TopicName } from '../schemas/topics.ts'
import type { Key } from './keys.ts'

export type { EventMap, EventType, Failure } from '../schemas/generated/events.ts'
export type { Json } from '../schemas/json.ts'

/**
 * The rows of a lane, in the shape in which the stage looks them up. It depends on the rows alone, not on the
 * order in which they were written, because a restored lane gets them in any order.
 */
export interface LaneIndex {
  /** Only the host calls it, with what a Decision wrote, now or before the lane was opened. Null deletes. */
  write(name: string, value: unknown): void
}

/**
 * State of one key: named rows, each a JSON value, written only when changed. Names may use template keys
 * (`step:${n}`).
 */
export type Rows = Record<string, unknown>

export interface EventMeta {
  /** Stable across redelivery. */
  readonly id: string
  /** Key of the state, encoded (keys.ts): the task id, or that of `keyOf`. In `keyOf` itself: unchanged. */
  readonly key: string
  /** Lane (= partition) on which it was read. */
  readonly lane: number
  /** The record's timestamp; for a timer, the time for which it was set. Epoch milliseconds. */
  readonly atMs: number
  /** Trace id of the task as 32 hex digits; null when nothing traces. */
  readonly traceId: string | null
  /** Trace context of this handling, for events emitted later for its task (`Emit.traceparent`). */
  readonly traceparent?: string | null
  /** True: a former owner of the lane, which died, had begun the call that `mayHaveBegun` names. */
  readonly begun?: true
}

/** A timer that came due, set earlier by a Decision of the same key. */
export interface TimerFired {
  name: string
}

/**
 * A record on tasks.submitted that asks for a task and can't be one (a field is missing or wrong, an id is
 * none). Its key is the id that the task gets, derived if the given one is not valid. For the stage with
 * `forwardsHome`.
 */
export interface SubmissionRefused {
  failure: Failure
}

type EventOf<M> = { [T in keyof M]: { readonly type: T; readonly data: M[T] } & EventMeta }[keyof M]
export type StageEvent = EventOf<EventMap & { TimerFired: TimerFired; SubmissionRefused: SubmissionRefused }>
/** An event that came as a record. */
export type RecordEvent = Exclude<StageEvent, { type: 'TimerFired' }>

export type Emit = {
  [T in EventType]: {
    topic: TopicName
    type: T
    data: EventMap[T]
    /** Defaults to the key of the event being handled. */
    key?: string
    /** Set on replies: only this stage decodes the record. */
    requester?: string
    /** Trace context of the task, if another task's event is being handled. Default: the handling's. */
    traceparent?: string
  }
}[EventType]

/** At most one outside call of a handling: a model, a tool, a sandbox, a sink. */
export interface Call {
  /** Which of the service's callers makes it. */
  readonly kind: string
  /** Provider or tool that is called: names the circuit breaker and the span. */
  readonly target: string
  /** Name of the circuit breaker, if several targets share one. Default: kind and target. */
  readonly breaker?: string
  /** JSON. Its hash is journalled with the outcome. */
  readonly request: unknown
  /** Hard limit; the host aborts the call then and answers CALL_TIMEOUT. Milliseconds. */
  readonly timeoutMs: number
  /**
   * Its task's deadline, epoch milliseconds: ends the call, or its wait for a slot, as CALL_ABORTED, because
   * that says nothing of the other side.
   */
  readonly untilMs?: number
  /** False: begun without an outcome, it is never made again; the outcome is then CALL_OUTCOME_UNKNOWN. */
  readonly idempotent: boolean
  /**
   * False for effects that are upserts by event id: no journal entry is written, and the call does not wait for the
   * commit of what was decided before it. Default true.
   */
  readonly journalled?: boolean
  /** Calls with the same text here are made one after the other, in the order in which they were asked for. */
  readonly inOrderOf?: string
}

export interface CallFailure extends Failure {
  /** Cost of the failure, if known (tokens spent before an abort); JSON. */
  details?: unknown
}

export type CallOutcome<V = unknown> =
  | {
      readonly ok: true
      readonly value: V
      readonly startedMs: number
      readonly endedMs: number
      readonly callId: string
    }
  | {
      readonly ok: false
      readonly failure: CallFailure
      readonly startedMs: number
      readonly endedMs: number
      readonly callId: string
      /** True: its caller was invoked, so it may have cost something, even if `details` do not say what. */
      readonly made?: boolean
    }

export interface Decision<R extends Rows = Rows> {
  /** Rows to write; null deletes. */
  rows?: { [K in keyof R]?: R[K] | null }
  /** Delete every row and timer of this key and of its parts first (the task is over). */
  clear?: boolean
  emit?: Emit[]
  /**
   * Timer name → due time in epoch ms; null cancels. A time not in the future fires at once, as its own
   * event.
   */
  timers?: Record<string, number | null>
  /**
   * Sets this timer, due now, for every part of the key that has rows. For what ends or changes the work of all of
   * them: a handling of the root sees no rows of its parts.
   */
  wakeParts?: string
  /** Rows of the lane to write, for a stage with a `laneIndex`; null deletes. Not together with a call. */
  lane?: Record<string, unknown>
  /**
   * Only from `decide`: make this call, then ask `conclude`. Its rows, events and timers are kept and joined
   * with conclude's.
   */
  call?: Call
}

export interface Subscription {
  readonly topic: TopicName
  /** False skips the record without decoding it. Default: take all. */
  readonly accepts?: (headers: Readonly<Record<string, string>>) => boolean
  /**
   * Types that the stage handles; others are skipped once decoded, without waiting for anything. For topics
   * that anyone may write, whose headers may be absent or wrong. Default: all.
   */
  readonly events?: readonly EventType[]
  /**
   * Payloads that were too large for the log. `needed`: an event whose payload the blob store no longer has
   * is given up. `optional`: such a payload is null. `unread`: none is fetched, each is null. Default: needed.
   */
  readonly payloads?: 'needed' | 'optional' | 'unread'
}

export interface Stage<R extends Rows = Rows, L extends LaneIndex = LaneIndex> {
  readonly name: string
  /** Raised when rows or emitted events change in a way that an older process can't read. */
  readonly version: number
  readonly consumes: readonly Subscription[]
  /**
   * Records may wait this long, to be handled and committed together. For stages that nobody waits for:
   * ledgers, alerts. Milliseconds; default 0.
   */
  readonly lingerMs?: number
  /**
   * On topics that anyone may write: a record away from its key's home partition is written to its home,
   * before anything else sees it, and one that can't be taken is answered or becomes a dead letter. Other
   * stages skip both.
   */
  readonly forwardsHome?: boolean
  /** State key of an event, if it is not the task id. A string is a root. Timers keep their key. */
  keyOf?(event: RecordEvent): Key | string
  /**
   * Creates the rows that all keys of a lane share: called when a lane opens, before the rows that it has are
   * written to the index. A value may be a MissingRow (errors/missing-row.ts).
   */
  laneIndex?(): L
  /**
   * Rows that grow in number with the task and are seldom read. `rows` has them as properties that it inherits, so that a
   * handling costs the same however many there are: copies are made by `changedRows` (decisions.ts), and nothing lists
   * them. They are deleted by `clear` only. Not for a stage whose keys have parts. Default: none.
   */
  isCold?(name: string): boolean
  /**
   * The call that a former owner, which died, may have begun for this event: `begun` of the event says then whether it had.
   * For a stage that decides by settings which may have changed since. Null: none.
   */
  mayHaveBegun?(event: StageEvent, rows: Readonly<Partial<R>>): Pick<Call, 'kind' | 'target'> | null
  /** `lane`: the lane's rows as they are now, to be read only; empty without a `laneIndex`. */
  decide(event: StageEvent, rows: Readonly<Partial<R>>, lane: L): Decision<R>
  /** The outcome of the call that `decide` asked for. `rows` show decide's own writes, `lane` everyone's. */
  conclude?(
    event: StageEvent,
    rows: Readonly<Partial<R>>,
    call: Call,
    outcome: CallOutcome,
    lane: L,
  ): Decision<R>
  /**
   * True: this event stops a running call of its key, and of its key's parts, at once (CALL_ABORTED), then
   * takes its turn. A list of keys stops the calls of those keys and their parts instead.
   */
  interrupts?(event: StageEvent): boolean | readonly Key[]
  /** Replies to the requester of an event that threw repeatedly, in the transaction that dead-letters it. */
  poisoned?(event: StageEvent, rows: Readonly<Partial<R>>, failure: Failure, lane: L): Decision<R>
}

/** Context of a call, besides its request. */
export interface CallContext {
  /**
   * Hash of causing event, stage and index: the same on every retry after a crash. Send it as the idempotency
   * key.
   */
  readonly callId: string
  /** Key of the event's state, encoded (keys.ts). */
  readonly key: string
  /** Aborted at the time limit, on cancel, and when the lane is lost. */
  readonly signal: AbortSignal
  /** W3C trace context of the call's span, to be sent along. */
  readonly traceparent: string | null
  /** Best-effort event outside the transaction (TokensStreamed). Never throws. */
  readonly stream: (emit: Emit) => void
}

/**
 * Makes calls of one kind. Rejects with a FlotillaError; anything else counts as INTERNAL. When its signal
 * aborts it should reject at once, with the usage so far in the details; a moment later the result is
 * ignored.
 */
export type Caller = (request: never, context: CallContext) => Promise<unknown>
