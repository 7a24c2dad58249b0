// What metering has not read yet, so that the ledger does not have it: submissions, and calls that wait for people. Of
// each partition a bounded number of records is read.
import type { Codec, Decoded } from '../../../runtime/codec/port.ts'
import { readable } from '../../../runtime/codec/skip.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import { askedOf } from '../../../runtime/ledger/asked.ts'
import { noUsage, type OpenRow, type UnreadWaits } from '../../../runtime/ledger/tasks.ts'
import { homeOf } from '../../../runtime/log/home.ts'
import type { Log, LogRecord } from '../../../runtime/log/port.ts'
import { headers as names, type TopicName } from '../../../schemas/topics.ts'

interface UnreadParts {
  readonly log: Log
  readonly codec: Codec
}

interface Unread {
  readonly partition: number
  /** Oldest first. */
  readonly records: readonly LogRecord[]
  /** False: there are more behind them. */
  readonly isWhole: boolean
}

/** Records that are read of a partition. */
const MAX_UNREAD = 1_000
/** Tasks that are looked for in the ledger by their ids. */
const MAX_HELD = 500

/** Unread records of these partitions; null: of all. A partition of which everything is read is not there. */
async function unreadOf(
  { log }: UnreadParts,
  topic: TopicName,
  partitions: ReadonlySet<number> | null,
): Promise<Unread[]> {
  const asked = partitions === null ? {} : { partitions: [...partitions] }
  const [positions, ranges] = await Promise.all([log.positions('metering'), log.ranges([topic], asked)])
  const unread = await Promise.all(
    ranges.map(async ({ partition, earliest, next }): Promise<Unread | null> => {
      const position = positions.find((each) => each.topic === topic && each.partition === partition)
      const from = Math.max(earliest, position?.offset ?? 0)
      if (from >= next) return null
      const records = await log.read(topic, partition, from, MAX_UNREAD)
      return { partition, records, isWhole: records.length < MAX_UNREAD }
    }),
  )
  return unread.filter((each) => each !== null)
}

/** The task's submission, if metering has not read it yet. Rejects with SEARCH_UNFINISHED. */
export async function unreadSubmission(parts: UnreadParts, taskId: string): Promise<OpenRow | null> {
  const lane = homeOf(taskId, parts.log.partitions)
  const [unread] = await unreadOf(parts, 'tasks.submitted', new Set([lane]))
  if (unread === undefined) return null
  const [row] = await submittedRows(parts, unread, new Set([taskId]))
  if (row !== undefined) return row
  if (unread.isWhole) return null
  const message = `metering has not read the submissions of lane ${lane} yet: whether there is a task ${taskId} is not known`
  throw new FlotillaError('SEARCH_UNFINISHED', message)
}

/** Tasks with a call that waits for a person, or did a moment ago: their history says which. */
export async function unreadWaits(parts: UnreadParts): Promise<UnreadWaits> {
  const unread = await unreadOf(parts, 'tools.completed', null)
  const isHeld = ({ key, headers }: LogRecord): boolean =>
    key !== null && headers[names.schema] === 'CallHeld'
  const ids = unread.flatMap(({ records }) => records.filter(isHeld).map(({ key }) => key ?? ''))
  const held = new Set(ids.slice(0, MAX_HELD))
  if (held.size === 0) return { held: [], submitted: [] }
  const lanes = new Set([...held].map((taskId) => homeOf(taskId, parts.log.partitions)))
  const submissions = await unreadOf(parts, 'tasks.submitted', lanes)
  const rows = await Promise.all(submissions.map((each) => submittedRows(parts, each, held)))
  return { held: [...held], submitted: rows.flat() }
}

/** The first submission of each of these tasks. */
async function submittedRows(
  { codec }: UnreadParts,
  { partition, records }: Unread,
  wanted: ReadonlySet<string>,
): Promise<OpenRow[]> {
  const rows = new Map<string, OpenRow>()
  for (const record of records) {
    const decoded = await readable(codec, record)
    if (decoded?.type !== 'TaskSubmitted') continue
    const { taskId } = decoded.data
    if (taskId === null || !wanted.has(taskId) || rows.has(taskId)) continue
    rows.set(taskId, submittedRow(taskId, record, { ...decoded, lane: partition }))
  }
  return [...rows.values()]
}

type Submission = Extract<Decoded, { type: 'TaskSubmitted' }>

function submittedRow(
  task_id: string,
  record: LogRecord,
  { data, lane }: Submission & { readonly lane: number },
): OpenRow {
  return {
    task_id,
    ...askedOf(data.text),
    user_id: data.userId,
    agent: data.agent,
    model: data.model,
    profile: data.profile,
    lane,
    submitted_at_ms: record.timestampMs,
    session_id: data.sessionId,
    parent: data.parent,
    used: noUsage,
    held: null,
  }
}
