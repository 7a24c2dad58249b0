import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { hashOf } from './hash.ts'
import type { BlobStore } from './port.ts'
import type { Sql } from './sql.ts'
import { requireWritable } from './writable.ts'

/** Records that name a blob are kept at most 30 days; lanes renew the blobs of their rows (host/lane/stored-rows.ts). */
const KEEP_MS = 60 * 86_400_000
const RENEWED_AT_ONCE = 500
/** They are large, and a data file is of no use to anybody else meanwhile. */
const SWEPT_AT_ONCE = 20

export interface SqlBlobs extends BlobStore {
  /** Deletes blobs that no record can name any more. */
  sweep(): Promise<void>
}

/** Blobs in the database port, the same for PostgreSQL and SQLite. */
export function sqlBlobs(sql: Sql, clock: Clock = systemClock): SqlBlobs {
  return {
    async put(bytes) {
      const hash = hashOf(bytes)
      const blob = { hash, bytes: Buffer.from(bytes), created_at_ms: clock.now() }
      await sql
        .insertInto('blobs')
        .values(blob)
        .onConflict((conflict) => conflict.column('hash').doUpdateSet({ created_at_ms: blob.created_at_ms }))
        .execute()
      return hash
    },
    async get(hash) {
      const found = await sql.selectFrom('blobs').select('bytes').where('hash', '=', hash).executeTakeFirst()
      return found ? new Uint8Array(found.bytes) : null
    },
    async renew(hashes) {
      for (let from = 0; from < hashes.length; from += RENEWED_AT_ONCE)
        await sql
          .updateTable('blobs')
          .set({ created_at_ms: clock.now() })
          .where('hash', 'in', hashes.slice(from, from + RENEWED_AT_ONCE))
          .execute()
    },
    check: () => requireWritable(sql, ['blobs']),
    async sweep() {
      const horizonMs = clock.now() - KEEP_MS
      for (let deleted = SWEPT_AT_ONCE; deleted === SWEPT_AT_ONCE;) deleted = await sweepSome(sql, horizonMs)
    },
  }
}

async function sweepSome(sql: Sql, horizonMs: number): Promise<number> {
  const old = sql
    .selectFrom('blobs')
    .select('hash')
    .where('created_at_ms', '<', horizonMs)
    .orderBy('created_at_ms')
    .limit(SWEPT_AT_ONCE)
  const { numDeletedRows } = await sql
    .deleteFrom('blobs')
    .where('hash', 'in', old)
    // Again: one that was put meanwhile stays.
    .where('created_at_ms', '<', horizonMs)
    .executeTakeFirst()
  return Number(numDeletedRows)
}
