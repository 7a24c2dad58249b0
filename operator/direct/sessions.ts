// Sessions as the ledger has them, and their deletion, on the log.
import type {
  KeptVariablesView,
  SessionDetail,
  SessionList,
  SessionView,
  TurnView,
} from '../../api/sessions.ts'
import type { Codec } from '../../runtime/codec/port.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { nextOf, placeOf } from '../../runtime/ledger/places.ts'
import type { Log } from '../../runtime/log/port.ts'
import type { Sql, Tables } from '../../runtime/store/sql.ts'
import { shown } from '../../schemas/identity.ts'
import { headers as names } from '../../schemas/topics.ts'

export interface SessionQuery {
  readonly user?: string
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}

export interface SessionOperator {
  /** The one used last first. Rejects with REQUEST_INVALID. */
  list(query?: SessionQuery): Promise<SessionList>
  /** `after`: turns behind this one. Rejects with NOT_FOUND. */
  get(id: string, page?: { readonly limit?: number; readonly after?: number }): Promise<SessionDetail>
  /** Also one whose first turn runs. Resolves once it is durable on the log. Rejects with NOT_FOUND. */
  remove(id: string): Promise<{ sessionId: string }>
}

export interface SessionParts {
  log(): Promise<Log>
  codec(): Promise<Codec>
  sql(): Promise<Sql>
}

/** Whether the one who asks may read a session of this user; if not, there is none. */
type MayRead = (userId: string | null) => boolean

const anybody: MayRead = () => true
const PAGE = 100
/** Characters of the text that a list shows for a session. */
const ASKED_CHARS = 200

interface Row extends Readonly<Tables['sessions']> {
  readonly asked: string | null
}

export class DirectSessions implements SessionOperator {
  readonly #parts: SessionParts

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  async list({ user, limit = PAGE, after }: SessionQuery = {}): Promise<SessionList> {
    const sql = await this.#parts.sql()
    let query = withAsked(sql)
    if (user !== undefined) query = query.where('user_id', '=', user)
    const cursor = after === undefined ? null : placeOf(after)
    if (cursor !== null)
      query = query.where(({ and, eb, or }) =>
        or([
          eb('last_at_ms', '<', cursor.atMs),
          and([eb('last_at_ms', '=', cursor.atMs), eb('session_id', '<', cursor.id)]),
        ]),
      )
    const rows = await query
      .orderBy('last_at_ms', 'desc')
      .orderBy('session_id', 'desc')
      .limit(limit + 1)
      .execute()
    const last = rows.length > limit ? rows[limit - 1] : undefined
    const next = last ? nextOf({ atMs: Number(last.last_at_ms), id: last.session_id }) : null
    return { sessions: rows.slice(0, limit).map(viewOf), next }
  }

  async get(id: string, { limit = PAGE, after = 0 } = {}, mayRead = anybody): Promise<SessionDetail> {
    const row = await this.#row(id, mayRead)
    const sql = await this.#parts.sql()
    // None of a session that another user has begun under this id meanwhile.
    const turns = await sql
      .selectFrom('session_turns')
      .innerJoin('sessions', 'sessions.session_id', 'session_turns.session_id')
      .selectAll('session_turns')
      .where('sessions.session_id', '=', id)
      .where('sessions.begun_at_ms', '=', row.begun_at_ms)
      .where('turn', '>', after)
      .orderBy('turn')
      .limit(limit + 1)
      .execute()
    const { summary, summary_through: summaryThrough } = row
    const list = turns.slice(0, limit).map(turnOf)
    const next = turns.length > limit ? (list.at(-1)?.turn ?? null) : null
    const variables = row.variables === null ? null : (JSON.parse(row.variables) as KeptVariablesView)
    return { ...viewOf(row), summary, summaryThrough, variables, list, next }
  }

