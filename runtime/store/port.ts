/** How long a value is kept and leased, by the store's own clock, or until it is rewritten. Milliseconds. */
export interface Lifetime {
  readonly ttlMs: number
  readonly leaseMs: number
}

/** Key-value port: call journal, tool cache, limits. Adapters: Redis, SQLite, memory. UTF-8 strings. */
export interface KeyValue {
  readonly kind: 'redis' | 'sqlite' | 'memory'
  get(key: string): Promise<string | null>
  /** `ttlMs` absent: kept until deleted. */
  set(key: string, value: string, ttlMs?: number): Promise<void>
  /**
   * Atomic: writes `next` only if the current value equals `expected` (null: absent). Otherwise returns the
   * current value, and the rest of its lease, if it was written with one. `sent` is called if and when the write is on
   * its way on a connection that others share: what they send from there on comes after it.
   */
  compareAndSet(
    key: string,
    expected: string | null,
    next: string,
    lifetime?: number | Lifetime,
    sent?: () => void,
  ): Promise<{ swapped: true } | { swapped: false; current: string | null; leaseLeftMs?: number }>
  delete(keys: readonly string[]): Promise<void>
  /** Whether acknowledged writes survive a crash and are never evicted; the journal's promise needs both. */
  durability(): Promise<{ durable: boolean; reason: string }>
  /** Rejects with the reason when the store can't be used now. */
  check(): Promise<void>
  close(): Promise<void>
}

/** A value of the store as it must be for something else to be done, in one step. */
export interface ValueHead {
  readonly key: string
  /** What the value begins with. ASCII. */
  readonly begins: string
}

/** Content-addressed bytes too large for the log. Adapters: SQLite, PostgreSQL, memory. */
export interface BlobStore {
  /** Idempotent; returns the SHA-256 as 64 hex digits. Durable when it resolves. */
  put(bytes: Uint8Array): Promise<string>
  get(hash: string): Promise<Uint8Array | null>
  /** Keeps these for as long as if they were put now. Absent: everything is kept. */
  renew?(hashes: readonly string[]): Promise<void>
  check(): Promise<void>
}
