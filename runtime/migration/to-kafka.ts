// Moves the fleet of a data file to Kafka, Redis and PostgreSQL (ADR 0029).
//
// 1. The data file is locked, so no fleet runs on it; nothing in it is changed but what any start changes.
// 2. Killed at any point and started again, the move goes on; nothing is copied twice.
// 3. The target must be empty, or hold this same move.
// 4. Everything is compared before the positions are set; only then may a fleet start there.
// 5. The data directory is noted before anything is copied, so the fleet can't start here and there, nor here in between.
//    Where somebody has deleted the note, a fleet that has run since is noticed: the log's own figure has grown.
import { openRegistry, openCodec } from '../codec/open.ts'
import { createReframer } from '../codec/reframe.ts'
import type { Environment } from '../config/environment.ts'
import { FlotillaError, messageOf } from '../errors.ts'
import { copyLimits, countLimits, limitsBeginning } from '../limits/copy.ts'
import { openStoppedLog, sweepStoppedLog, type StoppedLog } from '../log/embedded/stopped.ts'
import { MoveTarget, targetKey, type MoveState } from '../log/kafka/admin/move-target.ts'
import { kafkaOptions } from '../log/kafka/open.ts'
import { CommitRefused } from '../log/port.ts'
import { copyKeys, countKeys, holdsKeys, keysBeginning } from '../store/copy-keys.ts'
import { copyTable, countStoredRows, holdsRows, storedTables } from '../store/copy-tables.ts'
import { plural } from '../text/quantities.ts'
import { hasDataFile, openDataFile, type DataFile } from '../store/data-file/data-file.ts'
import { moveNoted, noteMoved, refuseMoved } from '../store/data-file/moved-file.ts'
import { openSharedSql, openStores, requireShared, type Stores } from '../store/open.ts'
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
  /** Prefix of the fleet in the data file. Default: the environment's, which it has on Kafka. */
  readonly fromPrefix?: string
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
 * empty, INTERNAL if a comparison fails, LOG_UNAVAILABLE if the brokers don't answer or refuse, or the fleet was moved
 * elsewhere.
 */
export async function moveToKafka(options: MoveOptions): Promise<MoveReport> {
  const { kafkaBrokers, dataDir } = options.environment
  const prefix = prefixOf(options)
  if (kafkaBrokers.length === 0)
    throw new FlotillaError('CONFIG_INVALID', 'KAFKA_BROKERS is not set: set it to the cluster to move to')
  requireShared(options.environment)
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
        `${dataDir} holds no fleet with the prefix ${prefix}: set FLOTILLA_PREFIX to its own, or give that one by --from-prefix ` +
          'where it gets another one on Kafka',
      )
    requireSameLanes(source, options.environment)
    const target = new MoveTarget(kafkaOptions(options.environment), options.stages)
    try {
      await target.check()
      return await move({ options, file, source, target })
    } catch (error) {
      throw failureOf(error, options.environment)
    } finally {
      await target.close()
    }
  } finally {
    file.release()
  }
}

const prefixOf = ({ fromPrefix, environment }: MoveOptions): string => fromPrefix ?? environment.prefix

/** Errors of Kafka's client come without a code. */
function failureOf(cause: unknown, { kafkaBrokers }: Environment): unknown {
  if (cause instanceof FlotillaError || !(cause instanceof Error)) return cause
  const remedy =
    cause instanceof CommitRefused
      ? 'The broker takes no record of this size: raise max.message.bytes of its topics to 1048588 (flotilla doctor), then run the move again'
      : 'Run the move again: it goes on where it was'
  return new FlotillaError(
    'LOG_UNAVAILABLE',
    `moving to Kafka at ${kafkaBrokers.join(', ')}: ${messageOf(cause)}. ${remedy}`,
    { cause },
  )
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
  if (state !== null) refuseAnother(parts, state)
  if (state?.isFinished) {
    if (!options.isDryRun) note(parts, state.startedMs, true)
    return { outcome: 'moved before', partitions, lines: [] }
  }
  if (state === null) {
    refuseElsewhere(parts)
    const held = [...(await target.occupied()), ...(await heldInStores(parts))]
    if (held.length > 0) throw notEmpty(held)
  }
  // Brings the tables to this release, as each start does.
  await (await openSqliteSql({ dataDir: parts.file.dir })).destroy()
  if (options.isDryRun) return { outcome: 'would move', partitions, lines: linesOf(parts) }
  const stores = await openStores(options.environment)
  try {
    return { outcome: 'moved', partitions, lines: await copyAll(parts, stores, state) }
  } finally {
    await stores.close()
  }
}

