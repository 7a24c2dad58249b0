// Effects of handlings: applied in memory, then handed to the lane's next commit.
//
// 1. A handling's changes are applied in memory when it ends, before its key is free again, and pushed to the
//    commit in the same tick: the commit sees effects of one key in order.
// 2. If the stage has rows of the lane, they are applied in the tick of the decision, and every effect of the
//    lane is pushed in the order of the decisions: one that waits for a store is waited for.
import type { Decoded } from '../../codec/port.ts'
import { LaneLost } from '../calls/calls.ts'
import { MAX_LINGER_MS, type GroupCommit } from './group-commit.ts'
import * as handlings from './handling.ts'
import type { Armed, Handling, Outcome } from './handling.ts'
import type { HostParts } from '../context.ts'
import type { Quarantine } from './quarantine.ts'
import type { LaneState, RowChange } from './state.ts'
import type { ArmedTimer } from './timers.ts'
import { Uncommitted } from './commit-barrier.ts'

interface EffectsLane {
  readonly epoch: number
  readonly state: LaneState
  readonly commit: GroupCommit
  readonly quarantine: Quarantine
  readonly lost: AbortSignal
  arm(timer: ArmedTimer): void
  /** An effect can't be pushed: nothing behind it may be. */
  failed(error: unknown): void
}

export class LaneEffects {
  readonly #parts: HostParts
  readonly #lane: EffectsLane
  readonly #uncommitted = new Uncommitted()
  /** The last effect that waits for a store, or for one that does; null when none does. */
  #delayed: Promise<void> | null = null

  constructor(parts: HostParts, lane: EffectsLane) {
    this.#parts = parts
    this.#lane = lane
  }

  /** Tasks whose effects wait for their commit. */
  get committing(): number {
    return this.#uncommitted.size
  }

  /** The lane is lost: nobody waits any longer. */
  stop(): void {
    this.#uncommitted.release()
  }

  /** Encodes, applies and pushes the effect of a handling. */
  push(handling: Handling, outcome: Outcome): void | Promise<void> {
    const { state, quarantine, commit, lost } = this.#lane
    const records = handlings.encodeEmits(this.#parts, handling, outcome)
    const { changes, armed } = handlings.changesOf(state, handling, outcome)
    const rows = this.#encodeRows(changes, outcome)
    if (outcome.lane) state.writeLane(outcome.lane)
    const apply = (readyRecords: Awaited<typeof records>, readyRows: Awaited<typeof rows>) => {
      if (lost.aborted) throw new LaneLost('after the work')
      state.apply(changes)
      this.#uncommitted.add(handling.key)
      const cleared = quarantine.acquitted(handling)
      commit.push({
        records: readyRecords,
        rows: cleared.length > 0 ? [...readyRows, ...cleared] : readyRows,
        input: handling.record,
        cause: handling.cause,
        withinMs: readyRecords.length > 0 ? 0 : this.#untilFirst(armed),
        committed: () => {
          this.#uncommitted.remove(handling.key)
          this.#committed(handling, outcome, armed)
        },
      })
    }
    if (!(records instanceof Promise) && !(rows instanceof Promise)) {
      if (this.#delayed === null) return apply(records, rows)
      return this.#inTurn(() => apply(records, rows))
    }
    let started: readonly [typeof records, typeof rows] | null = [records, rows]
    const stored = handlings.persistently(this.#parts, lost, () => {
      const encoding = started ?? this.#encodeAgain(handling, outcome, changes)
      started = null
      return Promise.all(encoding)
    })
    if (!this.#parts.stage.laneIndex) return stored.then((ready) => apply(...ready))
    stored.catch(() => {})
    return this.#inTurn(async () => apply(...(await stored)))
  }

  /** Pushes after every delayed effect. If one can't be pushed, none behind it may be: the lane ends. */
  #inTurn(push: () => void | Promise<void>): Promise<void> {
    const mine = (this.#delayed ?? Promise.resolve()).then(push)
    this.#delayed = mine
    mine.then(
      () => {
        if (this.#delayed === mine) this.#delayed = null
      },
      (error: unknown) => this.#lane.failed(error),
    )
    return mine
  }

  /** An effect that emits nothing may linger; but a timer is armed by the commit. */
  #untilFirst(armed: readonly Armed[]): number {
    const now = this.#parts.clock.now()
    return armed.reduce((delayMs, { dueMs }) => Math.max(0, Math.min(delayMs, dueMs - now)), MAX_LINGER_MS)
  }

  #encodeAgain(handling: Handling, outcome: Outcome, changes: readonly RowChange[]) {
    return [
      handlings.encodeEmits(this.#parts, handling, outcome),
      this.#encodeRows(changes, outcome),
    ] as const
  }

  #encodeRows(changes: readonly RowChange[], { lane }: Outcome) {
    const { blobs, options } = this.#parts
    return this.#lane.state.encode(changes, blobs, options.maxRowBytes, lane)
  }

  /**
   * Resolves when every effect of this key, its root and its parts is committed, or the lane is lost. Null:
   * none is on its way.
   */
  settled(key: string): Promise<void> | null {
    const settled = this.#uncommitted.settled(key)
    if (settled) this.#lane.commit.flush()
    return settled
  }

  #committed(handling: Handling, outcome: Outcome, armed: readonly Armed[]): void {
    const { stage, instruments, journal } = this.#parts
    const { event, span } = handling
    for (const { key, name, dueMs } of armed)
      this.#lane.arm({ key, name, dueMs, causeId: event.id, traceparent: span.traceparent })
    span.committed(outcome.emit)
    instruments.count('handlings', 1, {
      stage: stage.name,
      topic: handling.record?.topic ?? 'timer',
      type: event.type,
    })
    for (const emit of outcome.emit) {
      instruments.count('events_emitted', 1, { stage: stage.name, topic: emit.topic, type: emit.type })
      instruments.committed(emit as Decoded, {
        stage: stage.name,
        traceparent: emit.traceparent ?? span.traceparent,
      })
    }
    if (outcome.callIds.length > 0) journal.forget(outcome.callIds, this.#lane.epoch)
  }
}
