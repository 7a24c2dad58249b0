// The simulator's log: the embedded log's engine over maps, driven by a clock alone (no timers, no randomness
// of its own).
//
// 1. `connect` returns a process's view; its crash is sudden: it gets no more callbacks, and its pending
//    promises never settle.
// 2. Faults strike a view's commits and deliveries as the hooks say; the log itself stays correct.
import { DEFAULT_PARTITIONS } from '../../../../schemas/topics.ts'
import { systemClock } from '../../../clock.ts'
import type { Clock } from '../../../clock.ts'
import { Engine } from '../../../log/embedded/engine.ts'
import { createView } from '../../../log/embedded/view.ts'
import { withFaults } from './faults.ts'
import type { Faults, FaultyLog, LogLosses } from './faults.ts'
import type { LogStorage, Slot } from '../../../log/embedded/storage.ts'
import type { Log, LogTopic, OutgoingRecord, StateRow } from '../../../log/port.ts'
import { mustBePublishable } from '../../../log/limits.ts'
import { createMemoryStorage } from './storage.ts'

export interface MemoryBrokerOptions {
  readonly partitions?: number
  readonly clock?: Clock
  /** Replaces the storage: with a log that breaks a promise, to test that this is noticed. */
  readonly storage?: (right: LogStorage) => LogStorage
  /**
   * Topics whose records keep the producer's timestamp, as Kafka's CreateTime does; the others have the
   * broker's. Default none.
   */
  readonly createTime?: readonly LogTopic[]
}

/** Survives every process: records, positions, rows, epochs. */
export interface MemoryBroker {
  readonly partitions: number
  /** Another process's view. Topics exist from the start. */
  connect(faults?: Faults): FaultyLog
  /** Applies retention now. */
  sweep(): Promise<number>
  /** A member joins the group and leaves again: lanes are revoked, then assigned again. */
  rebalance(group: string): void
  /** Epoch of the lane's latest opening; 0 if it was never opened. */
  epoch(group: string, lane: number): number
  /** Every live state row of the lane, as committed. */
  rows(group: string, lane: number): readonly StateRow[]
  /** Committed position of a lane in a topic, without what is finished beyond it; undefined: none yet. */
  position(group: string, topic: LogTopic, lane: number): { offset: number; metadata: string } | undefined
  /** Offset that the next record of this partition gets. */
  end(topic: LogTopic, partition: number): number
  /** A record of a foreign producer, with its own timestamp. Resolves with the offset, or is refused. */
  produce(record: OutgoingRecord, timestampMs: number): Promise<number>
  /** Deletes the topic and creates it again: its offsets begin at 0, committed positions stay as they are. */
  recreate(topic: LogTopic): void
  /** Loses the newest records of a partition: the next ones get their offsets. */
  truncate(topic: LogTopic, partition: number, records: number): void
  /** Deletes every record of a partition below this offset, read or not, as retention does. */
  discard(topic: LogTopic, partition: number, below: number): void
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
  const listeners = new Set<(topic: LogTopic, partition: number) => void>()
  const losses: LogLosses = {
    of: (group, lane) => right.losses(group, lane),
    onRewind(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  const rewound = (slots: readonly Slot[]): void => {
    engine.pump.rewind(slots)
    for (const { topic, partition } of slots)
      for (const listener of [...listeners]) listener(topic, partition)
  }
  return {
    partitions,
    connect: (faults = {}) =>
      withFaults(
        createView(engine, () => undefined),
        clock,
        faults,
        losses,
      ),
    sweep: () => engine.sweep(),
    rebalance(name) {
      const group = engine.group(name, partitions)
      const passing = { name: 'passing', topics: [], onAssigned: () => undefined, onRevoked: () => undefined }
      group.join(passing)
      clock.schedule(0, () => clock.schedule(0, () => group.leave(passing)))
    },
    epoch: (group, lane) => right.epoch(group, lane),
    rows: (group, lane) => [...right.rows(group, lane)],
    position: (group, topic, lane) => right.position(group, engine.slot(topic, lane)),
    end: (topic, partition) => engine.slot(topic, partition).next,
    async produce(record, timestampMs) {
      mustBePublishable([record])
      const slot = engine.slot(record.topic, record.partition)
      const isCreateTime = options.createTime?.includes(record.topic) ?? false
      const offset = await storage.transact(() =>
        storage.append(slot, record, isCreateTime ? timestampMs : clock.now()),
      )
      engine.pump.wake([slot])
      return offset
    },
    recreate(topic) {
      for (const slot of engine.slots(topic)) right.rewind(slot, 'recreated', 0)
      rewound(engine.slots(topic))
    },
    truncate(topic, partition, records) {
      const slot = engine.slot(topic, partition)
      right.rewind(slot, 'truncated', Math.max(right.earliest(slot), slot.next - records))
      rewound([slot])
    },
    discard: (topic, partition, below) => right.discard(engine.slot(topic, partition), below),
  }
}

/** A log of one process, for fast host tests. */
export function openMemoryLog(options: MemoryBrokerOptions & { faults?: Faults } = {}): Log {
  return createMemoryBroker(options).connect(options.faults)
}
