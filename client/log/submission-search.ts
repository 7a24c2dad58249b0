import type { Codec } from '../../runtime/codec/port.ts'
import { unlessUndecodable } from '../../runtime/codec/skip.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log } from '../../runtime/log/port.ts'
import type { TaskSubmitted } from '../../schemas/generated/events.ts'
import { namedAtMs } from './result-search.ts'

export interface Submission {
  readonly task: TaskSubmitted
  readonly atMs: number
}

/** Rejects with SEARCH_UNFINISHED if there may be one in the part of the log that was not searched. */
export async function searchSubmission(
  { log, codec }: { log: Log; codec: Codec },
  taskId: string,
): Promise<Submission | null> {
  const topic = 'tasks.submitted'
  const record = await log.find({
    topic,
    partition: homeOf(taskId, log.partitions),
    key: taskId,
    wanted: ({ value }) => value !== null,
    sinceMs: namedAtMs(taskId),
  })
  if (record === null) return null
  const decoded = await unlessUndecodable(() => codec.decode(record.value ?? new Uint8Array(), topic))
  return decoded?.type === 'TaskSubmitted' ? { task: decoded.data, atMs: record.timestampMs } : null
}
