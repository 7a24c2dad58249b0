// Faults around any Log, for the simulator. The log's promises still hold; permitted failures happen more
// often.
//
// 1. After a crash the view calls nothing back and its pending promises never settle; its lanes move on
//    `sessionMs` later.
// 2. Delivery stays in offset order within a topic, however late, and topics overtake each other; records at
//    or past the committed position may be delivered again.
// 3. An uncertain commit closes nothing: the hook decides whether it was written, and reopening shows it.
// 4. The log gives up a process that was cut off at once; the process learns of it later, and until then
//    works on as a zombie.
// 5. If offsets went back, openings of the lanes that read them end, and the next opening reports the loss,
//    until a commit has moved its position.
import type { Clock } from '../../../clock.ts'
import { CommitFailed, CommitUncertain, LaneSpent } from '../../../log/port.ts'
import type {
  InputLoss,
  JoinOptions,
  LaneCommit,
  LaneListener,
  Log,
  LogRecord,
  LogTopic,
  Membership,
  OpenLane,
} from '../../../log/port.ts'

/** The crashes strike: before it was sent; on its way, written after death; written, before the answer. */
export type CommitFault =
  'fail' | 'uncertain-lost' | 'uncertain-written' | 'crash-before' | 'crash-in-flight' | 'crash-after'

export interface LanePlace {
  readonly group: string
  readonly lane: number
}

/** Hooks are asked each time; absent or null: nothing happens. */
export interface Faults {
  readonly onCommit?: (place: LanePlace, commit: LaneCommit) => CommitFault | null
  readonly onOpen?: (place: LanePlace) => 'fail' | 'crash' | null
  readonly commitDelayMs?: (place: LanePlace) => number
  readonly deliveryDelayMs?: (place: LanePlace, topic: LogRecord['topic']) => number
  /** True: after this batch, everything past the committed position is delivered again. */
  readonly repeats?: (place: LanePlace) => boolean
  /** Called when a fault crashed the process: the simulator drops its host. */
  readonly onCrash?: () => void
  /** How long the log takes to notice a crash and move its lanes. Default 0. */
  readonly sessionMs?: number
  /** Every callback into the process passes here: it may be paused. Default: at once. */
  readonly hear?: (fn: () => void) => void
  /** Beneath the faults: a commit was written, a lane was opened. */
  readonly onWritten?: (place: LanePlace, commit: LaneCommit) => void
  readonly onOpened?: (place: LanePlace, lane: OpenLane) => void
}

/** Losses of a log, and notice of new ones. */
export interface LogLosses {
  /** Losses behind the lane's committed positions: where it goes on. */
  of(group: string, lane: number): readonly InputLoss[]
  /** Offsets of the partition went back. Returns how to stop listening. */
  onRewind(listener: (topic: LogTopic, partition: number) => void): () => void
}

const noLosses: LogLosses = { of: () => [], onRewind: () => () => undefined }

export interface FaultyLog extends Log {
  /** kill -9 of the process that uses this view. */
  crash(): void
  readonly crashed: boolean
  /** The log gives the process up; it learns of that, and joins again, `forMs` later. */
  cutOff(forMs: number): void
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

export function withFaults(log: Log, clock: Clock, faults: Faults, losses: LogLosses = noLosses): FaultyLog {
  const life = new Life(log, clock, faults, losses)
  const alive = <T>(promise: Promise<T>): Promise<T> => life.whileAlive(promise)
  return {
    kind: log.kind,
    partitions: log.partitions,
    get crashed() {
      return life.crashed
    },
    crash: () => life.crash(),
    cutOff: (forMs) => life.cutOff(forMs),
    ensureTopics: (stages) => alive(log.ensureTopics(stages)),
    publish: (records) => (life.crashed ? never() : alive(log.publish(records))),
    join: (options, listener) =>
      life.crashed ? never() : alive(FaultyMembership.join(log, life, options, listener)),
    tail: (options, handler) => log.tail(options, (records) => (life.crashed ? never() : handler(records))),
    read: (topic, partition, fromOffset, limit) => alive(log.read(topic, partition, fromOffset, limit)),
    ranges: (topics, options) => alive(log.ranges(topics, options)),
    find: (search) => alive(log.find(search)),
    positions: (group, kind) => alive(log.positions(group, kind)),
    members: (group) => alive(log.members(group)),
    topicIds: (topics) => alive(log.topicIds(topics)),
    advice: () => log.advice(),
    check: () => alive(log.check()),
    close: () => (life.crashed ? Promise.resolve() : log.close()),
  }
}

class Life {
  readonly clock: Clock
  readonly faults: Faults
  readonly losses: LogLosses
  readonly memberships = new Set<FaultyMembership>()
  crashed = false
  readonly #log: Log

