// Writes ledger rows, many in one statement.
import type { Clock } from '../../runtime/clock.ts'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import { askedOf } from '../../runtime/ledger/asked.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import type { Instruments } from '../../runtime/telemetry/instruments.ts'
import { Batches } from './batches.ts'
import type { FeedbackRow, LedgerWrite, UsageRow } from './call.ts'
import { release, upsertHeld } from './approvals.ts'
import { Columns, RowStatement } from './row-statement.ts'
import { writeSession } from './sessions.ts'
import { closeTasks, openTasks, type ClosedTask, type OpenTask } from './tasks.ts'

const DAY_MS = 86_400_000

export interface LedgerParts {
  readonly sql: Sql
  readonly retentionDays: number
  readonly clock: Pick<Clock, 'now'>
  readonly instruments: Pick<Instruments, 'record' | 'count'>
}

/**
 * Rejects with STORE_UNAVAILABLE, which the host retries, or INTERNAL for a row that the database will never
 * accept. A row past the retention is not written: it was written and deleted before, or would be deleted at
 * once.
 */
export function createLedgerCaller(parts: LedgerParts): (request: LedgerWrite) => Promise<void> {
  const { sql, clock, retentionDays } = parts
  const usage = new Batches<UsageRow>((rows) => writeUsage(sql, rows), isRefusal)
  const open = new Batches<OpenTask>(
    async (rows) => countReused(await openTasks(sql, rows), parts),
    isRefusal,
  )
  const tasks = new Batches<ClosedTask>((rows) => closeTasks(sql, rows), isRefusal)
  const write = (request: LedgerWrite): Promise<unknown> => {
    const horizonMs = clock.now() - retentionDays * DAY_MS
    if ('usage' in request) return request.usage.at_ms < horizonMs ? nothing : usage.add(request.usage)
    if ('submitted' in request) {
      const { text, ...row } = request.submitted
      return row.submitted_at_ms < horizonMs ? nothing : open.add({ ...row, ...askedOf(text) })
    }
    if ('task' in request) {
      const { text, ...row } = request.task
      return row.completed_at_ms < horizonMs ? nothing : tasks.add({ ...row, ...askedOf(text) })
    }
    if ('held' in request) return upsertHeld(sql, request.held)
    if ('released' in request) return release(sql, request.released)
    if ('session' in request) return writeSession(sql, request.session)
    return upsertFeedback(sql, request.feedback)
  }
  return async (request) => {
    try {
      await write(request)
    } catch (cause) {
      const message = `writing the ledger: ${messageOf(cause)}`
      throw new FlotillaError(isRefusal(cause) ? 'INTERNAL' : 'STORE_UNAVAILABLE', message, { cause })
    }
    if ('feedback' in request) measure(request.feedback, parts.instruments)
  }
}

const nothing = Promise.resolve()

const usageColumns = new Columns<UsageRow>({
  event_id: 0,
  task_id: 0,
  call_id: 0,
  kind: 0,
  user_id: 0,
  agent: 0,
  model: 0,
  provider: 0,
  tool: 0,
  input_tokens: 0,
  output_tokens: 0,
  cost: 0,
  cost_is_guess: 0,
  duration_ms: 0,
  succeeded: 0,
  error_code: 0,
  cached: 0,
  at_ms: 0,
})

const insertUsage = new RowStatement(
  (sql, rows: readonly UsageRow[]) =>
    sql
      .insertInto('usage_ledger')
      .values(rows.map(usageColumns.rowOf))
      .onConflict((on) => on.columns(['task_id', 'event_id']).doNothing()),
  usageColumns.valuesOf,
)

/** In a fixed order, so that two owners of a lane that write the same rows can't deadlock. */
function writeUsage(sql: Sql, rows: readonly UsageRow[]): Promise<unknown> {
  const sorted = rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  return insertUsage.run(sql, sorted)
}

const keyOf = ({ task_id, event_id }: UsageRow): string => `${task_id} ${event_id}`

function countReused(taskIds: readonly string[], { instruments }: LedgerParts): void {
  if (taskIds.length > 0) instruments.count('task_ids_reused', taskIds.length)
}

/** The latest of each kind counts, in any order of arrival. */
function upsertFeedback(sql: Sql, row: FeedbackRow): Promise<unknown> {
  const insert = sql.insertInto('task_feedback').values({ ...unsaid, ...row })
  const { task_id: _, ...said } = row
  const at = 'given_at_ms' in row ? 'given_at_ms' : 'scored_at_ms'
  const since = 'given_at_ms' in row ? row.given_at_ms : row.scored_at_ms
  return insert
    .onConflict((on) => on.column('task_id').doUpdateSet(said).where(`task_feedback.${at}`, '<=', since))
    .execute()
}

const unsaid = {
  satisfaction: null,
  comment: null,
  given_by: null,
  given_at_ms: 0,
  quality: null,
  scorer: null,
  scored_at_ms: 0,
}

function measure(row: FeedbackRow, { record }: LedgerParts['instruments']): void {
  if ('satisfaction' in row && row.satisfaction !== null) record('task_satisfaction', row.satisfaction)
  if ('quality' in row && row.quality !== null) record('task_quality', row.quality)
}

/**
 * SQLSTATE classes 22 and 23 (data, constraint), and SQLite's CONSTRAINT and MISMATCH: a retry is useless.
 */
function isRefusal(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  if (typeof errcode === 'number') return [19, 20].includes(errcode & 0xff)
  return typeof code === 'string' && /^2[23]/.test(code)
}