/** The move that has begun there must be of this data file as it is now. */
function refuseAnother({ source, file }: Parts, { logId, startedMs, writes }: MoveState): void {
  const at = new Date(startedMs).toISOString()
  if (logId !== source.id) throw notEmpty([`another data file was moved there on ${at}`])
  if (writes !== source.writes)
    throw notEmpty([`the fleet in ${file.dir} has run here since its move there began on ${at}`])
}

/** A note of a move that has ended, or that is to another cluster. One to this cluster was about to begin. */
function refuseElsewhere({ options, file }: Parts): void {
  const noted = moveNoted(file.dir, prefixOf(options))
  const isHere = noted?.brokers.join() === options.environment.kafkaBrokers.join()
  if (noted && !(noted.isEnded === false && isHere)) refuseMoved(file.dir, prefixOf(options))
}

function note({ options, file }: Parts, atMs: number, isEnded: boolean): void {
  noteMoved(file.dir, prefixOf(options), { atMs, brokers: options.environment.kafkaBrokers, isEnded })
}

const notEmpty = (reasons: readonly string[]): FlotillaError =>
  new FlotillaError(
    'REQUEST_INVALID',
    `the target is not empty (${reasons.slice(0, 3).join('; ')}${reasons.length > 3 ? `; ${reasons.length - 3} more` : ''}): ` +
      'delete what is there, or move the fleet under another prefix: FLOTILLA_PREFIX=<new> flotilla migrate --to kafka ' +
      '--from-prefix <its own>',
  )

/** Counts of the data file alone. */
function linesOf({ options, file, source }: Parts): MoveLine[] {
  const { stages } = options
  const prefix = prefixOf(options)
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
    { what: 'journal and cache', dataFile: countKeys(file, prefix, nowMs) },
    { what: 'limits', dataFile: countLimits(file, prefix, nowMs) },
    { what: 'records', dataFile: records },
    { what: 'rows of lanes', dataFile: rows.reduce((sum, each) => sum + each, 0) },
  ]
  return lines.map((line) => ({ ...line, target: null }))
}

async function copyAll(parts: Parts, stores: Stores, state: MoveState | null): Promise<MoveLine[]> {
  const { options, file, source, target } = parts
  const { prefix } = options.environment
  const { id: logId, writes } = source
  const begun = state ?? { logId, writes, startedMs: Date.now(), progress: new Map<string, number>() }
  await target.ensureTopics()
  await target.open()
  if (state === null) {
    if (moveNoted(file.dir, prefixOf(options)) === null)
      await sweepStoppedLog(file, prefixOf(options), source.partitions)
    note(parts, begun.startedMs, false)
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
  await target.settled()
  const lines = await compareAndSet(parts, copy)
  await target.finish(begun)
  note(parts, begun.startedMs, true)
  return [...stored, ...lines]
}

/** What database and Redis hold of a fleet with this prefix. Creates nothing there. */
async function heldInStores({ options, file }: Parts): Promise<string[]> {
  const { redisUrl, prefix, security } = options.environment
  const held: string[] = []
  const sql = await openSharedSql(options.environment)
  try {
    if (sql !== null)
      for (const table of storedTables(file))
        if (await holdsRows(sql, table)) held.push(`the table ${table} has rows`)
  } finally {
    await sql?.destroy()
  }
  if (redisUrl === null) return held
  for (const beginning of [keysBeginning(prefix), limitsBeginning(prefix)])
    if (await holdsKeys(serverOf(redisUrl, security.redis), beginning))
      held.push(`Redis has keys like ${beginning}*`)
  return held
}

const serverOf = (url: string, security: Environment['security']['redis']) =>
  security === undefined ? { url } : { url, security }

/** Stores without a server (FLOTILLA_ALLOW_VOLATILE_STORE) stay in the data file. */
async function copyStores({ options, file }: Parts, { sql, keyValue }: Stores): Promise<MoveLine[]> {
  const { databaseUrl, redisUrl, prefix, security } = options.environment
  const from = prefixOf(options)
  const lines: MoveLine[] = []
  const nowMs = Date.now()
  if (databaseUrl !== null)
    for (const table of storedTables(file)) {
      options.onProgress(`copying ${table}`)
      const target = await copyTable(file, sql, table)
      lines.push({ what: table, dataFile: countStoredRows(file, table), target })
    }
  if (redisUrl === null) return lines
  options.onProgress('copying journal, cache and limits')
  const keys = countKeys(file, from, nowMs)
  lines.push({
    what: 'journal and cache',
    dataFile: keys,
    target: await copyKeys(file, from, keyValue, nowMs),
  })
  const server = serverOf(redisUrl, security.redis)
  const limits = await copyLimits(file, { from, to: prefix }, server, nowMs)
  return [...lines, { what: 'limits', dataFile: countLimits(file, from, nowMs), target: limits }]
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
