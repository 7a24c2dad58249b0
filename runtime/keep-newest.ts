/**
 * Once there are more than this many entries, deletes the oldest until seven eighths are left: each deletion alone would
 * first step over the gaps of those before, which a Map or a Set closes only when it is full.
 */
export function keepNewest<K>(kept: Set<K> | Map<K, unknown>, most: number): void {
  if (kept.size <= most) return
  const left = most - (most >> 3)
  for (const oldest of kept.keys()) {
    if (kept.size <= left) return
    kept.delete(oldest)
  }
}
