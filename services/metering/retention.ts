// Deletes rows older than the retention, a few at a time, so that no query waits for it.
import type { Clock } from '../../runtime/clock.ts'
import type { Sql } from '../../runtime/store/sql.ts'

const DAY_MS = 86_400_000
const ROWS_A_STATEMENT = 1_000
const ROWS_A_RUN = 200_000

/** Resolves with the number of rows deleted, of all tables together at most `ROWS_A_RUN`. */
export async function deleteOld(sql: Sql, retentionDays: number, clock: Pick<Clock, 'now'>): Promise<number> {
  const horizonMs = clock.now() - retentionDays * DAY_MS
  let deleted = 0
  for (const one of [
    oldUsage,
    oldTasks,
    oldOpenTasks,
    oldFeedback,
    oldApprovals,
    oldCases,
    oldRuns,
    oldTurns,
    oldSessions,
  ])
    for (let more = true; more && deleted < ROWS_A_RUN;) {
      const rows = Number((await one(sql, horizonMs).executeTakeFirst()).numDeletedRows)
      deleted += rows
      more = rows === ROWS_A_STATEMENT
    }
  return deleted
}

/** A statement that deletes old rows, at most `ROWS_A_STATEMENT`. */
interface Deletion {
  executeTakeFirst(): Promise<{ readonly numDeletedRows: bigint }>
}

function oldUsage(sql: Sql, horizonMs: number): Deletion {
  const old = sql
    .selectFrom('usage_ledger')
    .select(['task_id', 'event_id'])
    .where('at_ms', '<', horizonMs)
    .orderBy('at_ms')
    .limit(ROWS_A_STATEMENT)
  return sql
    .deleteFrom('usage_ledger')
    .where(({ eb, refTuple }) =>
      eb(refTuple('task_id', 'event_id'), 'in', old.$asTuple('task_id', 'event_id')),
    )
}

function oldTasks(sql: Sql, horizonMs: number): Deletion {
  const old = sql.selectFrom('task_ledger').select('task_id').where('completed_at_ms', '<', horizonMs)
  return sql
    .deleteFrom('task_ledger')
    .where('task_id', 'in', old.orderBy('completed_at_ms').limit(ROWS_A_STATEMENT))
}

/** No task runs for so long: its id was submitted again when the ledger no longer had its result. */
function oldOpenTasks(sql: Sql, horizonMs: number): Deletion {
  const old = sql.selectFrom('open_tasks').select('task_id').where('submitted_at_ms', '<', horizonMs)
  return sql
    .deleteFrom('open_tasks')
    .where('task_id', 'in', old.orderBy('submitted_at_ms').limit(ROWS_A_STATEMENT))
}

/** Both kinds must be old. */
function oldFeedback(sql: Sql, horizonMs: number): Deletion {
  const old = sql
    .selectFrom('task_feedback')
    .select('task_id')
    .where('given_at_ms', '<', horizonMs)
    .where('scored_at_ms', '<', horizonMs)
  return sql.deleteFrom('task_feedback').where('task_id', 'in', old.limit(ROWS_A_STATEMENT))
}

/** Scored cases of runs that began before the horizon. */
function oldCases(sql: Sql, horizonMs: number): Deletion {
  const old = sql
    .selectFrom('evaluation_cases')
    .innerJoin('evaluation_runs', 'evaluation_runs.id', 'evaluation_cases.run_id')
    .select(['run_id', 'case_id', 'model', 'epoch'])
    .where('started_at_ms', '<', horizonMs)
    .limit(ROWS_A_STATEMENT)
  return sql
    .deleteFrom('evaluation_cases')
    .where(({ eb, refTuple }) =>
      eb(
        refTuple('run_id', 'case_id', 'model', 'epoch'),
        'in',
        old.$asTuple('run_id', 'case_id', 'model', 'epoch'),
      ),
    )
}

/** Runs whose cases are gone. */
function oldRuns(sql: Sql, horizonMs: number): Deletion {
  const cases = sql.selectFrom('evaluation_cases').select('run_id')
  const old = sql
    .selectFrom('evaluation_runs')
    .select('id')
    .where('started_at_ms', '<', horizonMs)
    .where('id', 'not in', cases)
  return sql
    .deleteFrom('evaluation_runs')
    .where('id', 'in', old.orderBy('started_at_ms').limit(ROWS_A_STATEMENT))
}

function oldApprovals(sql: Sql, horizonMs: number): Deletion {
  const old = sql
    .selectFrom('approvals')
    .select(['task_id', 'call_id'])
    .where('status', '!=', 'waiting')
    .where('ended_at_ms', '<', horizonMs)
    .limit(ROWS_A_STATEMENT)
  return sql
    .deleteFrom('approvals')
    .where(({ eb, refTuple }) => eb(refTuple('task_id', 'call_id'), 'in', old.$asTuple('task_id', 'call_id')))
}

/** A session that is used goes on without its oldest turns. */
function oldTurns(sql: Sql, horizonMs: number): Deletion {
  const old = sql
    .selectFrom('session_turns')
    .select(['session_id', 'turn'])
    .where('at_ms', '<', horizonMs)
    .limit(ROWS_A_STATEMENT)
  return sql
    .deleteFrom('session_turns')
    .where(({ eb, refTuple }) => eb(refTuple('session_id', 'turn'), 'in', old.$asTuple('session_id', 'turn')))
}

function oldSessions(sql: Sql, horizonMs: number): Deletion {
  const old = sql.selectFrom('sessions').select('session_id').where('last_at_ms', '<', horizonMs)
  return (
    sql
      .deleteFrom('sessions')
      .where('session_id', 'in', old.orderBy('last_at_ms').limit(ROWS_A_STATEMENT))
      // Again: one that was used meanwhile stays.
      .where('last_at_ms', '<', horizonMs)
  )
}
