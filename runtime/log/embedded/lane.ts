// One opening of a lane. Its epoch is checked inside the transaction that writes, so a former owner writes
// nothing.
import { mustFit } from '../limits.ts'
import { LaneFenced } from '../port.ts'
import type { LaneCommit, LogRecord, LogTopic, OpenLane, Position, StateRow } from '../port.ts'
import { asCommitError } from './engine.ts'
import type { Engine } from './engine.ts'
import { Reader } from './reader.ts'
import type { Slot } from './storage.ts'

export interface LaneOwner {
  readonly group: string
  readonly topics: readonly LogTopic[]
  /** Whether this member still holds the lane. */
  readonly holds: (lane: number) => boolean
}

/**
 * Fences former owners and reads positions in one transaction. The rows are read after it: nobody else can
 * change them any more.
 */
export async function openLane(engine: Engine, owner: LaneOwner, lane: number): Promise<OpenLane> {
  const { storage } = engine
  const { group, topics } = owner
  try {
    const opened = await storage.transact(() => {
      if (!owner.holds(lane)) throw new LaneFenced(`lane ${lane} of ${group} is held by another member`)
      return {
        epoch: storage.raiseEpoch(group, lane),
        positions: readPositions(engine, group, lane),
      }
    })
    return new EngineLane(engine, group, topics, lane, opened)
  } catch (error) {
    engine.met(error)
    throw error
  }
}

function readPositions(engine: Engine, group: string, lane: number): Position[] {
  return engine.storage
    .positions(group)
    .filter(({ slot }) => slot.partition === lane)
    .map(({ slot, offset, metadata }) => ({ topic: slot.topic, offset, metadata }))
}

class EngineLane implements OpenLane {
  readonly lane: number
  readonly epoch: number
  readonly positions: readonly Position[]
  readonly #engine: Engine
  readonly #group: string
  readonly #topics: readonly LogTopic[]
  #released = false
  #reader: Reader | null = null
  #paused = new Set<LogTopic>()

  constructor(
    engine: Engine,
    group: string,
    topics: readonly LogTopic[],
    lane: number,
    opened: { epoch: number; positions: Position[] },
  ) {
    this.#engine = engine
    this.#group = group
    this.#topics = topics
    this.lane = lane
    this.epoch = opened.epoch
    this.positions = opened.positions
  }

  get rows(): Iterable<StateRow> {
    return this.#released ? [] : { [Symbol.iterator]: () => this.#readRows() }
  }

  *#readRows(): Generator<StateRow> {
    try {
      yield* this.#engine.storage.rows(this.#group, this.lane)
    } catch (error) {
      this.#engine.met(error)
      throw error
    }
  }

  releaseRows(): void {
    this.#released = true
  }

  start(onRecords: (records: readonly LogRecord[]) => void): void {
    if (this.#reader) throw new Error(`lane ${this.lane} of ${this.#group} was started before`)
    this.#reader = new Reader(this.#engine.pump, (records) => {
      onRecords(records)
    })
    const committed = new Map(this.positions.map(({ topic, offset }) => [topic, offset]))
    for (const topic of this.#topics) {
      const slot = this.#engine.slots(topic)[this.lane]
      if (slot) this.#reader.add(slot, committed.get(topic) ?? 0)
    }
    this.#reader.setPaused([...this.#paused], true)
  }

  pause(topics: readonly LogTopic[]): void {
    for (const topic of topics) this.#paused.add(topic)
    this.#reader?.setPaused(topics, true)
  }

  resume(topics: readonly LogTopic[]): void {
    for (const topic of topics) this.#paused.delete(topic)
    this.#reader?.setPaused(topics, false)
  }

  async commit(commit: LaneCommit): Promise<void> {
    const { storage, pump } = this.#engine
    const slots = commit.records.map(({ topic, partition }) => this.#engine.slot(topic, partition))
    const read = commit.positions.map(({ topic }) => this.#engine.slot(topic, this.lane))
    mustFit(commit, `lane ${this.lane} of ${this.#group}`)
    try {
      await storage.transact(() => {
        this.#checkEpoch()
        this.#engine.append(commit.records, slots)
        for (const row of commit.rows) storage.setRow(this.#group, this.lane, row)
        for (let index = 0; index < read.length; index++) {
          const { offset, metadata } = commit.positions[index] as Position
          storage.setPosition(this.#group, read[index] as Slot, offset, metadata)
        }
      })
    } catch (error) {
      this.#engine.met(error)
      throw asCommitError(error)
    }
    if (slots.length > 0) pump.wake(new Set(slots))
  }

  #checkEpoch(): void {
    const epoch = this.#engine.storage.epoch(this.#group, this.lane)
    if (epoch === this.epoch) return
    throw new LaneFenced(
      `lane ${this.lane} of ${this.#group} was opened again: epoch ${epoch}, ours ${this.epoch}`,
    )
  }

  close(): Promise<void> {
    this.#reader?.close()
    return Promise.resolve()
  }
}
