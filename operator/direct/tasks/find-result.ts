import { searchResult } from '../../../client/log/result-search.ts'
import type { Codec } from '../../../runtime/codec/port.ts'
import type { Log } from '../../../runtime/log/port.ts'
import type { TaskCompleted } from '../../../schemas/generated/events.ts'
import { readable } from '../../../runtime/codec/skip.ts'

/** The task's result on the log, with large parts as references. Rejects with SEARCH_UNFINISHED. */
export async function findResult(
  { log, codec }: { log: Log; codec: Codec },
  taskId: string,
): Promise<TaskCompleted | null> {
  const record = await searchResult(log, taskId)
  const decoded = record ? await readable(codec, record) : null
  return decoded?.type === 'TaskCompleted' ? decoded.data : null
}
