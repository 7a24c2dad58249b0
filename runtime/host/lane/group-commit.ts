// Commits of one lane, in groups.
//
// 1. One commit at a time; while it is under way the next group gathers. Effects are committed in the order
//    of `push`.
// 2. LaneFenced and CommitUncertain end the lane: the owner reopens it and reads what happened. CommitFailed
//    is retried a few times, then ends the lane too. CommitRefused is noted (refusals.ts), and ends it as
//    well.
import { backoffMs } from '../../backoff.ts'
import {
  CommitFailed,
  CommitRefused,
  type LaneCommit,
  type OpenLane,
  type OutgoingRecord,
  CommitUncertain,
  LaneFenced,
  type StateRow,
} from '../../log/port.ts'
import { sleep, type Clock } from '../../clock.ts'
import type { OffsetTracker } from './offsets.ts'
import type { LogRecord } from '../../log/port.ts'
import type { Instruments } from '../../telemetry/instruments.ts'
import type { Refusals } from './refusals.ts'

/** Changes that one handling adds to the next commit. */
export interface Effect {
  readonly records: readonly OutgoingRecord[]
  readonly rows: readonly StateRow[]
  /** The input record; null for timers. */
  readonly input: LogRecord | null
  /** Names its cause: the same each time that is handled (`causeOf`, or the id of a timer's event). */
  readonly cause: string
  /** How long it may be delayed so that others can join its commit: 0 if it emits something. Milliseconds. */
  readonly withinMs: number
  /** Called once, after the commit. */
  readonly committed: () => void
}

const MAX_EFFECTS = 1_000
const MAX_BYTES = 4_000_000
/** Most effects that linger: one more commits them all. */
const MAX_LINGERING = 100
const MAX_TRIES = 5
const NEVER = Number.POSITIVE_INFINITY

/** Longest delay of an effect that nobody waits for. */
export const MAX_LINGER_MS = 1_000
const IDLE_FLUSH_MS = 2_000

export interface CommitParts {
  readonly clock: Clock
  readonly refusals: Refusals
  readonly instruments: Pick<Instruments, 'count' | 'observe' | 'record'>
  /** Label of the metrics. */
  readonly stage: string
}

export class GroupCommit {
  readonly #lane: OpenLane
  readonly #offsets: OffsetTracker
  readonly #clock: Clock
  readonly #refusals: Refusals
  readonly #parts: CommitParts
  readonly #failed: (error: unknown) => void
  #pending: Effect[] = []
  #running = false
  #stopped = false
  /** When the pending effects must be committed at the latest. */
  #dueMs = NEVER
  #cancelWake: (() => void) | null = null
  readonly #idleWaiters: (() => void)[] = []

  constructor(lane: OpenLane, offsets: OffsetTracker, parts: CommitParts, failed: (error: unknown) => void) {
    this.#lane = lane
    this.#offsets = offsets
    this.#clock = parts.clock
    this.#refusals = parts.refusals
    this.#parts = parts
    this.#failed = failed
  }

