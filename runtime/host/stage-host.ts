// One stage in one process: joins its group, opens the lanes it is given, reopens those that end by
// themselves.
import { backoffMs } from '../backoff.ts'
import { sleep } from '../clock.ts'
import { messageOf } from '../errors.ts'
import {
  CommitRefused,
  CommitUncertain,
  LaneFenced,
  type InputLoss,
  type LogTopic,
  type Membership,
  type OpenLane,
  type StateLoss,
} from '../log/port.ts'
import { LaneLost } from './calls/calls.ts'
import { Lane } from './lane/lane.ts'
import type { HostParts } from './context.ts'
import { Load } from './load.ts'
import { Refusals } from './lane/refusals.ts'
import { NewerState, type RowChange } from './lane/state.ts'
import { TrialGate } from './lane/trial-gate.ts'
import { inputLossText, stateLossText } from './losses.ts'
import { watchOpening } from './opening-watch.ts'

/** Short: the lane's tasks wait, and a broker or a store that was away comes back at any moment. */
const MAX_REOPEN_MS = 1_000
/** Shown by /ready until the group has assigned our lanes: a rolling restart must not go on before that. */
const JOINING = 'joining its consumer group'
/** How long /ready shows that input was lost: log and metric keep it. */
const SHOWN_LOSS_MS = 60_000

interface Slot {
  /** Grows when the lane is assigned again, so that an opening that took too long is thrown away. */
  readonly generation: number
  /** Kept over the lane's reopenings. */
  readonly refusals: Refusals
  lane: Lane | null
  opening: boolean
  /** Why it isn't open; shown by /ready. */
  problem: string | null
  /** What its opening waits for. */
  waitsFor: string
  /** Failed openings since it last worked. */
  failures: number
  /** Epochs of openings since it last worked that ended while this process lived and still had the lane. */
  readonly survived: Set<number>
  /** Latest epoch of another owner that the journal knows; -1: none. */
  later: number
}

export interface StageStatus {
  readonly stage: string
  readonly assigned: number
  readonly open: number
  readonly pending: number
  /** Tasks whose effects wait for their commit. */
  readonly committing: number
  readonly keys: number
  readonly problems: readonly string[]
}

export class StageHost {
  readonly #parts: HostParts
  readonly #gate: TrialGate
  readonly #load: Load
  readonly #slots = new Map<number, Slot>()
  #membership: Membership | null = null
  /** Lanes whose rows a newer release has written, and the problem that /ready shows for each. */
  readonly #declined = new Map<number, string>()
  #generation = 0
  #stopping = false
  #problem: string | null = JOINING
  /** Problems of the stage's input, as the log reports them. */
  #blocks: readonly string[] = []
  #losses: readonly { text: string; untilMs: number }[] = []

  constructor(parts: HostParts) {
    this.#parts = parts
    this.#gate = parts.trials ?? new TrialGate(parts.clock)
    this.#load = new Load(parts.clock, parts.options.maxRunningBytes, () => {
      for (const { lane } of this.#slots.values()) lane?.proceedIntake()
    })
    parts.pauses?.onChange(() => this.#proceed())
  }

  async start(): Promise<void> {
    const { log, stage, instance } = this.#parts
    const early: number[] = []
    this.#membership = await log.join(
      {
        group: stage.name,
        topics: stage.consumes.map(({ topic }) => topic) as LogTopic[],
        instance,
        lingerMs: stage.lingerMs ?? 0,
      },
      {
        onAssigned: (lane) => (this.#membership ? this.#assigned(lane) : early.push(lane)),
        onRevoked: (lane, isForgotten) => this.#revoked(lane, isForgotten ?? false),
        onError: (error) => this.#failed(error),
        onRecovered: () => (this.#problem = null),
        onOpening: (lane, waitsFor) => this.#waits(this.#slots.get(lane), waitsFor),
        onLoss: (lane, loss) => this.#lost(lane, loss),
        onStateLost: (lane, cause) => this.#stateLost(lane, cause),
        onProblems: (problems) => this.#blocked(problems),
      },
    )
    for (const lane of early) this.#assigned(lane)
    void this.#membership.joined.then(() => {
      if (this.#problem === JOINING) this.#problem = null
    })
  }

