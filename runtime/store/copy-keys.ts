// Copies the key-value store of a data file's fleet: call journal, cache, notes of the host. Lifetimes and leases go on
// from what is left of them.
import { FlotillaError } from '../errors.ts'
import type { DataFile } from './data-file/data-file.ts'
import type { KeyValue } from './port.ts'
import { connectRedis, type RedisServer } from './redis/connection.ts'
import { keyNames } from './sqlite.ts'

const AT_ONCE = 200

interface StoredKey {
  readonly key: string
  readonly value: string
  readonly expiresMs: number | null
  /** End of its lease; null if it has none. */
  readonly leasedUntilMs: number | null
}

/** Whether Redis holds keys that begin so. */
export async function holdsKeys(server: RedisServer, beginning: string): Promise<boolean> {
  const { redis, asked, close } = connectRedis(server)
  const pattern = `${beginning.replaceAll(/[*?[\]\\]/g, String.raw`\$&`)}*`
  try {
    for (let cursor = '0'; ;) {
      const scanned = redis.scan(cursor, 'MATCH', pattern, 'COUNT', 1_000)
      const [next, keys] = await asked('looking for keys', scanned)
      // A fleet that was only checked (`flotilla doctor`) or started has written these.
      if (keys.some((key) => ![`${beginning}check`, `${beginning}identity`].includes(key))) return true
      if (next === '0') return false
      cursor = next
    }
  } finally {
    await close()
  }
}

export function countKeys({ db }: DataFile, prefix: string, nowMs: number): number {
  const { begin, end } = keyNames(prefix)
  const counted = db.prepare(
    'SELECT count(*) AS n FROM key_values WHERE key >= ? AND key < ? AND (expires_ms IS NULL OR expires_ms > ?)',
  )
  return Number(counted.get(begin, end, nowMs)?.['n'])
}

/** Names of the keys of a fleet on Redis begin so. */
export const keysBeginning = (prefix: string): string => `${prefix}:kv:`

/**
 * Copies and compares. Resolves with how many there are; a key that is there already stays, and must be the same.
 */
export async function copyKeys(
  file: DataFile,
  prefix: string,
  target: KeyValue,
  nowMs: number,
): Promise<number> {
  let copied = 0
  for (const page of pagesOf(file, prefix, nowMs)) {
    await Promise.all(page.map((each) => copyKey(target, each, nowMs)))
    copied += page.length
  }
  return copied
}

async function copyKey(target: KeyValue, stored: StoredKey, nowMs: number): Promise<void> {
  const { key, value, expiresMs, leasedUntilMs } = stored
  const ttlMs = expiresMs === null ? undefined : Math.max(1, expiresMs - nowMs)
  const leaseMs = leasedUntilMs === null ? 0 : leasedUntilMs - nowMs
  const lifetime = ttlMs !== undefined && leaseMs > 0 ? { ttlMs, leaseMs } : ttlMs
  const written = await target.compareAndSet(key, null, value, lifetime)
  if (written.swapped || written.current === value) return
  throw new FlotillaError(
    'REQUEST_INVALID',
    `Redis holds another value under ${key}: move to an empty Redis, or under another prefix`,
  )
}

function* pagesOf({ db }: DataFile, prefix: string, nowMs: number): Iterable<StoredKey[]> {
  const { begin, end, leaseOf } = keyNames(prefix)
  const read = db.prepare(
    `SELECT key, value, expires_ms FROM key_values WHERE key >= ? AND key < ? AND key > ?
     AND (expires_ms IS NULL OR expires_ms > ?) ORDER BY key LIMIT ?`,
  )
  const lease = db.prepare('SELECT expires_ms FROM key_values WHERE key = ? AND expires_ms > ?')
  for (let after = ''; ;) {
    const page = read.all(begin, end, after, nowMs, AT_ONCE)
    if (page.length === 0) return
    after = String(page.at(-1)?.['key'])
    yield page.map((row) => {
      const key = String(row['key']).slice(begin.length)
      const leased = lease.get(leaseOf(key), nowMs)
      return {
        key,
        value: String(row['value']),
        expiresMs: row['expires_ms'] === null ? null : Number(row['expires_ms']),
        leasedUntilMs: leased === undefined ? null : Number(leased['expires_ms']),
      }
    })
  }
}
