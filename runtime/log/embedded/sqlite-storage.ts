// Tables of the embedded log in the data file.
//
// 1. A record's id is slot * 2^40 + offset: one integer key, clustered by partition in offset order.
// 2. `slots.next_offset` is a floor, written before records are deleted; else the next offset follows from the newest record.
import type { StatementSync } from 'node:sqlite'
import type { DataFile } from '../../store/data-file.ts'
import { RecentRecords } from './recent-records.ts'
import type { LogTopic, OutgoingRecord, StateRow } from '../port.ts'
import type { LogStorage, ReadLimit, Slot, StoredPosition, StoredRecord } from './storage.ts'

const SPAN = 2 ** 40
const MAX_SLOTS = 2 ** 13 - 1

const tables = `
CREATE TABLE IF NOT EXISTS slots (
  id INTEGER PRIMARY KEY, prefix TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  next_offset INTEGER NOT NULL DEFAULT 0, UNIQUE (prefix, topic, partition)) STRICT;
CREATE TABLE IF NOT EXISTS records (
  id INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, key TEXT, headers TEXT NOT NULL, value BLOB) STRICT;
CREATE TABLE IF NOT EXISTS positions (
  group_id TEXT NOT NULL, slot INTEGER NOT NULL, position INTEGER NOT NULL, metadata TEXT NOT NULL,
  PRIMARY KEY (group_id, slot)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscriptions (
  group_id TEXT NOT NULL, prefix TEXT NOT NULL, topic TEXT NOT NULL, seen_ms INTEGER NOT NULL,
  PRIMARY KEY (prefix, topic, group_id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lane_epochs (
  group_id TEXT NOT NULL, lane INTEGER NOT NULL, epoch INTEGER NOT NULL,
  PRIMARY KEY (group_id, lane)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lane_rows (
  group_id TEXT NOT NULL, lane INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (group_id, lane, key)) STRICT;`

interface RecordRow {
  id: number
  timestamp_ms: number
  key: string | null
  headers: string
  value: Uint8Array | null
}

export function openSqliteStorage(file: DataFile, prefix: string): LogStorage {
  const { db } = file
  db.exec(tables)
  const slotsByTopic = loadSlots(file, prefix)
  const groupId = (group: string): string => `${prefix}.${group}`
  const insert = db.prepare('INSERT INTO records VALUES (?, ?, ?, ?, ?)')
  const select = db.prepare('SELECT * FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?')
  const first = db.prepare('SELECT id FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT 1')
  const getPosition = db.prepare('SELECT position, metadata FROM positions WHERE group_id = ? AND slot = ?')
  const putPosition = db.prepare('INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)')
  const listPositions = db.prepare('SELECT slot, position, metadata FROM positions WHERE group_id = ?')
  const putSubscription = db.prepare('INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?)')
  const getEpoch = db.prepare('SELECT epoch FROM lane_epochs WHERE group_id = ? AND lane = ?')
  const putEpoch = db.prepare('INSERT OR REPLACE INTO lane_epochs VALUES (?, ?, ?)')
  const listRows = db.prepare('SELECT key, value FROM lane_rows WHERE group_id = ? AND lane = ?')
  const putRow = db.prepare(
    `INSERT INTO lane_rows VALUES (?, ?, ?, ?) ON CONFLICT (group_id, lane, key) DO UPDATE SET value = excluded.value`,
  )
  const deleteRow = db.prepare('DELETE FROM lane_rows WHERE group_id = ? AND lane = ? AND key = ?')
  const expiry = prepareExpiry(file, prefix)

  const recent = new RecentRecords()
  /** Nobody but this process writes them. */
  const epochs = new Map<string, number>()
  const epoch = (group: string, lane: number): number => {
    const known = epochs.get(`${group}/${lane}`)
    if (known !== undefined) return known
    const found = (getEpoch.get(groupId(group), lane)?.['epoch'] as number | undefined) ?? 0
    epochs.set(`${group}/${lane}`, found)
    return found
  }

  return {
    transact: async (work) => {
      try {
        return await file.write(work)
      } catch (error) {
        recent.clear()
        epochs.clear()
        throw error
      }
    },
    slots: (topic) => slotsByTopic.get(topic),
    createTopic: (topic, partitions) => createSlots(file, prefix, topic, partitions),
    topicsCreated() {
      // Slots in use keep their identity: readers and transactions share their `next`.
      for (const [topic, slots] of loadSlots(file, prefix))
        if (!slotsByTopic.has(topic)) slotsByTopic.set(topic, slots)
    },
    append(slot: Slot, record: OutgoingRecord, timestampMs: number): number {
      const offset = slot.next++
      const { key, headers, value } = record
      insert.run(slot.id * SPAN + offset, timestampMs, key, JSON.stringify(headers), value)
      recent.add(slot, { offset, key, value, headers: { ...headers }, timestampMs })
      return offset
    },
    read: (slot, fromOffset, limit) =>
      recent.read(slot, fromOffset, limit) ?? readRecords(select, slot, fromOffset, limit),
    earliest(slot) {
      const id = first.get(slot.id * SPAN, (slot.id + 1) * SPAN)?.['id'] as number | undefined
      return id === undefined ? slot.next : id - slot.id * SPAN
    },
    position(group, slot) {
      const row = getPosition.get(groupId(group), slot.id)
      return row && { offset: row['position'] as number, metadata: row['metadata'] as string }
    },
    setPosition: (group, slot, offset, metadata) =>
      void putPosition.run(groupId(group), slot.id, offset, metadata),
    positions: (group) => withSlots(listPositions.all(groupId(group)), slotsByTopic),
    subscribe: (group, topic, atMs) => void putSubscription.run(groupId(group), prefix, topic, atMs),
    epoch,
    raiseEpoch(group, lane) {
      const next = epoch(group, lane) + 1
      putEpoch.run(groupId(group), lane, next)
      epochs.set(`${group}/${lane}`, next)
      return next
    },
    rows: (group, lane) => listRows.all(groupId(group), lane) as unknown as StateRow[],
    setRow(group, lane, row) {
      if (row.value === null) deleteRow.run(groupId(group), lane, row.key)
      else putRow.run(groupId(group), lane, row.key, row.value)
    },
    expire(...request) {
      recent.clear()
      return expiry(...request)
    },
  }
}

