/** Deletes the oldest entries until at most this many are left. */
export function keepNewest<K>(kept: Set<K> | Map<K, unknown>, most: number): void {
  for (const oldest of kept.keys()) {
    if (kept.size <= most) return
    kept.delete(oldest)
  }
}
