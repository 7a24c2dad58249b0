// How far the move of a data file's log to this cluster has come. It is kept as positions of a group that has no
// members, and each transaction that copies records moves it on.
//
// 1. A position's topic and partition are those that were written, its offset is that of the next record to copy in
//    the data file, and its metadata identifies the move.
// 2. A fleet refuses to start while a move is unfinished: its stages would read records from the beginning.
import { FlotillaError } from '../../../errors.ts'
import { errorType } from '../errors.ts'
import type { Context } from '../context.ts'
import { committedOffsets } from '../group/positions.ts'

export const MOVE = 'migration'

/** One move of one data file. */
export interface Move {
  /** Identity of the log in the data file. */
  readonly logId: string
  readonly startedMs: number
  /** What the log said of itself (StoppedLog.writes): another figure later means that the fleet has run since. */
  readonly writes: number
}

/** Stands for the whole move: written first, and again at its end. */
const MARK_TOPIC = 'tasks.submitted'
const MARK_PARTITION = 0

export const markOf = (context: Context): { topic: string; partition: number } => ({
  topic: context.names.topic(MARK_TOPIC),
  partition: MARK_PARTITION,
})

export const encodeMove = ({ logId, startedMs, writes }: Move, state: 'unfinished' | 'finished'): string =>
  `${logId} ${startedMs} ${state} ${writes}`

export function decodeMove(metadata: string): (Move & { readonly isFinished: boolean }) | null {
  const [logId, startedMs, state, writes] = metadata.split(' ')
  if (logId === undefined || startedMs === undefined || state === undefined) return null
  return { logId, startedMs: Number(startedMs), writes: Number(writes), isFinished: state === 'finished' }
}

/** Rejects if a move to these topics has begun and not ended. A principal that may not see the group passes. */
export async function refuseUnfinishedMove(context: Context): Promise<void> {
  const { names, shared, settings } = context
  const { topic, partition } = markOf(context)
  const asked = committedOffsets(
    shared,
    names.group('stage', MOVE),
    [topic],
    [partition],
    // Groups of a cluster that is new have no coordinator at first.
    settings.startTimeoutMs,
  )
  const [mark] = await asked.catch((error: unknown) => {
    if (errorType(error) === 'GROUP_AUTHORIZATION_FAILED') return []
    throw error
  })
  const move = mark === undefined ? null : decodeMove(mark.metadata)
  if (move === null || move.isFinished) return
  throw new FlotillaError(
    'TOPICS_MISMATCH',
    `the move of a data file to these topics began at ${new Date(move.startedMs).toISOString()} and has not ended: ` +
      'run flotilla migrate --to kafka again, to its end, before the fleet starts',
  )
}