  #proceed(): void {
    for (const { lane } of this.#slots.values()) lane?.proceed()
    const { pauses, instruments, stage } = this.#parts
    instruments.gauge('paused', pauses?.isPaused(stage.name) ? 1 : 0, { stage: stage.name })
  }

  get stage(): string {
    return this.#parts.stage.name
  }

  openLanes(): number[] {
    return [...this.#slots].flatMap(([index, { lane }]) => (lane ? [index] : []))
  }

  /** Rows and timers of a lane, as this process holds them; none if the lane is not open. */
  rows(lane: number): Iterable<RowChange> {
    return this.#slots.get(lane)?.lane?.rows() ?? []
  }

  status(): StageStatus {
    const slots = [...this.#slots]
    const problems = slots.flatMap(([lane, { problem }]) => (problem ? [`lane ${lane}: ${problem}`] : []))
    const now = this.#parts.clock.now()
    for (const { text, untilMs } of this.#losses) if (untilMs > now) problems.push(text)
    for (const [lane, problem] of this.#declined) problems.push(`lane ${lane}: ${problem}`)
    problems.push(...this.#parts.calls.stalls.problems)
    problems.unshift(...this.#blocks)
    if (this.#problem) problems.unshift(this.#problem)
    return {
      stage: this.#parts.stage.name,
      assigned: slots.length,
      open: slots.filter(([, { lane }]) => lane).length,
      pending: slots.reduce((sum, [, { lane }]) => sum + (lane?.pending ?? 0), 0),
      committing: slots.reduce((sum, [, { lane }]) => sum + (lane?.committing ?? 0), 0),
      keys: slots.reduce((sum, [, { lane }]) => sum + (lane?.keys ?? 0), 0),
      problems,
    }
  }

  /** Sets the gauges of what changes with every event: read when they are asked for. */
  measure(): void {
    const { instruments, pauses, stage } = this.#parts
    const labels = { stage: stage.name }
    const lanes = [...this.#slots.values()].flatMap(({ lane }) => lane ?? [])
    const sum = (of: (lane: Lane) => number): number => lanes.reduce((total, lane) => total + of(lane), 0)
    instruments.gauge(
      'in_flight',
      sum(({ running }) => running),
      labels,
    )
    instruments.gauge(
      'waiting',
      sum(({ pending, running, buffered }) => pending - running + buffered),
      labels,
    )
    instruments.gauge('paused', pauses?.isPaused(stage.name) ? 1 : 0, labels)
    instruments.gauge('input_problems', this.#blocks.length, labels)
  }

  /** Topics that it reads. */
  get inputs(): LogTopic[] {
    return this.#parts.stage.consumes.map(({ topic }) => topic) as LogTopic[]
  }

  /** Finishes what is running within that time, commits, and hands the lanes to others. */
  async drain(withinMs = this.#parts.options.drainMs): Promise<void> {
    this.#stopping = true
    const { calls, clock } = this.#parts
    const untilMs = clock.now() + withinMs
    await Promise.all([...this.#slots.values()].map(({ lane }) => lane?.drain(withinMs)))
    this.#slots.clear()
    await this.#membership?.leave()
    await calls.settled(untilMs - clock.now())
  }

  #assigned(lane: number): void {
    this.#problem = null
    if (this.#stopping || this.#slots.has(lane) || this.#declined.has(lane)) return
    const slot: Slot = {
      generation: ++this.#generation,
      refusals: new Refusals(this.#parts.clock, this.#parts.options.maxMetadataBytes),
      lane: null,
      opening: false,
      problem: 'opening',
      waitsFor: 'the log',
      failures: 0,
      survived: new Set(),
      later: -1,
    }
    this.#slots.set(lane, slot)
    void this.#openLane(lane, slot)
  }

  /** A member that the group forgot may have stalled in the middle of a handling: that counts as a death. */
  #revoked(lane: number, isForgotten: boolean): void {
    const slot = this.#slots.get(lane)
    this.#slots.delete(lane)
    if (isForgotten) slot?.lane?.drop(null)
    else slot?.lane?.handOver()
    this.#gauge()
  }

  #failed(error: Error): void {
    this.#problem = error.message
    this.#parts.instruments.log.warn(
      { err: error, stage: this.#parts.stage.name },
      'failed to take part in the consumer group; retrying',
    )
  }

  #blocked(problems: readonly string[]): void {
    const { instruments, stage } = this.#parts
    const labels = { stage: stage.name }
    for (const problem of problems)
      if (!this.#blocks.includes(problem)) instruments.log.error(labels, problem)
    this.#blocks = problems
    instruments.gauge('input_problems', problems.length, labels)
  }

  /** Reports lost input loudly: nobody can bring the records back, and nobody may miss that they are gone. */
  #lost(lane: number, loss: InputLoss): void {
    const { topic, cause, from, to } = loss
    const { stage, instruments } = this.#parts
    const text = inputLossText(stage.name, lane, loss)
    instruments.log.error({ stage: stage.name, lane, topic, cause, from, to }, text)
    const labels = { stage: stage.name, topic }
    if (cause === 'retention') instruments.count('records_lost', to - from, labels)
    else instruments.count('positions_reset', 1, { ...labels, cause })
    this.#showLoss(text)
  }

  #stateLost(lane: number, cause: StateLoss): void {
    const { stage, instruments } = this.#parts
    const topic = `${stage.name}.state`
    const text = stateLossText(stage.name, lane, cause)
    instruments.log.error({ stage: stage.name, lane, topic, cause }, text)
    instruments.count('positions_reset', 1, { stage: stage.name, topic, cause })
    this.#showLoss(text)
  }

  #showLoss(text: string): void {
    const nowMs = this.#parts.clock.now()
    const shown = { text, untilMs: nowMs + SHOWN_LOSS_MS }
    this.#losses = [...this.#losses.filter(({ untilMs }) => untilMs > nowMs), shown].slice(-20)
  }

  /** The reason of a failed opening stays until it is open. */
  #waits(slot: Slot | undefined, waitsFor: string): void {
    if (slot === undefined || slot.lane !== null) return
    slot.waitsFor = waitsFor
    if (slot.failures === 0) slot.problem = `opening: waiting for ${waitsFor}`
  }

  #isCurrent(lane: number, slot: Slot): boolean {
    return !this.#stopping && this.#slots.get(lane) === slot
  }

  async #openLane(index: number, slot: Slot): Promise<void> {
    if (slot.opening) return
    slot.opening = true
    while (this.#isCurrent(index, slot) && !slot.lane) {
      try {
        await this.#tryOpen(index, slot)
      } catch (error) {
        if (error instanceof NewerState) return this.#decline(index, error)
        const reason = messageOf(error)
        const { instruments, stage, clock } = this.#parts
        const level = slot.failures++ > 0 && isWorthALine(slot, reason) ? 'warn' : 'debug'
        slot.problem = reason
        instruments.log[level](
          { err: error, stage: stage.name, lane: index },
          'failed to open a lane; retrying',
        )
        await sleep(clock, backoffMs(slot.failures, 100, MAX_REOPEN_MS))
      }
    }
    slot.opening = false
  }

  /** An older release in a mixed fleet leaves the lane to the newer one, instead of fencing it repeatedly. */
  #decline(lane: number, reason: NewerState): void {
    const { instruments, stage } = this.#parts
    const problem =
      `${reason.message}. It is left to processes of the newer release, for as long as this one runs: ` +
      'start that release again, or upgrade this process. If no newer release has run here, another program has ' +
      'written the row: take it out (docs/operating.md, Upgrading and rolling back)'
    this.#declined.set(lane, problem)
    this.#slots.delete(lane)
    this.#membership?.decline?.(lane)
    instruments.log.error({ stage: stage.name, lane }, problem)
    this.#gauge()
  }

  async #tryOpen(index: number, slot: Slot): Promise<void> {
    const membership = this.#membership
    const parts = this.#parts
    if (!membership) return
    const startedMs = parts.clock.now()
    const watched = watchOpening(parts, index, () => slot.waitsFor)
    try {
      const open = await membership.open(index, slot.later)
      if (!this.#isCurrent(index, slot)) return await open.close()
      await this.#begin(index, slot, open)
    } finally {
      watched()
    }
    if (!slot.lane) return
    const labels = { stage: parts.stage.name }
    parts.instruments.count('lanes_opened', 1, labels)
    parts.instruments.observe('lane_opening', (parts.clock.now() - startedMs) / 1_000, labels)
    this.#gauge()
  }

  async #begin(index: number, slot: Slot, open: OpenLane): Promise<void> {
    const onLost = (reason: unknown): void => {
      // A fenced owner may have stalled for so long that the lane went to others: that counts as a death.
      if (!(reason instanceof LaneFenced)) slot.survived.add(open.epoch)
      if (slot.lane) this.#ended(index, slot, reason)
    }
    let lane: Lane
    try {
      const { refusals, survived } = slot
      const onWait = (waitsFor: string): void => this.#waits(slot, waitsFor)
      onWait('its state, and large payloads in the database')
      const place = { gate: this.#gate, load: this.#load, refusals, survived, onWait, onLost }
      lane = await Lane.begin(this.#parts, open, place)
    } catch (error) {
      slot.survived.add(open.epoch)
      await open.close().catch(() => {})
      throw error
    }
    if (!this.#isCurrent(index, slot)) return lane.drop(null)
    if (lane.isLost) throw new Error('the lane was lost as it started')
    slot.lane = lane
    slot.problem = null
    slot.failures = 0
    slot.survived.clear()
  }

  /** Reopens a lane that ended by itself: reading shows what the lost commit did. */
  #ended(index: number, slot: Slot, reason: unknown): void {
    slot.lane = null
    this.#gauge()
    if (reason === null || !this.#isCurrent(index, slot)) return
    const { instruments, stage } = this.#parts
    slot.problem = messageOf(reason)
    slot.failures++
    // On a log that was restored from a copy, the journal is ahead: a lane that opened next to no higher each time would
    // lose itself for hours.
    if (reason instanceof LaneLost) slot.later = Math.max(slot.later, reason.laterEpoch)
    instruments.count('lanes_lost', 1, { stage: stage.name, reason: endingOf(reason) })
    const isRefused = reason instanceof CommitRefused
    if (isRefused) instruments.count('commits_refused', 1, { stage: stage.name, part: reason.part })
    instruments.log[isRefused ? 'error' : 'warn'](
      { err: reason, stage: stage.name, lane: index },
      isRefused
        ? 'the log refused a commit for good; reopening the lane to find the event that led to it'
        : 'lane lost; reopening it',
    )
    void this.#reopen(index, slot)
  }

  async #reopen(index: number, slot: Slot): Promise<void> {
    await sleep(this.#parts.clock, backoffMs(slot.failures, 50, MAX_REOPEN_MS))
    await this.#openLane(index, slot)
  }

  #gauge(): void {
    const open = [...this.#slots.values()].filter(({ lane }) => lane).length
    this.#parts.instruments.gauge('lanes', open, { stage: this.#parts.stage.name })
  }
}

/** Another reason, and the same one ever more rarely: a full disk fails every lane each second, and may hold the log. */
const isWorthALine = ({ problem, failures }: Slot, reason: string): boolean =>
  problem !== reason || (failures & (failures - 1)) === 0

function endingOf(reason: unknown): string {
  if (reason instanceof LaneFenced) return 'fenced'
  if (reason instanceof CommitRefused) return 'refused'
  return reason instanceof CommitUncertain ? 'uncertain' : 'failed'
}