  push(effect: Effect): void {
    if (this.#stopped) return
    this.#pending.push(effect)
    this.#commitWithin(this.#pending.length < MAX_LINGERING ? effect.withinMs : 0)
  }

  /** A record was skipped: its position is written with the next commit, or on its own after a while. */
  skipped(): void {
    this.#commitWithin(IDLE_FLUSH_MS)
  }

  /** Commits what is pending without waiting for more. */
  flush(): void {
    if (this.#pending.length > 0 || this.#offsets.hasChanges) this.#commitWithin(0)
  }

  #commitWithin(delayMs: number): void {
    const dueMs = this.#clock.now() + delayMs
    if (this.#stopped || this.#dueMs <= dueMs) return
    this.#dueMs = dueMs
    if (!this.#running) this.#wakeWithin(delayMs)
  }

  #wakeWithin(delayMs: number): void {
    this.#cancelWake?.()
    this.#cancelWake = null
    if (delayMs <= 0) return void this.#run()
    this.#cancelWake = this.#clock.schedule(delayMs, () => void this.#run())
  }

  /** Resolves when nothing is pending (or the lane ended). */
  settled(): Promise<void> {
    this.flush()
    if (this.#stopped || (!this.#running && this.#pending.length === 0)) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaiters.push(resolve))
  }

  stop(): void {
    this.#stopped = true
    this.#pending = []
    this.#cancelWake?.()
    this.#release()
  }

  #release(): void {
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }

  async #run(): Promise<void> {
    this.#cancelWake = null
    this.#running = true
    try {
      // Let handlings that end in this tick join the group.
      await Promise.resolve()
      while (!this.#stopped && this.#isDue()) {
        const group = this.#takeGroup()
        this.#dueMs = this.#pending.length > 0 ? this.#clock.now() : NEVER
        const startedMs = this.#clock.now()
        const commit = this.#commitOf(group)
        try {
          await this.#lane.commit(commit)
        } catch (error) {
          await this.#retry(commit, group, startedMs, error)
        }
        this.#measure('committed', startedMs, group.length)
        if (this.#stopped) return
        for (const effect of group) {
          this.#refusals.committed(effect.cause)
          effect.committed()
        }
      }
    } catch (error) {
      if (!this.#stopped) this.#failed(error)
    } finally {
      this.#running = false
      this.#release()
      if (!this.#stopped && this.#dueMs < NEVER) this.#wakeWithin(this.#dueMs - this.#clock.now())
    }
  }

  #isDue(): boolean {
    return this.#dueMs <= this.#clock.now() || (this.#idleWaiters.length > 0 && this.#pending.length > 0)
  }

  #commitOf(group: readonly Effect[]): LaneCommit {
    for (const { input } of group) if (input) this.#offsets.finish(input.topic, input.offset)
    const positions = this.#offsets.takeChanges()
    const [only] = group
    // Of rows with one key the last counts.
    if (only && group.length === 1) return { records: only.records, rows: only.rows, positions }
    const rows = new Map<string, StateRow>()
    for (const effect of group) for (const row of effect.rows) rows.set(row.key, row)
    return { records: group.flatMap((effect) => effect.records), rows: [...rows.values()], positions }
  }

  /** Repeats a commit that may be tried again. Notes what the log refuses, and rejects with the last error. */
  async #retry(
    commit: LaneCommit,
    group: readonly Effect[],
    startedMs: number,
    first: unknown,
  ): Promise<void> {
    let error = first
    for (let tries = 1; ; tries++) {
      if (!(error instanceof CommitFailed) || tries === MAX_TRIES || this.#stopped) break
      await sleep(this.#clock, backoffMs(tries, 20))
      try {
        return await this.#lane.commit(commit)
      } catch (again) {
        error = again
      }
    }
    this.#measure(resultOf(error), startedMs, group.length)
    const causes = group.map(({ cause }) => cause)
    if (error instanceof CommitRefused) this.#refusals.note(causes, error)
    throw error
  }

  #measure(result: string, startedMs: number, handlings: number): void {
    const { instruments, stage } = this.#parts
    instruments.count('commits', 1, { stage, result })
    if (result !== 'committed') return
    instruments.observe('commit', (this.#clock.now() - startedMs) / 1_000, { stage })
    // A commit of positions alone is shared by none.
    if (handlings > 0) instruments.record('commit_handlings', handlings, { stage })
  }

  #takeGroup(): Effect[] {
    if (this.#refusals.oneByOne) return this.#pending.splice(0, 1)
    let bytes = 0
    let count = 0
    for (const effect of this.#pending) {
      for (const { value } of effect.records) bytes += value?.length ?? 0
      for (const { value } of effect.rows) bytes += value?.length ?? 0
      count++
      if (count === MAX_EFFECTS || bytes > MAX_BYTES) break
    }
    return this.#pending.splice(0, count)
  }
}

function resultOf(error: unknown): string {
  if (error instanceof LaneFenced) return 'fenced'
  if (error instanceof CommitRefused) return 'refused'
  return error instanceof CommitUncertain ? 'uncertain' : 'failed'
}
