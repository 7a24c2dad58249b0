import { createHash } from 'node:crypto'

/** The name of bytes in every blob store: SHA-256 as 64 hex digits. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
