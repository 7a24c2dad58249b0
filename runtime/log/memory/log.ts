// The simulator's log: the embedded log's engine over maps, driven by a clock alone (no timers, no randomness of its own).
//
// 1. `connect` gives a process's view; its crash is sudden: it hears nothing more, and what it awaits never settles.
// 2. Faults strike at a view's commits and deliveries as the hooks say; the log itself stays right.
import { DEFAULT_PARTITIONS } from '../../../schemas/topics.ts'
import { systemClock } from '../../clock.ts'
import type { Clock } from '../../clock.ts'
import { Engine } from '../embedded/engine.ts'
import { createView } from '../embedded/view.ts'
import { withFaults } from './faults.ts'
import type { Faults, FaultyLog } from './faults.ts'
import type { LogStorage } from '../embedded/storage.ts'
import type { Log, LogTopic, StateRow } from '../port.ts'
import { createMemoryStorage } from './storage.ts'

export interface MemoryBrokerOptions {
  readonly partitions?: number
  readonly clock?: Clock
  /** Another storage in its place: logs that break a promise, for those who must notice. */
  readonly storage?: (right: LogStorage) => LogStorage
}

/** What stands when every process is dead: records, positions, rows, epochs. */
export interface MemoryBroker {
  readonly partitions: number
  /** Another process's view. Topics exist from the start. */
  connect(faults?: Faults): FaultyLog
  /** Applies retention now. */
  sweep(): Promise<number>
  /** A member joins the group and leaves again: lanes are revoked, then assigned anew. */
  rebalance(group: string): void
  /** Of the lane's latest opening; 0 when it was never opened. */
  epoch(group: string, lane: number): number
  /** Every live state row of the lane, as committed. */
  rows(group: string, lane: number): readonly StateRow[]
  /** Committed position of a lane in a topic, whatever is finished beyond it; undefined: none yet. */
  position(group: string, topic: LogTopic, lane: number): { offset: number; metadata: string } | undefined
  /** Offset that the next record of this partition gets. */
  end(topic: LogTopic, partition: number): number
}

export function createMemoryBroker(options: MemoryBrokerOptions = {}): MemoryBroker {
  const partitions = options.partitions ?? DEFAULT_PARTITIONS
  const clock = options.clock ?? systemClock
  const right = createMemoryStorage(clock)
  const storage = options.storage?.(right) ?? right
  const engine = new Engine({
    kind: 'memory',
    partitions,
    storage,
    clock,
    soon: (fn) => void clock.schedule(0, fn),
  })
  engine.createTopics()
  return {
    partitions,
    connect: (faults = {}) =>
      withFaults(
        createView(engine, () => undefined),
        clock,
        faults,
      ),
    sweep: () => engine.sweep(),
    rebalance(name) {
      const group = engine.group(name, partitions)
      const passing = { onAssigned: () => undefined, onRevoked: () => undefined }
      group.join(passing)
      clock.schedule(0, () => clock.schedule(0, () => group.leave(passing)))
    },
    epoch: (group, lane) => right.epoch(group, lane),
    rows: (group, lane) => right.rows(group, lane),
    position: (group, topic, lane) => right.position(group, engine.slot(topic, lane)),
    end: (topic, partition) => engine.slot(topic, partition).next,
  }
}

/** A log of one process, for fast host tests. */
export function openMemoryLog(options: MemoryBrokerOptions & { faults?: Faults } = {}): Log {
  return createMemoryBroker(options).connect(options.faults)
}