  constructor(log: Log, clock: Clock, faults: Faults, losses: LogLosses) {
    this.#log = log
    this.losses = losses
    this.clock = clock
    this.faults = faults
  }

  crash(): void {
    if (this.crashed) return
    this.crashed = true
    this.clock.schedule(this.faults.sessionMs ?? 0, () => void this.#log.close())
  }

  cutOff(forMs: number): void {
    if (!this.crashed) for (const membership of this.memberships) membership.cutOff(forMs)
  }

  hear(fn: () => void): void {
    const unlessCrashed = (): void => void (this.crashed || fn())
    if (this.faults.hear) this.faults.hear(unlessCrashed)
    else unlessCrashed()
  }

  /** The promise, which never settles after a crash. */
  whileAlive<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.hear(() => resolve(value)),
        (error: unknown) => this.hear(() => reject(error as Error)),
      )
    })
  }

  wait(delayMs: number): Promise<void> {
    return delayMs > 0 ? new Promise((resolve) => this.clock.schedule(delayMs, resolve)) : Promise.resolve()
  }
}

class FaultyMembership implements Membership {
  readonly joined: Promise<void>
  #hasJoined = () => {}
  readonly #log: Log
  readonly #life: Life
  readonly #options: JoinOptions
  readonly #listener: LaneListener
  readonly #held = new Set<number>()
  readonly #declined = new Set<number>()
  #inner: Membership | null = null
  /** Grows with each joining: callbacks of an earlier member are dropped. */
  #generation = 0
  #left = false

