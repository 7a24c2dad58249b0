// The records of one ended task on the topics of its lane, oldest first.
//
// 1. Topics are read from their end back to the task's submission, page by page, a bounded number of records.
// 2. Payloads too large for the log are put back in their place.
import { resolve } from '../../../runtime/codec/claim-check.ts'
import type { Codec, Decoded } from '../../../runtime/codec/port.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { homeOf } from '../../../runtime/log/home.ts'
import type { Log, LogRecord } from '../../../runtime/log/port.ts'
import type { BlobStore } from '../../../runtime/store/port.ts'
import type { TopicName } from '../../../schemas/topics.ts'
import { readable } from '../../../runtime/codec/skip.ts'

export interface RecordParts {
  readonly log: Log
  readonly codec: Codec
  /** Null: payloads that were too large for the log can't be read. */
  readonly blobs: BlobStore | null
}

export interface TaskRecord {
  readonly record: LogRecord
  readonly event: Decoded
}

const PAGE = 1_000
/** Records of a topic that are read back, about a minute of reading. */
const MAX_READ = 500_000
/** Clocks of writers may differ; the log's own time decides which records are of the task's time. */
const SLACK_MS = 60_000

/** Rejects with SEARCH_UNFINISHED if the task is too far back, and with PAYLOAD_MISSING. */
export async function recordsOf(
  parts: RecordParts,
  taskId: string,
  topics: readonly TopicName[],
  sinceMs: number,
): Promise<TaskRecord[]> {
  const { log } = parts
  const home = homeOf(taskId, log.partitions)
  const ranges = await log.ranges(topics, { partitions: [home] })
  const found: TaskRecord[] = []
  for (const { topic, earliest, next } of ranges) {
    const ofTopic = await readBack(parts, { topic, home, earliest, next, taskId, sinceMs })
    found.push(...ofTopic)
  }
  return found
}

interface Reading {
  readonly topic: LogRecord['topic']
  readonly home: number
  readonly earliest: number
  readonly next: number
  readonly taskId: string
  readonly sinceMs: number
}

async function readBack(parts: RecordParts, reading: Reading): Promise<TaskRecord[]> {
  const { topic, home, earliest, next, taskId, sinceMs } = reading
  const pages: TaskRecord[][] = []
  for (let end = next; end > earliest;) {
    if (next - end >= MAX_READ) throw tooFarBack(taskId, topic)
    const from = Math.max(earliest, end - PAGE)
    const limit = end
    const records = (await parts.log.read(topic, home, from, limit - from)).filter(
      ({ offset }) => offset >= from && offset < limit,
    )
    const ofTask = records.filter(({ key }) => key === taskId)
    pages.push((await Promise.all(ofTask.map((record) => opened(parts, record)))).flat())
    const [oldest] = records
    if (oldest && oldest.timestampMs < sinceMs - SLACK_MS) break
    end = from
  }
  return pages.reverse().flat()
}

function tooFarBack(taskId: string, topic: string): FlotillaError {
  const message = `the records of task ${taskId} are more than ${MAX_READ} records back on ${topic}`
  return new FlotillaError('SEARCH_UNFINISHED', message)
}

async function opened({ codec, blobs }: RecordParts, record: LogRecord): Promise<TaskRecord[]> {
  const decoded = await readable(codec, record)
  if (decoded === null) return []
  const data = blobs ? await resolve(decoded.type, decoded.data, blobs) : decoded.data
  return [{ record, event: { ...decoded, data } as Decoded }]
}
