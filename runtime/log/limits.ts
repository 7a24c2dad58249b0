// Size limits of the log. Ours is below the broker's, so that our writes are never refused.
import { FlotillaError } from '../errors.ts'
import { CommitRefused, type LaneCommit, type LogTopic } from './port.ts'

/** A record with its key and headers, as the fleet writes and takes them: 512 KB. */
export const RECORD_BYTES = 524_288

/** Kafka's default for one batch (`message.max.bytes`); the embedded log keeps to it too. */
export const LOG_RECORD_BYTES = 1_048_588

/** Kafka's default for the metadata of a position (`offset.metadata.max.bytes`). */
export const LOG_METADATA_BYTES = 4_096

/** Header of a batch, and the lengths and numbers of its one record. */
const BATCH_BYTES = 100
const HEADER_BYTES = 10

interface Sized {
  readonly key: string | null
  readonly value: Uint8Array | null
  readonly headers?: Readonly<Record<string, string>>
}

/** Bytes of key, value and headers. */
export function recordBytes({ key, value, headers = {} }: Sized): number {
  let bytes = (key === null ? 0 : Buffer.byteLength(key)) + (value?.length ?? 0)
  for (const name in headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(headers[name] ?? '')
  return bytes
}

/** Size of the record as a batch. */
function batchBytes(record: Sized): number {
  return recordBytes(record) + BATCH_BYTES + HEADER_BYTES * Object.keys(record.headers ?? {}).length
}

/**
 * Whether key, value and headers have at most this many bytes, with `each` more for each header. Counts bytes only if the
 * characters, of at most three bytes each, leave a doubt.
 */
function fits(record: Sized, limit: number, each: number = 0): boolean {
  const { key, value, headers } = record
  let chars = key?.length ?? 0
  let count = 0
  if (headers)
    for (const name in headers) {
      chars += name.length + (headers[name] as string).length
      count++
    }
  if (3 * chars + (value?.length ?? 0) + each * count <= limit) return true
  return recordBytes(record) + each * count <= limit
}

/** Whether a record is one that lanes take. */
export const isTaken = (record: Sized): boolean => fits(record, RECORD_BYTES)
const fitsBatch = (record: Sized): boolean => fits(record, LOG_RECORD_BYTES - BATCH_BYTES, HEADER_BYTES)

/**
 * Throws RECORD_TOO_LARGE for a record of ours past RECORD_BYTES, before anything depends on it. A submission passes: lanes
 * answer one that they don't take with its result.
 */
export function bounded<R extends Sized & { readonly topic: LogTopic }>(record: R, type: string): R {
  if (record.topic === 'tasks.submitted' || isTaken(record)) return record
  const bytes = recordBytes(record)
  const message = `${type} for ${record.topic} has ${bytes} bytes with key and headers, at most ${RECORD_BYTES} are allowed`
  throw new FlotillaError('RECORD_TOO_LARGE', message)
}

/** Throws CommitRefused where Kafka's defaults would refuse. */
export function mustFit({ records, rows, positions }: LaneCommit, place: string): void {
  for (const record of records)
    if (!fitsBatch(record)) throw refusedBatch(record, `${place}: a record for ${record.topic}`)
  for (const row of rows) if (!fitsBatch(row)) throw refusedBatch(row, `${place}: a state row`)
  for (const { topic, metadata } of positions) mustFitMetadata(topic, metadata, place)
}

export function mustFitMetadata(topic: LogTopic, metadata: string, place: string): void {
  if (3 * metadata.length <= LOG_METADATA_BYTES) return
  const bytes = Buffer.byteLength(metadata)
  if (bytes <= LOG_METADATA_BYTES) return
  const message = `${place}: the position of ${topic} has ${bytes} bytes of metadata, at most ${LOG_METADATA_BYTES} are taken`
  throw new CommitRefused(message, 'position')
}

const refusedBatch = (record: Sized, what: string): CommitRefused =>
  new CommitRefused(
    `${what} has ${batchBytes(record)} bytes, at most ${LOG_RECORD_BYTES} are taken`,
    'record',
  )

/** Throws RECORD_TOO_LARGE if Kafka's defaults would refuse a record, before it fails others with it. */
export function mustBePublishable(records: readonly (Sized & { readonly topic: LogTopic })[]): void {
  for (const record of records) {
    if (fitsBatch(record)) continue
    const bytes = batchBytes(record)
    throw new FlotillaError(
      'RECORD_TOO_LARGE',
      `publishing to ${record.topic}: a record of ${bytes} bytes, at most ${LOG_RECORD_BYTES} are taken`,
    )
  }
}
