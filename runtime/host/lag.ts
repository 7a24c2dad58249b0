// How far the lanes of this process are behind the ends of their topics: measured when it is asked for.
//
// 1. The log is asked at most every EVERY_MS, whatever asks: /metrics is open to many.
// 2. A log that is slow or away delays nobody beyond WITHIN_MS, and leaves the last figures as they are.
import { sleep, type Clock } from '../clock.ts'
import type { Log, LogTopic } from '../log/port.ts'
import type { Instruments } from '../telemetry/instruments.ts'

const EVERY_MS = 5_000
const WITHIN_MS = 1_000

/** A stage of this process. */
export interface LaggingStage {
  readonly stage: string
  readonly inputs: readonly LogTopic[]
  openLanes(): number[]
}

interface Parts {
  readonly log: Pick<Log, 'ranges' | 'positions'>
  readonly clock: Clock
  readonly instruments: Pick<Instruments, 'gauges' | 'log'>
}

export class Lag {
  readonly #parts: Parts
  readonly #stages: readonly LaggingStage[]
  #askedMs = Number.NEGATIVE_INFINITY

  constructor(parts: Parts, stages: readonly LaggingStage[]) {
    this.#parts = parts
    this.#stages = stages
  }

  /** Resolves when the gauge is up to date, or after WITHIN_MS. */
  async measure(): Promise<void> {
    const { clock, instruments } = this.#parts
    if (clock.now() < this.#askedMs + EVERY_MS) return
    this.#askedMs = clock.now()
    const measured = this.#read().catch((error: unknown) =>
      instruments.log.debug({ err: error }, 'failed to measure the lag; the last figures stay'),
    )
    await Promise.race([measured, sleep(clock, WITHIN_MS)])
  }

  async #read(): Promise<void> {
    const all = await Promise.all(this.#stages.map((stage) => this.#lagOf(stage)))
    this.#parts.instruments.gauges('lag', all.flat())
  }

  /** Records between the committed position and the end, of each topic of the open lanes that has a leader. */
  async #lagOf(of: LaggingStage) {
    const { log } = this.#parts
    const { stage, inputs } = of
    const lanes = of.openLanes()
    if (lanes.length === 0) return []
    const led = { partitions: lanes, onLeaderless: () => {} }
    const [ranges, positions] = await Promise.all([log.ranges(inputs, led), log.positions(stage)])
    const done = new Map(positions.map(({ topic, partition, offset }) => [`${topic} ${partition}`, offset]))
    return ranges.map(({ topic, partition, earliest, next }) => ({
      labels: { stage, topic, lane: String(partition) },
      value: next - Math.max(earliest, done.get(`${topic} ${partition}`) ?? earliest),
    }))
  }
}
