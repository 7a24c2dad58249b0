import { FlotillaError } from '../../runtime/errors.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log, LogRecord } from '../../runtime/log/port.ts'
import { headers as names } from '../../schemas/topics.ts'

/** False for records that others wrote to tasks.completed by mistake: they went to dead-letters. */
export function isResult({ headers, value }: LogRecord): boolean {
  return value !== null && headers[names.schema] === 'TaskCompleted'
}

const uuid7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/** When the id was made, and so the earliest time of completion; 0 if the id does not say. */
export function namedAtMs(taskId: string): number {
  const [, high, low] = uuid7.exec(taskId) ?? []
  return high === undefined || low === undefined ? 0 : Number.parseInt(high + low, 16)
}

/**
 * The task's result on the log. Rejects with SEARCH_UNFINISHED if there may be one in the part not yet
 * searched.
 */
export function searchResult(log: Log, taskId: string): Promise<LogRecord | null> {
  return log.find({
    topic: 'tasks.completed',
    partition: homeOf(taskId, log.partitions),
    key: taskId,
    wanted: isResult,
    sinceMs: namedAtMs(taskId),
  })
}

/** Searches until it is done. `isOver` ends it with null. */
export async function searchWhole(
  log: Log,
  taskId: string,
  isOver: () => boolean = () => false,
): Promise<LogRecord | null> {
  while (!isOver()) {
    try {
      return await searchResult(log, taskId)
    } catch (error) {
      if (!(error instanceof FlotillaError) || error.code !== 'SEARCH_UNFINISHED') throw error
    }
  }
  return null
}
