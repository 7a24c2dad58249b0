// Moves the fleet of a data file to Kafka, Redis and PostgreSQL (ADR 0029).
//
// 1. The data file is locked, so no fleet runs on it; nothing in it is changed but what any start changes.
// 2. Killed at any point and started again, the move goes on; nothing is copied twice.
// 3. The target must be empty, or hold this same move.
// 4. Everything is compared before the positions are set; only then may a fleet start there.
import { openRegistry, openCodec } from '../codec/open.ts'
import { createReframer } from '../codec/reframe.ts'
import type { Environment } from '../config/environment.ts'
import { FlotillaError } from '../errors.ts'
import { copyLimits, countLimits } from '../limits/copy.ts'
import { openStoppedLog, sweepStoppedLog, type StoppedLog } from '../log/embedded/stopped.ts'
import { MoveTarget, targetKey, type MoveState } from '../log/kafka/move-target.ts'
import { kafkaOptions } from '../log/kafka/open.ts'
import { plural } from '../quantities.ts'
import { copyKeys, countKeys, holdsKeys } from '../store/copy-keys.ts'
import { copyTable, countRows, countStoredRows, storedTables } from '../store/copy-tables.ts'
import { hasDataFile, openDataFile, type DataFile } from '../store/data-file.ts'
import { noteMoved } from '../store/moved-file.ts'
import { openStores, type Stores } from '../store/open.ts'
import { openSqliteSql } from '../store/sql-sqlite.ts'
import type { OffsetMap } from './copied-slot.ts'
import { LogCopy } from './log-copy.ts'

export interface MoveLine {
  readonly what: string
  readonly dataFile: number
  /** Compared with the data file; null: not copied (yet). */
  readonly target: number | null
}

export interface MoveReport {
  /** `would move`: a dry run. `moved before`: nothing was left to do. */
  readonly outcome: 'moved' | 'moved before' | 'would move'
  readonly partitions: number
  readonly lines: readonly MoveLine[]
}

export interface MoveOptions {
  readonly environment: Environment
  /** Names of the stages, whose state is moved. */
  readonly stages: readonly string[]
  readonly isDryRun: boolean
  readonly onProgress: (text: string) => void
  /** Records in one transaction. Default 1,000. */
  readonly batchRecords?: number
}

const BATCH_RECORDS = 1_000

interface Parts {
  readonly options: MoveOptions
  readonly file: DataFile
  readonly source: StoppedLog
  readonly target: MoveTarget
}

/**
 * Rejects with DATA_LOCKED while the fleet runs, TOPICS_MISMATCH if the lanes differ, REQUEST_INVALID if the target is not
 * empty, INTERNAL if a comparison fails.
 */
export async function moveToKafka(options: MoveOptions): Promise<MoveReport> {
  const { kafkaBrokers, dataDir, prefix } = options.environment
  if (kafkaBrokers.length === 0)
    throw new FlotillaError('CONFIG_INVALID', 'KAFKA_BROKERS is not set: set it to the cluster to move to')
  if (!hasDataFile(dataDir))
    throw new FlotillaError(
      'NOT_FOUND',
      `${dataDir} holds no fleet: set FLOTILLA_DATA to the directory of the fleet to move`,
    )
  const file = openDataFile({ dataDir })
  try {
    const source = openStoppedLog(file, prefix)
    if (source === null)
      throw new FlotillaError(
        'NOT_FOUND',
        `${dataDir} holds no fleet with the prefix ${prefix}: set FLOTILLA_PREFIX to its own`,
      )
    requireSameLanes(source, options.environment)
    const target = new MoveTarget(kafkaOptions(options.environment), options.stages)
    try {
      return await move({ options, file, source, target })
    } finally {
      await target.close()
    }
  } finally {
    file.release()
  }
}

/** A lane has rows of its own, which no key divides. */
function requireSameLanes({ partitions }: StoppedLog, environment: Environment): void {
  if (partitions === environment.partitions) return
  throw new FlotillaError(
    'TOPICS_MISMATCH',
    `the fleet in ${environment.dataDir} has ${plural(partitions, 'lane')}, which can't be divided or joined, and FLOTILLA_PARTITIONS ` +
      `says ${environment.partitions}: set FLOTILLA_PARTITIONS=${partitions} here and for every process on Kafka`,
  )
}

async function move(parts: Parts): Promise<MoveReport> {
  const { options, source, target } = parts
  const { partitions } = source
  const state = await target.state()
  if (state !== null && state.logId !== source.id)
    throw notEmpty([`another data file was moved there on ${new Date(state.startedMs).toISOString()}`])
  if (state?.isFinished) return { outcome: 'moved before', partitions, lines: [] }
  const occupied = state === null ? await target.occupied() : []
  if (occupied.length > 0) throw notEmpty(occupied)
  // Brings the tables to this release, as any start does.
  await (await openSqliteSql({ dataDir: parts.file.dir })).destroy()
  if (options.isDryRun) return { outcome: 'would move', partitions, lines: linesOf(parts) }
  const stores = await openStores(options.environment)
  try {
    return { outcome: 'moved', partitions, lines: await copyAll(parts, stores, state) }
  } finally {
    await stores.close()
  }
}

const notEmpty = (reasons: readonly string[]): FlotillaError =>
  new FlotillaError(
    'REQUEST_INVALID',
    `the target is not empty (${reasons.slice(0, 3).join('; ')}${reasons.length > 3 ? `; ${reasons.length - 3} more` : ''}): ` +
      'set another FLOTILLA_PREFIX, or delete what is there',
  )

