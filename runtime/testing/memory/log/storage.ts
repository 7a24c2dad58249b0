import type { Clock } from '../../../clock.ts'
import type { LogStorage, ReadLimit, Slot } from '../../../log/embedded/storage.ts'
import type { InputLoss, LogRecord, LogTopic, StateRow } from '../../../log/port.ts'

interface Partition extends Slot {
  records: LogRecord[]
  /** Each time that its offsets went back. */
  readonly rewinds: Rewind[]
}

interface Rewind {
  readonly cause: 'truncated' | 'recreated'
  /** Offsets below this stayed. */
  readonly keptTo: number
}

interface Committed {
  readonly offset: number
  readonly metadata: string
  /** Rewinds of the partition before it was committed. */
  readonly rewinds: number
}

interface LanePart {
  epoch: number
  rows: Map<string, StateRow>
}

/** A storage that can lose records. The positions that it returns are within those it has. */
export interface MemoryStorage extends LogStorage {
  /** Loses the records from this offset on; the next ones reuse it. A re-created topic loses all of them. */
  rewind(slot: Slot, cause: Rewind['cause'], keptTo: number): void
  /** Deletes the records below this offset, read or not. */
  discard(slot: Slot, below: number): void
  /** How the position of a lane differs from the one that was committed, by topic. */
  losses(group: string, partition: number): InputLoss[]
}

/** Maps instead of tables. A transaction runs in a later tick; nothing in it can fail after its checks. */
export function createMemoryStorage(clock: Clock): MemoryStorage {
  const topics = new Map<LogTopic, Partition[]>()
  const positions = new Map<string, Map<Slot, Committed>>()
  const seen = new Map<LogTopic, Map<string, number>>()
  const lanes = new Map<string, LanePart>()
  let slotCount = 0
  let incarnations = 0
  const incarnationOf = new Map<LogTopic, number>()
  const lane = (group: string, number: number): LanePart =>
    entry(lanes, `${group}/${number}`, () => ({ epoch: 0, rows: new Map() }))
  return {
    identity: (topic) => `memory-${incarnationOf.get(topic) ?? 0}`,
    transact: (work) =>
      new Promise((resolve, reject) => {
        clock.schedule(0, () => {
          try {
            resolve(work())
          } catch (error) {
            reject(error)
          }
        })
      }),
    slots: (topic) => topics.get(topic),
    createTopic(topic, partitions) {
      const create = (_: unknown, partition: number): Partition => ({
        id: slotCount++,
        topic,
        partition,
        next: 0,
        records: [],
        rewinds: [],
      })
      topics.set(topic, Array.from({ length: partitions }, create))
    },
    topicsCreated: () => undefined,
    append(slot, { key, value, headers }, timestampMs) {
      const offset = slot.next++
      partitionOf(slot).records.push({
        topic: slot.topic,
        partition: slot.partition,
        offset,
        key,
        value: value && new Uint8Array(value),
        headers: { ...headers },
        timestampMs,
        leaderEpoch: partitionOf(slot).rewinds.length,
      })
      return offset
    },
    read: (slot, fromOffset, limit) => readRecords(partitionOf(slot).records, fromOffset, limit),
    earliest: (slot) => partitionOf(slot).records[0]?.offset ?? slot.next,
    offsetsOf: (slot, key) =>
      partitionOf(slot).records.flatMap((record) => (record.key === key ? [record.offset] : [])),
    position: (group, slot) => {
      const committed = positions.get(group)?.get(slot)
      return committed && within(committed, partitionOf(slot))
    },
    setPosition: (group, slot, offset, metadata) =>
      void entry(positions, group, () => new Map()).set(slot, {
        offset,
        metadata,
        rewinds: partitionOf(slot).rewinds.length,
      }),
    positions: (group) =>
      [...(positions.get(group) ?? [])].map(([slot, committed]) => ({
        slot,
        ...within(committed, partitionOf(slot)),
      })),
    subscribe: (group, topic, atMs) => void entry(seen, topic, () => new Map()).set(group, atMs),
    epoch: (group, number) => lane(group, number).epoch,
    raiseEpoch: (group, number) => ++lane(group, number).epoch,
    rows: (group, number) => [...lane(group, number).rows.values()].values(),
    setRow(group, number, { key, value }) {
      const { rows } = lane(group, number)
      if (value === null) rows.delete(key)
      else rows.set(key, { key, value: new Uint8Array(value) })
    },
    expire(slot, beforeMs, groupsSinceMs, limit) {
      const groups = [...(seen.get(slot.topic) ?? [])].filter(([, atMs]) => atMs >= groupsSinceMs)
      const consumed = Math.min(
        slot.next,
        ...groups.map(([group]) => positions.get(group)?.get(slot)?.offset ?? 0),
      )
      const { records } = partitionOf(slot)
      const keep = records.findIndex((record) => record.offset >= consumed || record.timestampMs >= beforeMs)
      return records.splice(0, Math.min(limit, keep === -1 ? records.length : keep)).length
    },
    rewind(slot, cause, keptTo) {
      const partition = partitionOf(slot)
      if (cause === 'recreated') incarnationOf.set(slot.topic, ++incarnations)
      partition.rewinds.push({ cause, keptTo })
      partition.records = partition.records.filter(({ offset }) => offset < keptTo)
      slot.next = Math.min(slot.next, keptTo)
    },
    discard(slot, below) {
      const partition = partitionOf(slot)
      partition.records = partition.records.filter(({ offset }) => offset >= below)
    },
    losses: (group, number) =>
      [...(positions.get(group) ?? [])].flatMap(([slot, committed]) => {
        const partition = partitionOf(slot)
        const { offset } = within(committed, partition)
        if (slot.partition !== number || offset === committed.offset) return []
        const { cause } = partition.rewinds.slice(committed.rewinds).at(-1) ?? { cause: 'retention' }
        return [{ topic: slot.topic, cause, from: committed.offset, to: offset }]
      }),
  }
}

function partitionOf(slot: Slot): Partition {
  return slot as Partition
}

/** The position at which a lane goes on: losses after its commit move it. */
function within(committed: Committed, { rewinds, records, next }: Partition): Committed {
  let { offset } = committed
  for (const { cause, keptTo } of rewinds.slice(committed.rewinds))
    offset = cause === 'recreated' ? 0 : Math.min(offset, keptTo)
  offset = Math.max(offset, records[0]?.offset ?? next)
  return offset === committed.offset ? committed : { ...committed, offset, metadata: '' }
}

/** Offsets have no gaps in memory but may not begin at 0, so an offset's index is a subtraction. */
function readRecords(records: readonly LogRecord[], fromOffset: number, limit: ReadLimit): LogRecord[] {
  const start = Math.max(0, fromOffset - (records[0]?.offset ?? 0))
  let bytes = 0
  let end = start
  while (end < records.length && end - start < limit.records && bytes < limit.bytes) {
    bytes += records[end]?.value?.length ?? 0
    end++
  }
  return records.slice(start, end)
}

function entry<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const found = map.get(key)
  if (found !== undefined) return found
  const created = create()
  map.set(key, created)
  return created
}
