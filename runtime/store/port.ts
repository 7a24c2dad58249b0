/** Key-value port: call journal, tool cache, limits. Adapters: Redis, SQLite, memory (simulator). Values are UTF-8 strings. */
export interface KeyValue {
  readonly kind: 'redis' | 'sqlite' | 'memory'
  get(key: string): Promise<string | null>
  /** `ttlMs` absent: kept until deleted. */
  set(key: string, value: string, ttlMs?: number): Promise<void>
  /** Atomic: writes `next` only when the present value equals `expected` (null: absent). Otherwise tells the present value. */
  compareAndSet(
    key: string,
    expected: string | null,
    next: string,
    ttlMs?: number,
  ): Promise<{ swapped: true } | { swapped: false; current: string | null }>
  delete(keys: readonly string[]): Promise<void>
  /**
   * Writes (null deletes) within a moment; `get` shows it at once. What is overwritten or deleted meanwhile is never written.
   * Lost when the process dies before. Only where the store is this process's own.
   */
  setLater?(key: string, value: (() => string) | null, ttlMs?: number): void
  /** Whether an acknowledged write survives a crash of the store, and is never evicted; the journal's promise needs both. */
  durability(): Promise<{ durable: boolean; reason: string }>
  /** Rejects with the reason when the store can't be used now. */
  check(): Promise<void>
  close(): Promise<void>
}

/** Content-addressed bytes too large for the log. Adapters: SQLite, PostgreSQL, memory. */
export interface BlobStore {
  /** Idempotent; returns the SHA-256 as 64 hex digits. Durable when it resolves. */
  put(bytes: Uint8Array): Promise<string>
  get(hash: string): Promise<Uint8Array | null>
  check(): Promise<void>
}
