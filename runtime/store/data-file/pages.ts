// Reads a data file page by page, for a diagnosis: one that nobody has touched for weeks may be damaged unseen.
import type { DatabaseSync } from 'node:sqlite'
import { damaged } from './errors.ts'

/** Read within a few seconds. */
const READ_BYTES = 512 * 2 ** 20

/** Throws with what is damaged first. False: the file is larger than that, by default too large to be read meanwhile. */
export function readPages(db: DatabaseSync, mostBytes = READ_BYTES): boolean {
  const pragma = (name: string): unknown => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  if (Number(pragma('page_count')) * Number(pragma('page_size')) > mostBytes) return false
  const found = String(pragma('quick_check(1)'))
  if (found === 'ok') return true
  throw damaged(`its pages are damaged (${found.trim().split('\n').at(-1)})`)
}
