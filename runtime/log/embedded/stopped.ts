// The log of a stopped fleet, read from its data file in the order in which it is copied to another log. No engine is
// started on it: nothing is delivered, and no lane is opened.
import { topics as contract } from '../../../schemas/topics.ts'
import type { DataFile } from '../../store/data-file/data-file.ts'
import { namesReaders } from '../groups.ts'
import type { LogRecord, LogTopic, Position, StateRow } from '../port.ts'
import { openEmbeddedLog } from './log.ts'
import { openSqliteStorage } from './sqlite-storage.ts'
import type { Slot } from './storage.ts'

export interface StoppedSlot {
  readonly topic: LogTopic
  readonly partition: number
  /** Offset that the next record would get. */
  readonly next: number
  /** Offset of the first record that a stage has not finished; `next` if every stage has. */
  readonly unfinished: number
}

export interface StoppedGroup {
  /** Below the fleet's prefix: a stage, or `readers.<name>`. */
  readonly name: string
  readonly isStage: boolean
  readonly topics: readonly LogTopic[]
  readonly positions: readonly (Position & { readonly partition: number })[]
}

export interface StoppedLog {
  /** Identity of the log: a directory that is started over has another. */
  readonly id: string
  /** Lanes of each stage. */
  readonly partitions: number
  /** Grows with every record, and with every start of the fleet. */
  readonly writes: number
  readonly slots: readonly StoppedSlot[]
  readonly groups: readonly StoppedGroup[]
  /** Oldest first. */
  records(slot: StoppedSlot, fromOffset?: number): Iterable<LogRecord>
  rows(stage: string, lane: number): Iterable<StateRow>
  /** Epoch of the lane's last owner; 0 if there was none. */
  epoch(stage: string, lane: number): number
}

const PAGE = { records: 500, bytes: 16 * 1_048_576 }

/** Null if the file holds no fleet with this prefix. */
export function openStoppedLog(file: DataFile, prefix: string): StoppedLog | null {
  const storage = openSqliteStorage(file, prefix)
  const slots = contract.flatMap(({ name }) => storage.slots(name) ?? [])
  const [first] = contract.flatMap(({ name, partitions }) =>
    partitions === 'shared' ? [storage.slots(name)] : [],
  )
  if (first === undefined) return null
  const groups = groupsIn(file, prefix)
  const slotOf = ({ topic, partition }: StoppedSlot): Slot => storage.slots(topic)?.[partition] as Slot
  const openings = groups.flatMap(({ name }) => first.map(({ partition }) => storage.epoch(name, partition)))
  return {
    id: storage.identity('tasks.submitted'),
    partitions: first.length,
    writes: [...slots.map(({ next }) => next), ...openings].reduce((sum, each) => sum + each, 0),
    slots: slots.map(({ topic, partition, next }) => {
      return { topic, partition, next, unfinished: unfinishedIn(groups, { topic, partition, next }) }
    }),
    groups,
    *records(slot, fromOffset = 0) {
      for (let from = fromOffset; ;) {
        const page = storage.read(slotOf(slot), from, PAGE)
        yield* page
        const last = page.at(-1)
        if (last === undefined) return
        from = last.offset + 1
      }
    },
    rows: (stage, lane) => storage.rows(stage, lane),
    epoch: (stage, lane) => storage.epoch(stage, lane),
  }
}

/** Applies the retention of the topics, as a running fleet does every hour. */
export async function sweepStoppedLog(file: DataFile, prefix: string, partitions: number): Promise<void> {
  const log = openEmbeddedLog({ dataDir: file.dir, prefix, partitions })
  try {
    await log.sweep()
  } finally {
    await log.close()
  }
}

function groupsIn({ db }: DataFile, prefix: string): StoppedGroup[] {
  const known = new Set<string>(contract.map(({ name }) => name))
  const subscribed = db.prepare('SELECT group_id, topic FROM subscriptions WHERE prefix = ?').all(prefix)
  const committed = db
    .prepare(
      `SELECT p.group_id, s.topic, s.partition, p.position, p.metadata
       FROM positions p JOIN slots s ON s.id = p.slot WHERE s.prefix = ?`,
    )
    .all(prefix)
  // Subscriptions have the group's name alone, positions have the prefix before it.
  const groups = new Map<string, { topics: Set<LogTopic>; positions: StoppedGroup['positions'][number][] }>()
  const groupOf = (name: string) => {
    const found = groups.get(name) ?? { topics: new Set(), positions: [] }
    groups.set(name, found)
    return found
  }
  for (const row of subscribed)
    if (known.has(String(row['topic']))) groupOf(String(row['group_id'])).topics.add(row['topic'] as LogTopic)
  for (const row of committed) {
    const topic = row['topic'] as LogTopic
    if (!known.has(topic)) continue
    const group = groupOf(String(row['group_id']).slice(prefix.length + 1))
    group.topics.add(topic)
    group.positions.push({
      topic,
      partition: Number(row['partition']),
      offset: Number(row['position']),
      metadata: String(row['metadata']),
    })
  }
  return [...groups].map(([name, { topics, positions }]) => {
    return { name, isStage: !namesReaders(name), topics: [...topics], positions }
  })
}

function unfinishedIn(groups: readonly StoppedGroup[], slot: Omit<StoppedSlot, 'unfinished'>): number {
  const bases = groups
    .filter(({ isStage, topics }) => isStage && topics.includes(slot.topic))
    .map(
      ({ positions }) =>
        positions.find(({ topic, partition }) => topic === slot.topic && partition === slot.partition)
          ?.offset ?? 0,
    )
  return Math.min(slot.next, ...bases)
}
