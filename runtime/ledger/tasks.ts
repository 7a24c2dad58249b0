// Lists tasks from the ledger: open ones, the latest submitted first, then ended ones, the latest ended first.
import { sql as raw } from 'kysely'
import { FlotillaError } from '../errors.ts'
import type { Sql, Tables } from '../store/sql.ts'
import type { taskStates } from './choices.ts'

export type TaskState = (typeof taskStates)[number]
export const openStates: readonly string[] = ['queued', 'running', 'waiting']

export interface TaskQuery {
  /** Default: every state. `open`: all that have not ended. */
  readonly status?: TaskState | 'open'
  readonly agent?: string
  readonly user?: string
  readonly model?: string
  /** Epoch milliseconds: open tasks submitted since, and tasks ended since. */
  readonly sinceMs?: number
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

export type OpenRow = Tables['open_tasks'] & { readonly used: TaskUsage }
export type EndedRow = Tables['task_ledger']

export interface TaskRows {
  readonly open: readonly OpenRow[]
  readonly ended: readonly EndedRow[]
  /** Where the next page begins; null on the last. */
  readonly next: string | null
}

const DEFAULT_TASKS = 100

interface Place {
  readonly part: 'open' | 'ended'
  readonly atMs: number
  readonly id: string
}

/** `defaultAgent`: the one of tasks that name none. A task that ends between two pages may be on both. */
export async function listTasks(sql: Sql, query: TaskQuery, defaultAgent: string | null): Promise<TaskRows> {
  const limit = query.limit ?? DEFAULT_TASKS
  const from = query.after === undefined ? null : placeOf(query.after)
  const isOpenWanted =
    query.status === undefined || query.status === 'open' || openStates.includes(query.status)
  const isEndedWanted = query.status === undefined || !isOpenWanted
  const open =
    isOpenWanted && from?.part !== 'ended'
      ? await openRows(sql, query, { from, limit: limit + 1, defaultAgent })
      : []
  if (open.length > limit) return page(await withUsage(sql, open.slice(0, limit)), [], true)
  const room = limit - open.length
  const since = from?.part === 'ended' ? from : null
  const ended = isEndedWanted ? await endedRows(sql, query, { from: since, limit: room + 1 }) : []
  return page(await withUsage(sql, open), ended.slice(0, room), ended.length > room)
}

export async function openTask(sql: Sql, taskId: string): Promise<OpenRow | null> {
  const row = await sql.selectFrom('open_tasks').selectAll().where('task_id', '=', taskId).executeTakeFirst()
  return row ? ((await withUsage(sql, [row]))[0] ?? null) : null
}

export async function endedTask(sql: Sql, taskId: string): Promise<EndedRow | null> {
  const row = await sql.selectFrom('task_ledger').selectAll().where('task_id', '=', taskId).executeTakeFirst()
  return row ?? null
}

function page(open: readonly OpenRow[], ended: readonly EndedRow[], more: boolean): TaskRows {
  const last = ended.at(-1)
  const lastOpen = open.at(-1)
  if (!more) return { open, ended, next: null }
  if (last) return { open, ended, next: `ended:${last.completed_at_ms}:${last.task_id}` }
  // Every open task is on this page: the next one begins with the ended ones.
  return { open, ended, next: `open:${lastOpen?.submitted_at_ms ?? 0}:${lastOpen?.task_id ?? ''}` }
}

function placeOf(after: string): Place {
  const [, part, atMs, id] = /^(open|ended):(\d{1,15}):(.+)$/su.exec(after) ?? []
  if (part === undefined || atMs === undefined || id === undefined)
    throw new FlotillaError(
      'REQUEST_INVALID',
      `after must be the "next" of an earlier page, not "${after.slice(0, 80)}"`,
    )
  return { part: part === 'open' ? 'open' : 'ended', atMs: Number(atMs), id }
}

interface Part {
  readonly from: Place | null
  readonly limit: number
  readonly defaultAgent?: string | null
}

function openRows(
  sql: Sql,
  query: TaskQuery,
  { from, limit, defaultAgent }: Part,
): Promise<Tables['open_tasks'][]> {
  const { agent, user, sinceMs } = query
  let rows = sql.selectFrom('open_tasks').selectAll()
  if (user !== undefined) rows = rows.where('user_id', '=', user)
  if (sinceMs !== undefined) rows = rows.where('submitted_at_ms', '>=', sinceMs)
  if (agent !== undefined)
    rows = rows.where(({ eb, or }) =>
      or([eb('agent', '=', agent), ...(agent === defaultAgent ? [eb('agent', 'is', null)] : [])]),
    )
  if (from)
    rows = rows.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('submitted_at_ms', 'task_id'), '<', tuple(from.atMs, from.id)),
    )
  return rows.orderBy('submitted_at_ms', 'desc').orderBy('task_id', 'desc').limit(limit).execute()
}

function endedRows(sql: Sql, query: TaskQuery, { from, limit }: Part): Promise<EndedRow[]> {
  const { status, agent, user, model, sinceMs } = query
  let rows = sql.selectFrom('task_ledger').selectAll()
  if (status !== undefined) rows = rows.where('status', '=', status)
  if (agent !== undefined) rows = rows.where('agent', '=', agent)
  if (user !== undefined) rows = rows.where('user_id', '=', user)
  if (model !== undefined) rows = rows.where('model', '=', model)
  if (sinceMs !== undefined) rows = rows.where('completed_at_ms', '>=', sinceMs)
  if (from)
    rows = rows.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('completed_at_ms', 'task_id'), '<', tuple(from.atMs, from.id)),
    )
  return rows.orderBy('completed_at_ms', 'desc').orderBy('task_id', 'desc').limit(limit).execute()
}

const nothing: TaskUsage = { modelCalls: 0, inputTokens: 0, outputTokens: 0, cost: 0, model: null }

async function withUsage(sql: Sql, rows: readonly Tables['open_tasks'][]): Promise<OpenRow[]> {
  if (rows.length === 0) return []
  const ids = rows.map(({ task_id }) => task_id)
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
  const byId = new Map(
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
  return rows.map((row) => ({ ...row, used: byId.get(row.task_id) ?? nothing }))
}
