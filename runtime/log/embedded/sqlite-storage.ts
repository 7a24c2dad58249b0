// Tables of the embedded log in the data file.
//
// `slots.next_offset` is a lower bound, written before records are deleted; else the newest record gives the
// next offset.
import { randomUUID } from 'node:crypto'
import type { DataFile } from '../../store/data-file/data-file.ts'
import { isLookedUp } from './key-table.ts'
import { RecentRecords } from './recent-records.ts'
import { recordTable, type RecordTable } from './record-table.ts'
import type { LogTopic, OutgoingRecord, StateRow } from '../port.ts'
import type { LogStorage, Slot, StoredPosition } from './storage.ts'

/** Read at once when a lane opens: about a millisecond. */
const ROWS_IN_A_PAGE = 200

const tables = `
CREATE TABLE IF NOT EXISTS slots (
  id INTEGER PRIMARY KEY, prefix TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  next_offset INTEGER NOT NULL DEFAULT 0, UNIQUE (prefix, topic, partition)) STRICT;
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
  PRIMARY KEY (group_id, lane, key)) STRICT;
CREATE TABLE IF NOT EXISTS log_identity (prefix TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT, WITHOUT ROWID;`

export function openSqliteStorage(file: DataFile, prefix: string): LogStorage {
  const { db } = file
  db.exec(tables)
  const records = recordTable(file)
  const slotsByTopic = loadSlots(file, records, prefix)
  /** Made once: names of groups are bound with each row and position. */
  const groupIds = new Map<string, string>()
  const groupId = (group: string): string => {
    let id = groupIds.get(group)
    if (id === undefined) groupIds.set(group, (id = `${prefix}.${group}`))
    return id
  }
  const getPosition = db.prepare('SELECT position, metadata FROM positions WHERE group_id = ? AND slot = ?')
  const putPosition = db.prepare('INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)')
  const listPositions = db.prepare('SELECT slot, position, metadata FROM positions WHERE group_id = ?')
  const putSubscription = db.prepare('INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?)')
  const getEpoch = db.prepare('SELECT epoch FROM lane_epochs WHERE group_id = ? AND lane = ?')
  const putEpoch = db.prepare('INSERT OR REPLACE INTO lane_epochs VALUES (?, ?, ?)')
  const listRows = db.prepare(
    'SELECT key, value FROM lane_rows WHERE group_id = ? AND lane = ? AND key > ? ORDER BY key LIMIT ?',
  )
  const putRow = db.prepare(
    `INSERT INTO lane_rows VALUES (?, ?, ?, ?) ON CONFLICT (group_id, lane, key) DO UPDATE SET value = excluded.value`,
  )
  const deleteRow = db.prepare('DELETE FROM lane_rows WHERE group_id = ? AND lane = ? AND key = ?')
  const expiry = prepareExpiry(file, records, prefix)

  const identity = identityOf(file, prefix)
  const recent = new RecentRecords()
  /** Cached: only this process writes them. */
  const epochs = new Map<string, number>()
  const epoch = (group: string, lane: number): number => {
    const known = epochs.get(`${group}/${lane}`)
    if (known !== undefined) return known
    const found = (getEpoch.get(groupId(group), lane)?.['epoch'] as number | undefined) ?? 0
    epochs.set(`${group}/${lane}`, found)
    return found
  }

  /** Reads outside of a transaction, too. */
  const guarded =
    <A extends readonly unknown[], R>(read: (...args: A) => R) =>
    (...args: A): R =>
      file.guarded(() => read(...args))
  const rowsAfter = guarded(
    (group: string, lane: number, after: string) =>
      listRows.all(groupId(group), lane, after, ROWS_IN_A_PAGE) as unknown as StateRow[],
  )

  const undone = (): void => {
    recent.clear()
    epochs.clear()
    records.reload()
  }

  return {
    identity: () => identity,
    transact: (work) => file.write(work, undone),
    slots: (topic) => slotsByTopic.get(topic),
    createTopic: (topic, partitions) => createSlots(file, prefix, topic, partitions),
    topicsCreated() {
      // Slots in use keep their identity: readers and transactions share their `next`.
      for (const [topic, slots] of loadSlots(file, records, prefix))
        if (!slotsByTopic.has(topic)) slotsByTopic.set(topic, slots)
    },
    append(slot: Slot, record: OutgoingRecord, timestampMs: number): number {
      const offset = slot.next++
      const { key, headers, value } = record
      const { topic, partition } = slot
      const stored = { topic, partition, offset, key, value, headers, timestampMs }
      records.append(slot.id, stored, isLookedUp(topic))
      recent.add(slot, stored)
      return offset
    },
    read: guarded(
      (slot, fromOffset, limit) =>
        recent.read(slot, fromOffset, limit) ?? records.read(slot, fromOffset, limit),
    ),
    earliest: guarded((slot) => records.earliest(slot.id) ?? slot.next),
    offsetsOf: guarded((slot, key) => records.offsetsOf(slot.id, key)),
    position: guarded((group, slot) => {
      const row = getPosition.get(groupId(group), slot.id)
      return row && { offset: row['position'] as number, metadata: row['metadata'] as string }
    }),
    setPosition: (group, slot, offset, metadata) =>
      void putPosition.run(groupId(group), slot.id, offset, metadata),
    positions: guarded((group) => withSlots(listPositions.all(groupId(group)), slotsByTopic)),
    subscribe: (group, topic, atMs) => void putSubscription.run(groupId(group), prefix, topic, atMs),
    epoch,
    raiseEpoch(group, lane) {
      const next = epoch(group, lane) + 1
      putEpoch.run(groupId(group), lane, next)
      epochs.set(`${group}/${lane}`, next)
      return next
    },
    *rows(group, lane) {
      for (let after = ''; ;) {
        const page = rowsAfter(group, lane, after)
        yield* page
        const last = page.at(-1)
        if (last === undefined || page.length < ROWS_IN_A_PAGE) return
        after = last.key
      }
    },
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

/** Id of this log, created with the tables. */
function identityOf({ db }: DataFile, prefix: string): string {
  db.prepare('INSERT OR IGNORE INTO log_identity VALUES (?, ?)').run(prefix, randomUUID())
  return db.prepare('SELECT id FROM log_identity WHERE prefix = ?').get(prefix)?.['id'] as string
}

function loadSlots(file: DataFile, records: RecordTable, prefix: string): Map<LogTopic, Slot[]> {
  const found = file.db.prepare('SELECT * FROM slots WHERE prefix = ? ORDER BY topic, partition').all(prefix)
  const byTopic = new Map<LogTopic, Slot[]>()
  for (const row of found) {
    const id = row['id'] as number
    const next = Math.max(row['next_offset'] as number, 1 + (records.newest(id) ?? -1))
    const topic = row['topic'] as LogTopic
    const slot = { id, topic, partition: row['partition'] as number, next }
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), slot])
  }
  return byTopic
}

function createSlots(file: DataFile, prefix: string, topic: LogTopic, partitions: number): void {
  const insert = file.db.prepare('INSERT INTO slots (prefix, topic, partition) VALUES (?, ?, ?)')
  for (let partition = 0; partition < partitions; partition++) insert.run(prefix, topic, partition)
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

function prepareExpiry(file: DataFile, records: RecordTable, prefix: string): LogStorage['expire'] {
  const { db } = file
  const consumed = db.prepare(
    `SELECT min(coalesce(p.position, 0)) AS position FROM subscriptions s
     LEFT JOIN positions p ON p.group_id = s.group_id AND p.slot = ?
     WHERE s.prefix = ? AND s.topic = ? AND s.seen_ms >= ?`,
  )
  const keepNext = db.prepare('UPDATE slots SET next_offset = ? WHERE id = ?')
  return (slot, beforeMs, groupsSinceMs, limit) => {
    const position = consumed.get(slot.id, prefix, slot.topic, groupsSinceMs)?.['position'] as number | null
    keepNext.run(slot.next, slot.id)
    return records.expire(slot.id, Math.min(position ?? slot.next, slot.next), beforeMs, limit)
  }
}
