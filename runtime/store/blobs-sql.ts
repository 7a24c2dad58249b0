import { sql as raw } from 'kysely'
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { hashOf } from './hash.ts'
import type { BlobStore } from './port.ts'
import type { Sql } from './sql.ts'

/** Records that name a blob are kept at most 30 days; state of a running task renews its blobs. */
const KEEP_MS = 60 * 86_400_000

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
    check: async () => void (await raw`SELECT 1`.execute(sql)),
    sweep: async () =>
      void (await sql
        .deleteFrom('blobs')
        .where('created_at_ms', '<', clock.now() - KEEP_MS)
        .execute()),
  }
}
