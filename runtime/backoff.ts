// Waits between attempts. Pure: the jitter derives from a seed, an id, so that a second run decides the same.

/** Longest jitter, as a share of the wait. */
const JITTER = 0.25

/** The wait after so many failures: `firstMs` after the first (0), then twice the wait before, at most `mostMs`. */
export function backoffMs(failures: number, firstMs: number, mostMs = Infinity): number {
  return Math.min(mostMs, firstMs * 2 ** failures)
}

/** A wait made longer, never shorter, so that those that failed together do not try again together. */
export function withJitter(ms: number, seed: string): number {
  return Math.round(ms * (1 + JITTER * fraction(seed)))
}

/** The wait that this one was made of. */
export const withoutJitter = (ms: number, seed: string): number => ms / (1 + JITTER * fraction(seed))

/** 0 to 1, the same for the same id: FNV-1a, then the last mixing steps of MurmurHash3. */
function fraction(id: string): number {
  let hash = 0x811c9dc5
  for (const char of id) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
