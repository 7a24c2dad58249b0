// Writes what happened to sessions.
//
// 1. Every write may be repeated: turns are rows by number, and the session's row says what the latest of them says.
// 2. Deleting a session deletes what happened before: what a session that was begun again has since then stays.
import type { Sql, Tables } from '../../runtime/store/sql.ts'
import type { SessionWrite } from './call.ts'

type SessionRow = Tables['sessions']

export async function writeSession(sql: Sql, write: SessionWrite): Promise<void> {
  if ('turn' in write) return writeTurn(sql, write)
  const { session_id, at_ms } = write
  if ('summary' in write) {
    const { summary, through: summary_through } = write
    await sql
      .updateTable('sessions')
      .set({ summary, summary_through })
      .where('session_id', '=', session_id)
      .where('begun_at_ms', '<=', at_ms)
      .execute()
    return
  }
  await sql
    .deleteFrom('session_turns')
    .where('session_id', '=', session_id)
    .where('at_ms', '<=', at_ms)
    .execute()
  await sql
    .deleteFrom('sessions')
    .where('session_id', '=', session_id)
    .where('last_at_ms', '<=', at_ms)
    .execute()
}

type TurnWrite = Extract<SessionWrite, { turn: unknown }>

async function writeTurn(
  sql: Sql,
  { session_id, user_id, at_ms, turn, variables }: TurnWrite,
): Promise<void> {
  const row = { session_id, at_ms, ...turn }
  const session: SessionRow = {
    session_id,
    user_id,
    begun_at_ms: at_ms,
    last_at_ms: at_ms,
    turns: turn.turn,
    summary: null,
    summary_through: null,
    variables,
  }
  await sql
    .insertInto('session_turns')
    .values(row)
    .onConflict((on) => on.columns(['session_id', 'turn']).doUpdateSet(row))
    .execute()
  await sql
    .insertInto('sessions')
    .values(session)
    .onConflict((on) =>
      on
        .column('session_id')
        .doUpdateSet({ user_id, last_at_ms: at_ms, turns: turn.turn, variables })
        .where('sessions.last_at_ms', '<=', at_ms),
    )
    .execute()
}
