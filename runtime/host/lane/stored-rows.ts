// Renews the payloads of state rows that are too large for the log: a session, or a task that waits for a person, may rest
// for longer than the blob store keeps what nobody writes.
import type { HostParts } from '../context.ts'
import type { LaneState } from './state.ts'

/** Several times within the time that the store keeps them. */
const RENEW_EVERY_MS = 7 * 86_400_000

/** Renews them now, and from time to time until the lane is lost. */
export function renewStoredRows(parts: HostParts, state: LaneState, lost: AbortSignal): void {
  const { blobs, clock, instruments, stage } = parts
  if (!blobs.renew) return
  let cancel = (): void => {}
  const renew = (): void => {
    const hashes = state.storedHashes
    if (hashes.length > 0)
      blobs.renew?.(hashes).catch((error: unknown) => {
        const what = 'failed to renew payloads of state rows; they are kept for weeks yet'
        instruments.log.warn({ err: error, stage: stage.name }, what)
      })
    cancel = clock.schedule(RENEW_EVERY_MS, renew)
  }
  lost.addEventListener('abort', () => cancel(), { once: true })
  if (!lost.aborted) renew()
}
