// Lists calls that wait, or waited, for people.
import type { Json } from '../../schemas/json.ts'
import { mostAgreeing, type SubjectVote } from '../task/people.ts'
import type { Sql, Tables } from '../store/sql.ts'

export interface ApprovalQuery {
  /** Default `waiting`. */
  readonly status?: 'waiting' | 'all'
  /** Only calls of this user's tasks. */
  readonly user?: string
  readonly task?: string
  /** 1 to 1,000, default 100. */
  readonly limit?: number
}

/** A call that waits, or waited, for a person. */
export interface ApprovalView {
  readonly taskId: string
  readonly callId: string
  readonly tool: string
  /** approval, question, or doubt: what a person is asked. */
  readonly why: string
  /** waiting, or how it ended. */
  readonly status: string
  readonly step: number
  readonly userId: string | null
  readonly agent: string | null
  readonly arguments: Json
  /** {rule, needed, approvers, onExpiry, answer} */
  readonly terms: Json
  /** Approvals so far: [{by, credential, madeBy, atMs, reason, arguments}]. */
  readonly votes: Json
  /** People who agree so far, of `terms.needed`: on the same arguments, and each person once. */
  readonly agreed: number
  readonly heldAtMs: number
  readonly expiresAtMs: number | null
  readonly endedAtMs: number | null
  /** How people decided; null while it waits. */
  readonly approval: Json
}

/** Those that wait longest first; with `all`, the latest first. */
export async function listApprovals(sql: Sql, query: ApprovalQuery): Promise<ApprovalView[]> {
  const { status = 'waiting', user, task, limit = 100 } = query
  let rows = sql.selectFrom('approvals').selectAll()
  // The end of a task may be in the ledger before its call was: such a call waits for nobody.
  if (status === 'waiting')
    rows = rows
      .where('status', '=', 'waiting')
      .where('task_id', 'not in', sql.selectFrom('task_ledger').select('task_ledger.task_id'))
  if (user !== undefined) rows = rows.where('user_id', '=', user)
  if (task !== undefined) rows = rows.where('task_id', '=', task)
  const found = await rows
    .orderBy('held_at_ms', status === 'waiting' ? 'asc' : 'desc')
    .orderBy('task_id')
    .orderBy('call_id')
    .limit(limit)
    .execute()
  return found.map(viewOf)
}

/** The last wait of the call; null if the ledger has none. */
export async function lastWait(sql: Sql, taskId: string, callId: string): Promise<ApprovalView | null> {
  const row = await sql
    .selectFrom('approvals')
    .selectAll()
    .where('task_id', '=', taskId)
    .where('call_id', '=', callId)
    .executeTakeFirst()
  return row ? viewOf(row) : null
}

function viewOf(row: Tables['approvals']): ApprovalView {
  const asked = JSON.parse(row.arguments) as Json
  const votes = JSON.parse(row.votes) as Json
  return {
    taskId: row.task_id,
    callId: row.call_id,
    tool: row.tool,
    why: row.why,
    status: row.status,
    step: row.step,
    userId: row.user_id,
    agent: row.agent,
    arguments: asked,
    terms: JSON.parse(row.terms) as Json,
    votes,
    agreed: mostAgreeing(asked, (votes ?? []) as unknown as SubjectVote[]),
    heldAtMs: row.held_at_ms,
    expiresAtMs: row.expires_at_ms,
    endedAtMs: row.ended_at_ms,
    approval: row.approval === null ? null : (JSON.parse(row.approval) as Json),
  }
}
