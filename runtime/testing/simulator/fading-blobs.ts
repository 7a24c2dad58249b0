// A blob store that can be set to lose large payloads, or to be away for those who read one.
//
// 1. Only payloads of LARGE_BYTES and more are affected: state rows, of which a lane reads many, are smaller.
// 2. A payload is lost as it is put, without an error.
import type { BlobStore } from '../../store/port.ts'
import { hashOf } from '../../store/hash.ts'
import { FlotillaError } from '../../errors.ts'
import type { VirtualClock } from './virtual-clock.ts'

export const LARGE_BYTES = 400_000

export interface FadingBlobs extends BlobStore {
  /** Times, in epoch milliseconds of the run. */
  loseUntil(atMs: number): void
  beAwayUntil(atMs: number): void
}

export function fadingBlobs(blobs: BlobStore, clock: Pick<VirtualClock, 'now'>): FadingBlobs {
  let losesUntilMs = 0
  let awayUntilMs = 0
  const large = new Set<string>()
  return {
    ...blobs,
    loseUntil: (atMs) => (losesUntilMs = atMs),
    beAwayUntil: (atMs) => (awayUntilMs = atMs),
    put: async (bytes) => {
      if (bytes.length < LARGE_BYTES) return blobs.put(bytes)
      const hash = hashOf(bytes)
      large.add(hash)
      return clock.now() < losesUntilMs ? hash : blobs.put(bytes)
    },
    get: async (hash) => {
      if (large.has(hash) && clock.now() < awayUntilMs)
        throw new FlotillaError('STORE_UNAVAILABLE', 'injected: the blob store is away')
      return blobs.get(hash)
    },
  }
}
