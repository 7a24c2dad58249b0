// Lists tasks from the ledger, open and ended ones together, the latest submitted first.
import { sql as raw, type RawBuilder } from 'kysely'
import { IN_DOUBT, type Sql, type Tables } from '../store/sql.ts'
import { hasText, inByteOrder } from '../store/sql-text.ts'
import { oneLine } from './asked.ts'
import { isOpenState, type taskStates } from './choices.ts'
import { nextOf, placeOf, type Place } from './places.ts'

export type TaskState = (typeof taskStates)[number]

/** Which tasks. Every given field must match. */
export interface TaskFilter {
  /** Default: every state. `open`: all that have not ended. */
  readonly status?: TaskState | 'open'
  readonly agent?: string
  readonly user?: string
  readonly model?: string
  /** The one that the submission of an open task names. */
  readonly profile?: string
  readonly errorCode?: string
  readonly session?: string
  /** Id of the task that it was made from. */
  readonly parent?: string
  /** Waits for a person, who approves or rejects a call. */
  readonly waiting?: boolean
  /** Part of its id, or of the beginning of its text; case does not count. */
  readonly search?: string
  /** Cost at least so many US dollars, so far. */
  readonly minCost?: number
  /** Took at least so long, so far. Milliseconds. */
  readonly minMs?: number
  /** Has a call of which nobody knows whether it took effect. */
  readonly inDoubt?: boolean
  /** Submitted since, and before. Epoch milliseconds. */
  readonly sinceMs?: number
  readonly toMs?: number
}

