import type { Clock } from '../../clock.ts'
import type { LogStorage, ReadLimit, Slot, StoredRecord } from '../embedded/storage.ts'
import type { LogTopic, StateRow } from '../port.ts'

interface Partition extends Slot {
  records: StoredRecord[]
}

interface LanePart {
  epoch: number
  rows: Map<string, StateRow>
}

export interface MemoryStorage extends LogStorage {
  /** Keeps the records from this offset to below that one. Where the newest go, the next record gets the first offset that is free. */
  cut(slot: Slot, from: number, to: number): void
}

/** Maps instead of tables. A transaction runs in a later turn of the clock; nothing in it can fail after its checks. */
export function createMemoryStorage(clock: Clock): MemoryStorage {
  const topics = new Map<LogTopic, Partition[]>()
  const positions = new Map<string, Map<Slot, { offset: number; metadata: string }>>()
  const seen = new Map<LogTopic, Map<string, number>>()
  const lanes = new Map<string, LanePart>()
  let slotCount = 0
  const lane = (group: string, number: number): LanePart =>
    entry(lanes, `${group}/${number}`, () => ({ epoch: 0, rows: new Map() }))
  return {
    identity: () => 'memory',
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
      })
      topics.set(topic, Array.from({ length: partitions }, create))
    },
    topicsCreated: () => undefined,
    append(slot, { key, value, headers }, timestampMs) {
      const offset = slot.next++
      partitionOf(slot).records.push({
        offset,
        key,
        value: value && new Uint8Array(value),
        headers: { ...headers },
        timestampMs,
      })
      return offset
    },
    read: (slot, fromOffset, limit) => readRecords(partitionOf(slot).records, fromOffset, limit),
    earliest: (slot) => partitionOf(slot).records[0]?.offset ?? slot.next,
    offsetsOf: (slot, key) =>
      partitionOf(slot).records.flatMap((record) => (record.key === key ? [record.offset] : [])),
    position: (group, slot) => positions.get(group)?.get(slot),
    setPosition: (group, slot, offset, metadata) =>
      void entry(positions, group, () => new Map()).set(slot, { offset, metadata }),
    positions: (group) =>
      [...(positions.get(group) ?? [])].map(([slot, position]) => ({ slot, ...position })),
    subscribe: (group, topic, atMs) => void entry(seen, topic, () => new Map()).set(group, atMs),
    epoch: (group, number) => lane(group, number).epoch,
    raiseEpoch: (group, number) => ++lane(group, number).epoch,
    rows: (group, number) => [...lane(group, number).rows.values()],
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
    cut(slot, from, to) {
      const partition = partitionOf(slot)
      partition.records = partition.records.filter(({ offset }) => offset >= from && offset < to)
      slot.next = Math.min(slot.next, to)
    },
  }
}

function partitionOf(slot: Slot): Partition {
  return slot as Partition
}

/** Offsets have no gaps in memory but may not begin at 0, so the place of an offset is a subtraction. */
function readRecords(records: readonly StoredRecord[], fromOffset: number, limit: ReadLimit): StoredRecord[] {
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
