// Faults around any Log, for the simulator. What the log promises still holds; what it permits happens more often.
//
// 1. After a crash the view calls nothing back and its pending promises never settle; its lanes move on `sessionMs` later.
// 2. Delivery stays in offset order per topic, however late; records at or past the committed position may come again.
// 3. An uncertain commit closes nothing: whether it was written is decided by the hook, and found out by opening again.
import type { Clock } from '../../clock.ts'
import { CommitFailed, CommitUncertain } from '../port.ts'
import type { JoinOptions, LaneCommit, LaneListener, Log, LogRecord, Membership, OpenLane } from '../port.ts'

export type CommitFault = 'fail' | 'uncertain-lost' | 'uncertain-written' | 'crash-before' | 'crash-after'

export interface LanePlace {
  readonly group: string
  readonly lane: number
}

/** Hooks are asked each time; absent or null: nothing happens. */
export interface Faults {
  readonly onCommit?: (place: LanePlace, commit: LaneCommit) => CommitFault | null
  readonly commitDelayMs?: (place: LanePlace) => number
  readonly deliveryDelayMs?: (place: LanePlace) => number
  /** True: after this batch, everything past the committed position is handed over again. */
  readonly repeats?: (place: LanePlace) => boolean
  /** Told when a commit fault crashed the process: the simulator drops its host. */
  readonly onCrash?: () => void
  /** How long the log takes to notice a crash and move its lanes. Default 0. */
  readonly sessionMs?: number
}

export interface FaultyLog extends Log {
  /** kill -9 of the process that uses this view. */
  crash(): void
  readonly crashed: boolean
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

export function withFaults(log: Log, clock: Clock, faults: Faults): FaultyLog {
  const life = new Life(log, clock, faults)
  const alive = <T>(promise: Promise<T>): Promise<T> => life.whileAlive(promise)
  return {
    kind: log.kind,
    partitions: log.partitions,
    get crashed() {
      return life.crashed
    },
    crash: () => life.crash(),
    ensureTopics: (stages) => alive(log.ensureTopics(stages)),
    publish: (records) => (life.crashed ? never() : alive(log.publish(records))),
    join: (options, listener) =>
      life.crashed ? never() : alive(joinWithFaults(log, life, options, listener)),
    tail: (options, handler) => log.tail(options, (records) => (life.crashed ? never() : handler(records))),
    read: (topic, partition, fromOffset, limit) => alive(log.read(topic, partition, fromOffset, limit)),
    ranges: (topics) => alive(log.ranges(topics)),
    positions: (group) => alive(log.positions(group)),
    check: () => alive(log.check()),
    close: () => (life.crashed ? Promise.resolve() : log.close()),
  }
}

class Life {
  readonly clock: Clock
  readonly faults: Faults
  crashed = false
  readonly #log: Log

  constructor(log: Log, clock: Clock, faults: Faults) {
    this.#log = log
    this.clock = clock
    this.faults = faults
  }

  crash(): void {
    if (this.crashed) return
    this.crashed = true
    this.clock.schedule(this.faults.sessionMs ?? 0, () => void this.#log.close())
  }

  /** The promise, except that nothing of it is heard after a crash. */
  whileAlive<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => !this.crashed && resolve(value),
        (error: unknown) => !this.crashed && reject(error as Error),
      )
    })
  }

  wait(delayMs: number): Promise<void> {
    return delayMs > 0 ? new Promise((resolve) => this.clock.schedule(delayMs, resolve)) : Promise.resolve()
  }
}

async function joinWithFaults(
  log: Log,
  life: Life,
  options: JoinOptions,
  listener: LaneListener,
): Promise<Membership> {
  const membership = await log.join(options, {
    onAssigned: (lane) => life.crashed || listener.onAssigned(lane),
    onRevoked: (lane) => life.crashed || listener.onRevoked(lane),
    onError: (error) => life.crashed || listener.onError(error),
  })
  const open = async (lane: number): Promise<OpenLane> =>
    new FaultyLane(await membership.open(lane), { group: options.group, lane }, life)
  return {
    open: (lane) => (life.crashed ? never() : life.whileAlive(open(lane))),
    leave: () => (life.crashed ? never() : membership.leave()),
  }
}

class FaultyLane implements OpenLane {
  readonly lane: number
  readonly epoch: number
  readonly rows: OpenLane['rows']
  readonly positions: OpenLane['positions']
  readonly #inner: OpenLane
  readonly #place: LanePlace
  readonly #life: Life
  readonly #committed: Map<string, number>
  #delivered: LogRecord[] = []
  #arriving: LogRecord[][] = []
  #closed = false

  constructor(inner: OpenLane, place: LanePlace, life: Life) {
    this.#inner = inner
    this.#place = place
    this.#life = life
    this.lane = inner.lane
    this.epoch = inner.epoch
    this.rows = inner.rows
    this.positions = inner.positions
    this.#committed = new Map(inner.positions.map(({ topic, offset }) => [topic, offset]))
  }

  start(onRecords: (records: readonly LogRecord[]) => void): void {
    const { clock, faults } = this.#life
    this.#inner.start((records) => {
      // One queue, so that a shorter delay can't overtake a longer one.
      this.#arriving.push([...records])
      const arrive = (): void => this.#arrive(onRecords)
      clock.schedule(faults.deliveryDelayMs?.(this.#place) ?? 0, arrive)
    })
  }

  #arrive(onRecords: (records: readonly LogRecord[]) => void): void {
    const records = this.#arriving.shift()
    if (!records || this.#closed || this.#life.crashed) return
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
    if (fault === 'crash-before') return this.#crash()
    await this.#life.wait(faults.commitDelayMs?.(this.#place) ?? 0)
    // A dead process sends nothing, however late its commit was.
    if (this.#life.crashed) return
    if (fault === 'fail') throw new CommitFailed('injected: nothing was written')
    if (fault === 'uncertain-lost') throw new CommitUncertain('injected: not written')
    await this.#inner.commit(commit)
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
    return this.#inner.close()
  }
}
