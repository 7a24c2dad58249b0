// The caller that writes ledger rows.
import { FlotillaError } from '../../runtime/errors.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import type { LedgerWrite, LedgerWritten } from './rows.ts'

/** Rejects with STORE_UNAVAILABLE, which the host repeats, or INTERNAL for a row that the database will never take. */
export function createLedgerCaller(sql: Sql): (request: LedgerWrite) => Promise<LedgerWritten> {
  return async (request) => {
    try {
      return { rows: await write(sql, request) }
    } catch (cause) {
      const message = `writing the ledger: ${cause instanceof Error ? cause.message : String(cause)}`
      throw new FlotillaError(isRefusal(cause) ? 'INTERNAL' : 'STORE_UNAVAILABLE', message, { cause })
    }
  }
}

async function write(sql: Sql, request: LedgerWrite): Promise<number> {
  if ('usage' in request) {
    const insert = sql.insertInto('usage_ledger').values(request.usage)
    const result = await insert.onConflict((on) => on.column('event_id').doNothing()).executeTakeFirst()
    return Number(result.numInsertedOrUpdatedRows ?? 0)
  }
  if ('task' in request) {
    const insert = sql.insertInto('task_ledger').values(request.task)
    const result = await insert.onConflict((on) => on.column('task_id').doNothing()).executeTakeFirst()
    return Number(result.numInsertedOrUpdatedRows ?? 0)
  }
  const { taskId, satisfaction } = request.feedback
  const update = sql.updateTable('task_ledger').set({ satisfaction }).where('task_id', '=', taskId)
  return Number((await update.executeTakeFirst()).numUpdatedRows)
}

/** SQLSTATE classes 22 and 23 (data, constraint), and SQLite's CONSTRAINT and MISMATCH: trying again is no use. */
function isRefusal(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  if (typeof errcode === 'number') return [19, 20].includes(errcode & 0xff)
  return typeof code === 'string' && /^2[23]/.test(code)
}