  /** Rejects with NOT_FOUND. */
  async view(id: string): Promise<SessionView> {
    return viewOf(await this.#row(id, anybody))
  }

  /** Its turns in this order, from that of the task on; none if that has none. `from`: null for all. */
  async turns(
    { sessionId, begunAtMs }: SessionView,
    {
      from,
      limit,
      order,
    }: { readonly from: string | null; readonly limit: number; readonly order: 'asc' | 'desc' },
  ): Promise<TurnView[]> {
    const sql = await this.#parts.sql()
    // None of a session that another user has begun under this id meanwhile.
    const ofSession = sql
      .selectFrom('session_turns')
      .innerJoin('sessions', 'sessions.session_id', 'session_turns.session_id')
      .where('sessions.session_id', '=', sessionId)
      .where('sessions.begun_at_ms', '=', begunAtMs)
    let query = ofSession.selectAll('session_turns')
    if (from !== null) {
      const first = await ofSession.select('turn').where('task_id', '=', from).executeTakeFirst()
      if (first === undefined) return []
      query = query.where('turn', order === 'asc' ? '>=' : '<=', first.turn)
    }
    return (await query.orderBy('turn', order).limit(limit).execute()).map(turnOf)
  }

  async remove(id: string, mayRead = anybody): Promise<{ sessionId: string }> {
    const found = (await this.#begun(id)) ?? (await this.#opened(id))
    if (found === undefined || !mayRead(found.user_id))
      throw new FlotillaError('NOT_FOUND', `there is no session ${shown(id)}; see flotilla sessions list`)
    return this.removeOf(id, found.user_id)
  }

  /** The first task of a session of which no turn has ended. */
  async #opened(id: string): Promise<Pick<Tables['open_tasks'], 'user_id'> | undefined> {
    const sql = await this.#parts.sql()
    return sql
      .selectFrom('open_tasks')
      .select('user_id')
      .where('session_id', '=', id)
      .orderBy('submitted_at_ms')
      .limit(1)
      .executeTakeFirst()
  }

  /** Also one of which no turn has ended yet. */
  async removeOf(id: string, requestedBy: string | null): Promise<{ sessionId: string }> {
    const [log, codec] = await Promise.all([this.#parts.log(), this.#parts.codec()])
    const topic = 'sessions.requested'
    // Of that user only: meanwhile the id may name a session of another one.
    const data = { sessionId: id, requestedBy, atMs: Date.now() }
    const value = codec.encode('SessionDeleted', data, topic)
    const partition = homeOf(id, log.partitions)
    await log.publish([{ topic, partition, key: id, value, headers: { [names.schema]: 'SessionDeleted' } }])
    return { sessionId: id }
  }

  /** Its owner is read once: who may not read it is refused by the same row that is then used. */
  async #row(id: string, mayRead: MayRead): Promise<Row> {
    const row = await this.#begun(id)
    if (row === undefined || !mayRead(row.user_id)) throw unknownSession(id)
    return row
  }

  async #begun(id: string): Promise<Row | undefined> {
    const sql = await this.#parts.sql()
    return withAsked(sql).where('session_id', '=', id).executeTakeFirst()
  }
}

/** Sessions, each with the beginning of what its oldest turn asked. */
const withAsked = (sql: Sql) =>
  sql
    .selectFrom('sessions')
    .selectAll()
    .select(({ selectFrom, fn, lit }) =>
      selectFrom('session_turns')
        .select(({ ref }) => fn<string>('substr', [ref('asked'), lit(1), lit(ASKED_CHARS)]).as('asked'))
        .whereRef('session_turns.session_id', '=', 'sessions.session_id')
        .orderBy('turn')
        .limit(1)
        .as('asked'),
    )

/** It says the same of one that the client may not read. */
const unknownSession = (id: string): FlotillaError =>
  new FlotillaError('NOT_FOUND', `no session ${shown(id)} has a turn that ended; see flotilla sessions list`)

function viewOf(row: Row): SessionView {
  const { session_id: sessionId, user_id: userId, turns, asked } = row
  return {
    sessionId,
    userId,
    begunAtMs: Number(row.begun_at_ms),
    lastAtMs: Number(row.last_at_ms),
    turns,
    asked,
  }
}

function turnOf({
  turn,
  task_id: taskId,
  status,
  asked,
  answered,
  at_ms,
}: Tables['session_turns']): TurnView {
  return { turn, taskId, status, asked, answered, atMs: Number(at_ms) }
}