function loadSlots(file: DataFile, prefix: string): Map<LogTopic, Slot[]> {
  const newest = file.db.prepare('SELECT max(id) AS id FROM records WHERE id >= ? AND id < ?')
  const found = file.db.prepare('SELECT * FROM slots WHERE prefix = ? ORDER BY topic, partition').all(prefix)
  const byTopic = new Map<LogTopic, Slot[]>()
  for (const row of found) {
    const id = row['id'] as number
    const last = newest.get(id * SPAN, (id + 1) * SPAN)?.['id'] as number | null
    const next = Math.max(row['next_offset'] as number, last === null ? 0 : last - id * SPAN + 1)
    const topic = row['topic'] as LogTopic
    const slot = { id, topic, partition: row['partition'] as number, next }
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), slot])
  }
  return byTopic
}

function createSlots(file: DataFile, prefix: string, topic: LogTopic, partitions: number): void {
  const insert = file.db.prepare('INSERT INTO slots (prefix, topic, partition) VALUES (?, ?, ?)')
  for (let partition = 0; partition < partitions; partition++) {
    const { lastInsertRowid } = insert.run(prefix, topic, partition)
    if (lastInsertRowid > MAX_SLOTS)
      throw new Error(`the data file holds at most ${MAX_SLOTS} partitions of all topics`)
  }
}

function readRecords(
  select: StatementSync,
  slot: Slot,
  fromOffset: number,
  limit: ReadLimit,
): StoredRecord[] {
  const records: StoredRecord[] = []
  const base = slot.id * SPAN
  let bytes = 0
  const rows = select.iterate(base + fromOffset, base + SPAN, limit.records)
  for (const row of rows as unknown as Iterable<RecordRow>) {
    const { key, value } = row
    const headers = JSON.parse(row.headers) as Record<string, string>
    records.push({ offset: row.id - base, key, value, headers, timestampMs: row.timestamp_ms })
    bytes += value?.length ?? 0
    if (bytes >= limit.bytes) break
  }
  return records
}

function withSlots(
  rows: Record<string, unknown>[],
  byTopic: ReadonlyMap<LogTopic, readonly Slot[]>,
): StoredPosition[] {
  const slots = new Map([...byTopic.values()].flat().map((slot) => [slot.id, slot]))
  return rows.flatMap((row) => {
    const slot = slots.get(row['slot'] as number)
    return slot ? [{ slot, offset: row['position'] as number, metadata: row['metadata'] as string }] : []
  })
}

function prepareExpiry(file: DataFile, prefix: string): LogStorage['expire'] {
  const { db } = file
  const consumed = db.prepare(
    `SELECT min(coalesce(p.position, 0)) AS position FROM subscriptions s
     LEFT JOIN positions p ON p.group_id = s.group_id AND p.slot = ?
     WHERE s.prefix = ? AND s.topic = ? AND s.seen_ms >= ?`,
  )
  const keepNext = db.prepare('UPDATE slots SET next_offset = ? WHERE id = ?')
  // The oldest records stand first, so the search ends at the first one that stays.
  const stays = db.prepare(
    'SELECT id FROM records WHERE id >= ? AND id < ? AND timestamp_ms >= ? ORDER BY id LIMIT 1',
  )
  const remove = db.prepare(
    'DELETE FROM records WHERE id IN (SELECT id FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)',
  )
  return (slot, beforeMs, groupsSinceMs, limit) => {
    const base = slot.id * SPAN
    const position = consumed.get(slot.id, prefix, slot.topic, groupsSinceMs)?.['position'] as number | null
    const end = base + Math.min(position ?? SPAN, slot.next)
    const keep = (stays.get(base, end, beforeMs)?.['id'] as number | undefined) ?? end
    keepNext.run(slot.next, slot.id)
    return Number(remove.run(base, keep, limit).changes)
  }
}