/** Counts of the data file alone. */
function linesOf({ options, file, source }: Parts): MoveLine[] {
  const { stages, environment } = options
  const nowMs = Date.now()
  const count = (items: Iterable<unknown>): number => {
    let found = 0
    for (const _ of items) found++
    return found
  }
  const records = source.slots.reduce((sum, slot) => sum + count(source.records(slot)), 0)
  const rows = stages.flatMap((stage) =>
    Array.from({ length: source.partitions }, (_, lane) => count(source.rows(stage, lane))),
  )
  const lines = [
    ...storedTables(file).map((table) => ({ what: table, dataFile: countStoredRows(file, table) })),
    { what: 'journal and cache', dataFile: countKeys(file, environment.prefix, nowMs) },
    { what: 'limits', dataFile: countLimits(file, environment.prefix, nowMs) },
    { what: 'records', dataFile: records },
    { what: 'rows of lanes', dataFile: rows.reduce((sum, each) => sum + each, 0) },
  ]
  return lines.map((line) => ({ ...line, target: null }))
}

async function copyAll(parts: Parts, stores: Stores, state: MoveState | null): Promise<MoveLine[]> {
  const { options, file, source, target } = parts
  const { prefix, dataDir, kafkaBrokers } = options.environment
  const begun = state ?? { logId: source.id, startedMs: Date.now(), progress: new Map<string, number>() }
  if (state === null) await refuseStored(parts, stores)
  await target.ensureTopics()
  await target.open()
  if (state === null) {
    await sweepStoppedLog(file, prefix, source.partitions)
    await target.begin(begun)
  }
  const stored = await copyStores(parts, stores)
  const codec = openCodec(options.environment)
  await codec.prepare()
  const registry = openRegistry(options.environment)
  const reframer = createReframer({ registry, codec, blobs: stores.blobs, prefix })
  let copied = 0
  const copy = new LogCopy({
    source,
    target,
    reframer,
    stages: options.stages,
    move: begun,
    batchRecords: options.batchRecords ?? BATCH_RECORDS,
    onCopied: (records) => options.onProgress(`copied ${(copied += records)} records and rows`),
  })
  // Fenced by now is a former move: what it has committed last counts.
  await copy.copy((await target.state())?.progress ?? begun.progress)
  const lines = await compareAndSet(parts, copy)
  await target.finish(begun)
  noteMoved(dataDir, prefix, { atMs: Date.now(), brokers: kafkaBrokers })
  return [...stored, ...lines]
}

/** Rejects if database or Redis hold a fleet with this prefix. */
async function refuseStored({ options, file }: Parts, { sql }: Stores): Promise<void> {
  const { databaseUrl, redisUrl, prefix, security } = options.environment
  const held: string[] = []
  if (databaseUrl !== null)
    for (const table of storedTables(file))
      if ((await countRows(sql, table)) > 0) held.push(`the table ${table} has rows`)
  if (redisUrl !== null && (await holdsKeys(serverOf(redisUrl, security.redis), prefix)))
    held.push('Redis has keys')
  if (held.length > 0) throw notEmpty(held)
}

const serverOf = (url: string, security: Environment['security']['redis']) =>
  security === undefined ? { url } : { url, security }

/** Stores without a server (FLOTILLA_ALLOW_VOLATILE_STORE) stay in the data file. */
async function copyStores({ options, file }: Parts, { sql, keyValue }: Stores): Promise<MoveLine[]> {
  const { databaseUrl, redisUrl, prefix, security } = options.environment
  const lines: MoveLine[] = []
  const nowMs = Date.now()
  if (databaseUrl !== null)
    for (const table of storedTables(file)) {
      options.onProgress(`copying ${table}`)
      await copyTable(file, sql, table)
      lines.push({ what: table, dataFile: countStoredRows(file, table), target: await countRows(sql, table) })
    }
  if (redisUrl === null) return lines
  options.onProgress('copying journal, cache and limits')
  const keys = countKeys(file, prefix, nowMs)
  lines.push({
    what: 'journal and cache',
    dataFile: keys,
    target: await copyKeys(file, prefix, keyValue, nowMs),
  })
  const limits = await copyLimits(file, prefix, serverOf(redisUrl, security.redis), nowMs)
  return [...lines, { what: 'limits', dataFile: countLimits(file, prefix, nowMs), target: limits }]
}

/** Compares every record and row, then sets the positions. */
async function compareAndSet({ options, source, target }: Parts, copy: LogCopy): Promise<MoveLine[]> {
  options.onProgress('comparing')
  const offsets = new Map<string, OffsetMap>()
  const records = new Map<string, number>()
  for (const slot of copy.slots) {
    const compared = await copy.compare(slot)
    offsets.set(targetKey(slot), compared.offsets)
    records.set(slot.topic, (records.get(slot.topic) ?? 0) + compared.records)
  }
  let rows = 0
  for (const lane of copy.lanes()) rows += await copy.compareRows(lane)
  options.onProgress('setting positions')
  await target.setPositions(source.groups.map((group) => copy.positionsOf(group, offsets)))
  return [
    ...[...records].map(([what, count]) => ({ what, dataFile: count, target: count })),
    { what: 'rows of lanes', dataFile: rows, target: rows },
  ]
}
