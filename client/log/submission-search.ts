import { resolve } from '../../runtime/codec/claim-check.ts'
import type { BlobStore } from '../../runtime/store/port.ts'
import type { Codec } from '../../runtime/codec/port.ts'
import { readable } from '../../runtime/codec/skip.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log, LogRecord } from '../../runtime/log/port.ts'
import type { TaskSubmitted } from '../../schemas/generated/events.ts'
import { namedAtMs } from './result-search.ts'

export interface Submission {
  readonly task: TaskSubmitted
  readonly atMs: number
}

/** Rejects with SEARCH_UNFINISHED if there may be one in the part of the log that was not searched. */
export async function searchSubmission(
  { log, codec, blobs }: { log: Log; codec: Codec; blobs?: BlobStore },
  taskId: string,
): Promise<Submission | null> {
  const record = await findSubmission(log, taskId)
  if (record === null) return null
  const decoded = await readable(codec, record)
  if (decoded?.type !== 'TaskSubmitted') return null
  const task = blobs ? await resolve(decoded.type, decoded.data, blobs) : decoded.data
  return { task, atMs: record.timestampMs }
}

/** The newest record. Rejects with SEARCH_UNFINISHED, as the search does. */
export function findSubmission(log: Log, taskId: string): Promise<LogRecord | null> {
  return log.find({
    topic: 'tasks.submitted',
    partition: homeOf(taskId, log.partitions),
    key: taskId,
    wanted: ({ value }) => value !== null,
    sinceMs: namedAtMs(taskId),
  })
}
