import type { Clock } from '../../clock.ts'
import { systemClock } from '../../clock.ts'
import { hashOf } from '../../store/hash.ts'
import type { BlobStore, KeyValue, Lifetime } from '../../store/port.ts'

export interface MemoryKeyValueOptions {
  readonly clock?: Clock
  /** The answer of `durability`. The simulator's store outlives its processes: true. Default false. */
  readonly durable?: boolean
}

/** For the simulator and unit tests: operations take effect at once and resolve in the next microtask. */
export function memoryKeyValue(options: MemoryKeyValueOptions = {}): KeyValue {
  const clock = options.clock ?? systemClock
  const durable = options.durable ?? false
  const entries = new Map<string, { value: string; expiresMs: number; leasedUntilMs: number }>()
  const read = (key: string) => {
    const entry = entries.get(key)
    if (entry && entry.expiresMs > clock.now()) return entry
    entries.delete(key)
    return null
  }
  const write = (key: string, value: string, lifetime: number | Lifetime = Infinity): void => {
    const { ttlMs, leaseMs } = typeof lifetime === 'number' ? { ttlMs: lifetime, leaseMs: 0 } : lifetime
    const now = clock.now()
    entries.set(key, { value, expiresMs: now + ttlMs, leasedUntilMs: now + leaseMs })
  }
  return {
    kind: 'memory',
    get: async (key) => read(key)?.value ?? null,
    set: async (key, value, ttlMs) => write(key, value, ttlMs),
    compareAndSet: async (key, expected, next, lifetime, sent) => {
      const entry = read(key)
      const current = entry?.value ?? null
      if (current === expected) write(key, next, lifetime)
      sent?.()
      if (current === expected) return { swapped: true }
      const leaseLeftMs = (entry?.leasedUntilMs ?? 0) - clock.now()
      return { swapped: false, current, ...(leaseLeftMs > 0 ? { leaseLeftMs } : {}) }
    },
    delete: async (keys) => keys.forEach((key) => entries.delete(key)),
    durability: async () => ({ durable, reason: 'memory: everything is lost with the process' }),
    check: async () => undefined,
    close: async () => undefined,
  }
}

export function memoryBlobs(): BlobStore {
  const blobs = new Map<string, Uint8Array>()
  return {
    put: async (bytes) => {
      const hash = hashOf(bytes)
      if (!blobs.has(hash)) blobs.set(hash, new Uint8Array(bytes))
      return hash
    },
    get: async (hash) => {
      const found = blobs.get(hash)
      return found ? new Uint8Array(found) : null
    },
    check: async () => undefined,
  }
}