export interface TaskQuery extends TaskFilter {
  /** 1 to 1,000, default 100. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}

/** What a task has used; of an open task, so far. */
export interface TaskUsage {
  readonly modelCalls: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** US dollars. */
  readonly cost: number
  /** The last model that was called. */
  readonly model: string | null
}

/** A call of the task that waits for a person. */
export interface HeldCall {
  readonly callId: string
  readonly tool: string
  readonly step: number
  readonly heldAtMs: number
}

export type OpenRow = Tables['open_tasks'] & {
  readonly used: TaskUsage
  /** The one that waits longest; null: none, as far as the ledger says. */
  readonly held: HeldCall | null
}
export type EndedRow = Tables['task_ledger']

export interface TaskRows {
  /** The latest submitted first. */
  readonly rows: readonly (OpenRow | EndedRow)[]
  /** Where the next page begins; null on the last. */
  readonly next: string | null
}

const DEFAULT_TASKS = 100

export const isEnded = (row: OpenRow | EndedRow): row is EndedRow => 'completed_at_ms' in row

/** Calls that wait for people, and submissions, as far as only the log has them. */
export interface UnreadWaits {
  /** Tasks with such a call. */
  readonly held: readonly string[]
  /** Those of them that the ledger may not have. */
  readonly submitted: readonly OpenRow[]
}

export const noWaits: UnreadWaits = { held: [], submitted: [] }

/**
 * `defaultAgent`: the one of tasks that name none. Pages go by the time of submission, which a task keeps when
 * it ends, so that none is lost or repeated between two pages. Open tasks are read first: one that ends
 * meanwhile is found twice, and counts as ended.
 */
export async function listTasks(
  sql: Sql,
  query: TaskQuery,
  defaultAgent: string | null,
  unread: UnreadWaits = noWaits,
): Promise<TaskRows> {
  const limit = query.limit ?? DEFAULT_TASKS
  const part = { from: query.after === undefined ? null : placeOf(query.after), limit: limit + 1 }
  const { isOpenWanted, isEndedWanted } = partsOf(query)
  const open = isOpenWanted ? await openRows(sql, query, { ...part, defaultAgent, held: unread.held }) : []
  const ended = isEndedWanted ? await endedRows(sql, query, part) : []
  const closed = new Set(ended.map(({ task_id }) => task_id))
  const { submitted } = unread
  const added = isOpenWanted ? await unknownRows(sql, query, { ...part, defaultAgent, rows: submitted }) : []
  const found = [...open.filter(({ task_id }) => !closed.has(task_id)), ...ended, ...added].toSorted(
    latestFirst,
  )
  const rows = found.slice(0, limit)
  const known = new Map((await withLedgers(sql, open)).map((row) => [row.task_id, row]))
  const last = found.length > limit ? rows.at(-1) : undefined
  return {
    rows: rows.map((row) =>
      'completed_at_ms' in row ? row : (known.get(row.task_id) ?? { ...row, used: noUsage, held: null }),
    ),
    next: last === undefined ? null : nextOf({ atMs: last.submitted_at_ms, id: last.task_id }),
  }
}

function partsOf({ status, errorCode, waiting }: TaskFilter): {
  isOpenWanted: boolean
  isEndedWanted: boolean
} {
  const isOpen = status === 'open' || (status !== undefined && isOpenState(status))
  return {
    isOpenWanted: (status === undefined || isOpen) && errorCode === undefined,
    isEndedWanted: !isOpen && waiting !== true,
  }
}

type Ordered = { readonly submitted_at_ms: number; readonly task_id: string }

const latestFirst = (a: Ordered, b: Ordered): number =>
  b.submitted_at_ms - a.submitted_at_ms || (a.task_id < b.task_id ? 1 : -1)

export async function openTask(sql: Sql, taskId: string): Promise<OpenRow | null> {
  const row = await sql.selectFrom('open_tasks').selectAll().where('task_id', '=', taskId).executeTakeFirst()
  return row ? ((await withLedgers(sql, [row]))[0] ?? null) : null
}

export async function endedTask(sql: Sql, taskId: string): Promise<EndedRow | null> {
  const row = await sql.selectFrom('task_ledger').selectAll().where('task_id', '=', taskId).executeTakeFirst()
  return row ?? null
}

/** The text of a task, as the ledger has it. */
export interface RecordedText {
  /** Null for tasks that ended before the ledger kept it. */
  readonly hash: string | null
  readonly isEnded: boolean
}

/** Null if the ledger does not have the task. While it moves between the tables, a transaction has it in exactly one. */
export async function recordedText(sql: Sql, taskId: string): Promise<RecordedText | null> {
  const ended = sql
    .selectFrom('task_ledger')
    .select(({ lit }) => ['text_hash', lit<number>(1).as('is_ended')])
    .where('task_id', '=', taskId)
  const open = sql
    .selectFrom('open_tasks')
    .select(({ lit }) => ['text_hash', lit<number>(0).as('is_ended')])
    .where('task_id', '=', taskId)
  const row = await ended.unionAll(open).executeTakeFirst()
  return row ? { hash: row.text_hash, isEnded: row.is_ended === 1 } : null
}

interface Part {
  readonly from: Place | null
  readonly limit: number
  readonly defaultAgent?: string | null
  /** Tasks that wait for a person, although the ledger does not say so. */
  readonly held?: readonly string[]
}

function openRows(
  sql: Sql,
  query: TaskFilter,
  { from, limit, defaultAgent, held = [] }: Part,
): Promise<Tables['open_tasks'][]> {
  const { agent, inDoubt, minMs, waiting } = query
  let rows = sql.selectFrom('open_tasks').selectAll().where(isMatch(sql, query))
  if (agent !== undefined)
    rows = rows.where(({ eb, or }) =>
      or([eb('agent', '=', agent), ...(agent === defaultAgent ? [eb('agent', 'is', null)] : [])]),
    )
  if (inDoubt !== undefined) rows = rows.where('task_id', inDoubt ? 'in' : 'not in', doubtful(sql))
  if (minMs !== undefined) rows = rows.where('submitted_at_ms', '<=', before(minMs))
  if (waiting === true)
    rows = rows.where(({ eb, or }) =>
      or([
        eb('task_id', 'in', sql.selectFrom('approvals').select('task_id').where(isHeld)),
        ...(held.length > 0 ? [eb('task_id', 'in', held)] : []),
      ]),
    )
  return rows
    .where(isBehind(sql, from))
    .orderBy('submitted_at_ms', 'desc')
    .orderBy(inByteOrder(sql, 'task_id'), 'desc')
    .limit(limit)
    .execute()
}

/** So long ago, epoch milliseconds: a whole number that a column can hold. */
const before = (ms: number): number => Math.max(Math.floor(Date.now() - ms), Number.MIN_SAFE_INTEGER)

/** Those of the rows that match, and that no table has. */
async function unknownRows(
  sql: Sql,
  query: TaskFilter,
  { from, defaultAgent, rows }: Part & { readonly rows: readonly OpenRow[] },
): Promise<OpenRow[]> {
  const matching = rows.filter((row) => isMatching(row, query, defaultAgent ?? null) && isBelow(row, from))
  if (matching.length === 0) return []
  const ids = matching.map(({ task_id }) => task_id)
  const [open, ended] = await Promise.all([
    sql.selectFrom('open_tasks').select('task_id').where('task_id', 'in', ids).execute(),
    sql.selectFrom('task_ledger').select('task_id').where('task_id', 'in', ids).execute(),
  ])
  const known = new Set([...open, ...ended].map(({ task_id }) => task_id))
  return matching.filter(({ task_id }) => !known.has(task_id))
}

/** As `openRows` selects them. No call of such a task is in the ledger, so none is in doubt. */
function isMatching(row: OpenRow, query: TaskFilter, defaultAgent: string | null): boolean {
  const { user, agent, profile, session, parent, search, inDoubt, minMs, sinceMs, toMs } = query
  const { submitted_at_ms: atMs } = row
  const text = oneLine(search ?? '').toLowerCase()
  return (
    (user ?? row.user_id) === row.user_id &&
    (agent === undefined || agent === (row.agent ?? defaultAgent)) &&
    (profile ?? row.profile) === row.profile &&
    (session ?? row.session_id) === row.session_id &&
    (parent ?? row.parent) === row.parent &&
    [row.task_id, row.text_start].some((each) => each.toLowerCase().includes(text)) &&
    inDoubt !== true &&
    (minMs === undefined || atMs <= Date.now() - minMs) &&
    atMs >= (sinceMs ?? 0) &&
    atMs < (toMs ?? Infinity)
  )
}

const isBelow = ({ submitted_at_ms: atMs, task_id }: Ordered, from: Place | null): boolean =>
  from === null || atMs < from.atMs || (atMs === from.atMs && task_id < from.id)

function endedRows(sql: Sql, query: TaskFilter, { from, limit }: Part): Promise<EndedRow[]> {
  const { status, agent, model, errorCode, inDoubt, minCost, minMs } = query
  let rows = sql.selectFrom('task_ledger').selectAll().where(isMatch(sql, query))
  if (status !== undefined) rows = rows.where('status', '=', status)
  if (agent !== undefined) rows = rows.where('agent', '=', agent)
  if (model !== undefined) rows = rows.where('model', '=', model)
  if (errorCode !== undefined) rows = rows.where('error_code', '=', errorCode)
  if (minCost !== undefined) rows = rows.where('cost', '>=', minCost)
  if (minMs !== undefined) rows = rows.where('execution_ms', '>=', minMs)
  if (inDoubt !== undefined) rows = rows.where('task_id', inDoubt ? 'in' : 'not in', doubtful(sql))
  return rows
    .where(isBehind(sql, from))
    .orderBy('submitted_at_ms', 'desc')
    .orderBy(inByteOrder(sql, 'task_id'), 'desc')
    .limit(limit)
    .execute()
}

/** What both tables have. */
function isMatch(
  sql: Sql,
  { user, profile, session, parent, search, sinceMs, toMs }: TaskFilter,
): RawBuilder<boolean> {
  const conditions = [
    ...(user === undefined ? [] : [raw`user_id = ${user}`]),
    ...(profile === undefined ? [] : [raw`profile = ${profile}`]),
    ...(session === undefined ? [] : [raw`session_id = ${session}`]),
    ...(parent === undefined ? [] : [raw`parent = ${parent}`]),
    ...(search === undefined ? [] : [isFound(sql, search)]),
    ...(sinceMs === undefined ? [] : [raw`submitted_at_ms >= ${sinceMs}`]),
    ...(toMs === undefined ? [] : [raw`submitted_at_ms < ${toMs}`]),
  ]
  return conditions.length === 0 ? raw<boolean>`1 = 1` : raw<boolean>`${raw.join(conditions, raw` and `)}`
}

function isFound(sql: Sql, search: string): RawBuilder<boolean> {
  const text = oneLine(search)
  return raw`(${hasText(sql, 'task_id', text)} or ${hasText(sql, 'text_start', text)})`
}

const isHeld = raw<boolean>`status = 'waiting'`

/** Calls that ended in doubt, and those that wait for somebody to say what became of them. */
const doubtful = (sql: Sql) =>
  // Not as text: the tables are in a schema on PostgreSQL. The code is a literal, as in the index.
  sql
    .selectFrom('usage_ledger')
    .select('task_id')
    .where('error_code', '=', raw.lit(IN_DOUBT))
    .union(sql.selectFrom('approvals').select('task_id').where('why', '=', 'doubt').where(isHeld))

/** Open and ended tasks are two sorted lists, merged by this process: ids of one time are in its order. */
const isBehind = (sql: Sql, from: Place | null): RawBuilder<boolean> =>
  from === null
    ? raw<boolean>`1 = 1`
    : raw<boolean>`(submitted_at_ms, ${inByteOrder(sql, 'task_id')}) < (${from.atMs}, ${from.id})`

/** The usage of a task that called no model yet. */
export const noUsage: TaskUsage = { modelCalls: 0, inputTokens: 0, outputTokens: 0, cost: 0, model: null }

async function withLedgers(sql: Sql, rows: readonly Tables['open_tasks'][]): Promise<OpenRow[]> {
  if (rows.length === 0) return []
  const ids = rows.map(({ task_id }) => task_id)
  const [used, held] = await Promise.all([usageOf(sql, ids), heldCalls(sql, ids)])
  return rows.map((row) => ({
    ...row,
    used: used.get(row.task_id) ?? noUsage,
    held: held.get(row.task_id) ?? null,
  }))
}

/** The call of each task that waits longest for a person. */
async function heldCalls(sql: Sql, ids: readonly string[]): Promise<Map<string, HeldCall>> {
  const found = await sql
    .selectFrom('approvals')
    .select(['task_id', 'call_id', 'tool', 'step', 'held_at_ms'])
    .where('task_id', 'in', ids)
    .where(isHeld)
    .orderBy('held_at_ms', 'desc')
    .orderBy('call_id', 'desc')
    .execute()
  return new Map(
    found.map((row) => [
      row.task_id,
      { callId: row.call_id, tool: row.tool, step: row.step, heldAtMs: Number(row.held_at_ms) },
    ]),
  )
}

async function usageOf(sql: Sql, ids: readonly string[]): Promise<Map<string, TaskUsage>> {
  const found = await sql
    .selectFrom('usage_ledger')
    .select(({ fn }) => [
      'task_id',
      fn.sum<number>(raw`case when kind = 'model' then 1 else 0 end`).as('calls'),
      fn.sum<number>('input_tokens').as('input'),
      fn.sum<number>('output_tokens').as('output'),
      fn.sum<number>('cost').as('cost'),
      fn.max('model').as('model'),
    ])
    .where('task_id', 'in', ids)
    .groupBy('task_id')
    .execute()
  return new Map(
    found.map((row): [string, TaskUsage] => [
      row.task_id,
      {
        modelCalls: Number(row.calls),
        inputTokens: Number(row.input),
        outputTokens: Number(row.output),
        cost: Number(row.cost),
        model: row.model,
      },
    ]),
  )
}