  protected constructor(log: Log, life: Life, options: JoinOptions, listener: LaneListener) {
    this.#log = log
    this.#life = life
    this.#options = options
    this.#listener = listener
    this.joined = new Promise((resolve) => (this.#hasJoined = resolve))
  }

  static async join(log: Log, life: Life, options: JoinOptions, listener: LaneListener): Promise<Membership> {
    const membership = new FaultyMembership(log, life, options, listener)
    life.memberships.add(membership)
    await membership.#join()
    return membership
  }

  async #join(): Promise<void> {
    const generation = ++this.#generation
    const hear = (fn: () => void): void =>
      this.#life.hear(() => void (this.#generation === generation && fn()))
    const inner = await this.#log.join(this.#options, {
      onAssigned: (lane) => hear(() => this.#assigned(lane)),
      onRevoked: (lane) => hear(() => this.#revoked(lane, false)),
      onError: (error) => hear(() => this.#listener.onError(error)),
    })
    if (this.#left || this.#life.crashed) await inner.leave()
    else {
      this.#inner = inner
      // A process that can't read a lane still can't after it has joined again.
      for (const lane of this.#declined) inner.decline?.(lane)
    }
    void inner.joined.then(() => hear(this.#hasJoined))
  }

  #assigned(lane: number): void {
    this.#held.add(lane)
    this.#listener.onAssigned(lane)
  }

  #revoked(lane: number, isForgotten: boolean): void {
    if (this.#held.delete(lane)) this.#listener.onRevoked(lane, isForgotten)
  }

  cutOff(forMs: number): void {
    const inner = this.#inner
    if (!inner) return
    this.#inner = null
    this.#generation++
    void inner.leave()
    this.#life.clock.schedule(forMs, () =>
      this.#life.hear(() => {
        if (this.#left) return
        for (const lane of [...this.#held]) this.#revoked(lane, true)
        void this.#join()
      }),
    )
  }

  open(lane: number): Promise<OpenLane> {
    return this.#life.crashed ? never() : this.#life.whileAlive(this.#open(lane))
  }

  async #open(lane: number): Promise<OpenLane> {
    const { faults } = this.#life
    const place = { group: this.#options.group, lane }
    const fault = faults.onOpen?.(place) ?? null
    if (fault === 'fail') throw new Error('injected: the log is away')
    if (!this.#inner) throw new Error('the group has given this member up')
    const opened = await this.#inner.open(lane)
    faults.onOpened?.(place, opened)
    for (const loss of this.#life.losses.of(place.group, lane))
      this.#life.hear(() => this.#listener.onLoss?.(lane, loss))
    if (fault !== 'crash') return new FaultyLane(opened, place, this.#life, this.#options.topics)
    this.#life.crash()
    faults.onCrash?.()
    return never()
  }

  decline(lane: number): void {
    this.#declined.add(lane)
    if (!this.#life.crashed) this.#inner?.decline?.(lane)
  }

  async leave(): Promise<void> {
    if (this.#life.crashed) return never()
    this.#left = true
    this.#life.memberships.delete(this)
    await this.#inner?.leave()
  }
}

class FaultyLane implements OpenLane {
  readonly lane: number
  readonly epoch: number
  readonly positions: OpenLane['positions']
  readonly #inner: OpenLane
  readonly #place: LanePlace
  readonly #life: Life
  readonly #committed: Map<string, number>
  readonly #arriving = new Map<string, LogRecord[][]>()
  readonly #topics: readonly LogTopic[]
  #delivered: LogRecord[] = []
  #closed = false
  /** A position went back: this opening has ended. */
  #spent = false
  #unlisten = (): void => undefined

  constructor(inner: OpenLane, place: LanePlace, life: Life, topics: readonly LogTopic[]) {
    this.#topics = topics
    this.#inner = inner
    this.#place = place
    this.#life = life
    this.lane = inner.lane
    this.epoch = inner.epoch
    this.positions = inner.positions
    this.#committed = new Map(inner.positions.map(({ topic, offset }) => [topic, offset]))
  }

  get rows(): OpenLane['rows'] {
    return this.#inner.rows
  }

  releaseRows(): void {
    this.#inner.releaseRows()
  }

  start(onRecords: (records: readonly LogRecord[]) => void, onEnded?: (reason: Error) => void): void {
    const { clock, faults, losses } = this.#life
    this.#unlisten = losses.onRewind((topic, partition) => {
      if (partition !== this.lane || !this.#topics.includes(topic)) return
      this.#spent = true
      this.#life.hear(() => onEnded?.(new LaneSpent(`offsets of ${topic}[${partition}] went back`)))
    })
    this.#inner.start((records) => {
      const [first] = records
      if (!first) return
      // One queue per topic, so that a shorter delay can't overtake a longer one.
      const { topic } = first
      const arriving = this.#arriving.get(topic) ?? []
      this.#arriving.set(topic, arriving)
      arriving.push([...records])
      const arrive = (): void => this.#life.hear(() => this.#arrive(arriving, onRecords))
      clock.schedule(faults.deliveryDelayMs?.(this.#place, topic) ?? 0, arrive)
    })
  }

  #arrive(arriving: LogRecord[][], onRecords: (records: readonly LogRecord[]) => void): void {
    const records = arriving.shift()
    if (!records || this.#closed || this.#spent) return
    this.#delivered = this.#delivered.filter((record) => this.#isOpen(record)).concat(records)
    onRecords(records)
    if (!this.#life.faults.repeats?.(this.#place)) return
    const again = this.#delivered.filter((record) => this.#isOpen(record))
    if (again.length > 0) onRecords(again)
  }

  /** At or past the committed position. */
  #isOpen(record: LogRecord): boolean {
    return record.offset >= (this.#committed.get(record.topic) ?? 0)
  }

  pause(topics: Parameters<OpenLane['pause']>[0]): void {
    this.#inner.pause(topics)
  }
  resume(topics: Parameters<OpenLane['resume']>[0]): void {
    this.#inner.resume(topics)
  }

  commit(commit: LaneCommit): Promise<void> {
    return this.#life.crashed ? never() : this.#life.whileAlive(this.#commit(commit))
  }

  async #commit(commit: LaneCommit): Promise<void> {
    const { faults } = this.#life
    const fault = faults.onCommit?.(this.#place, commit) ?? null
    if (fault === 'crash-before' || fault === 'crash-in-flight') this.#crash()
    if (fault === 'crash-before') return
    await this.#life.wait(faults.commitDelayMs?.(this.#place) ?? 0)
    // A dead process sends nothing, however late its commit was; what was sent may arrive after its death.
    if (this.#life.crashed && fault !== 'crash-in-flight') return
    if (this.#spent) throw new LaneSpent(`lane ${this.lane} of ${this.#place.group} has lost its place`)
    if (fault === 'fail') throw new CommitFailed('injected: nothing was written')
    if (fault === 'uncertain-lost') throw new CommitUncertain('injected: not written')
    await this.#inner.commit(commit)
    faults.onWritten?.(this.#place, commit)
    if (fault === 'crash-after') return this.#crash()
    if (fault === 'uncertain-written') throw new CommitUncertain('injected: written')
    for (const { topic, offset } of commit.positions) this.#committed.set(topic, offset)
  }

  #crash(): void {
    this.#life.crash()
    this.#life.faults.onCrash?.()
  }

  close(): Promise<void> {
    this.#closed = true
    this.#unlisten()
    return this.#inner.close()
  }
}
