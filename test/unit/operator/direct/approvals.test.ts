// Calls that wait, as the ledger lists them.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { listApprovals } from '../../../../runtime/ledger/approvals.ts'
import { openSqliteSql } from '../../../../runtime/store/sql-sqlite.ts'
import { upsertHeld } from '../../../../services/metering/approvals.ts'
import { heldRow } from '../../../../services/metering/call.ts'

test('a list says how many people agree, not how many votes there are', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-approvals-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const sql = await openSqliteSql({ dataDir })
  const vote = (by: string, madeBy: string[], given: object | null) => ({
    ...{ by, madeBy, arguments: given as never, atMs: 1, reason: null },
  })
  const held = {
    ...{
      taskId: 't',
      callId: 'c',
      tool: 'pay',
      requester: 'planner' as const,
      step: 1,
      why: 'approval' as const,
    },
    ...{ arguments: { amount: 5 }, userId: 'ann', agent: null, heldAtMs: 1, expiresAtMs: null },
    terms: { needed: 3 },
    votes: [vote('ann', [], null), vote('bo', ['ann'], { amount: 5 }), vote('cy', [], { amount: 6 })],
  }
  await upsertHeld(sql, heldRow(held))
  const [call] = await listApprovals(sql, {})
  assert.equal(call?.agreed, 1)
  await sql.destroy()
})
