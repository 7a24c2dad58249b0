// Sessions in the ledger: an id may name a session of another user a moment later.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DirectSessions, type SessionParts } from '../../../../operator/direct/sessions.ts'
import { openSqliteSql } from '../../../../runtime/store/sql-sqlite.ts'
import { writeSession } from '../../../../services/metering/sessions.ts'

test('whose a session is decides over the very row that is shown or deleted', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-sessions-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const sql = await openSqliteSql({ dataDir })
  let atMs = 1_000
  /** The session is deleted, and begun again by another user. */
  const begin = async (user_id: string) => {
    await writeSession(sql, { session_id: 's', user_id: null, at_ms: ++atMs, deleted: true })
    const turn = { turn: 1, task_id: 't', status: 'succeeded', asked: `secret of ${user_id}`, answered: '' }
    await writeSession(sql, { session_id: 's', user_id, at_ms: ++atMs, turn, variables: null })
  }
  let reads = 0
  let between = async () => {}
  const published: unknown[] = []
  const parts = {
    sql: async () => {
      if (++reads === 2) await between()
      return sql
    },
    log: async () => ({
      partitions: 1,
      publish: async (records: unknown[]) => void published.push(...records),
    }),
    codec: async () => ({ encode: (_: string, data: { requestedBy: string }) => data.requestedBy }),
  } as unknown as SessionParts
  const sessions = new DirectSessions(parts)
  const bobs = (userId: string | null) => userId === 'bob'

  await begin('bob')
  between = () => begin('ann')
  const shown = await sessions.get('s', {}, bobs)
  assert.deepEqual([shown.userId, shown.list], ['bob', []], 'nothing of ann is shown')

  await begin('bob')
  reads = 0
  await sessions.remove('s', bobs)
  assert.equal(reads, 1)
  assert.equal((published[0] as { value: string }).value, 'bob')
  await begin('ann')
  await assert.rejects(sessions.remove('s', bobs), { code: 'NOT_FOUND' })
  await assert.rejects(sessions.get('s', {}, bobs), { code: 'NOT_FOUND' })
})

test('a session is listed with the beginning of what its oldest turn asked', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-sessions-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const sql = await openSqliteSql({ dataDir })
  const sessions = new DirectSessions({ sql: async () => sql } as unknown as SessionParts)
  const add = async (session_id: string, number: number, asked: string): Promise<void> => {
    const turn = {
      turn: number,
      task_id: `${session_id}.${number}`,
      status: 'succeeded',
      asked,
      answered: '',
    }
    await writeSession(sql, { session_id, user_id: null, at_ms: number, turn, variables: null })
  }
  await add('long', 1, 'q'.repeat(1_000))
  await add('short', 2, 'Where is it?')
  await add('short', 3, 'And now?')
  await add('forgotten', 4, 'gone with the retention')
  await sql.deleteFrom('session_turns').where('session_id', '=', 'forgotten').execute()
  const { sessions: listed } = await sessions.list()
  assert.deepEqual(
    listed.map(({ sessionId, asked }) => [sessionId, asked]),
    [
      ['forgotten', null],
      ['short', 'Where is it?'],
      ['long', 'q'.repeat(200)],
    ],
  )
  assert.equal((await sessions.get('short')).asked, 'Where is it?')
})
