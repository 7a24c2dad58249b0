import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { hashOf } from './hash.ts'
import type { BlobStore, KeyValue } from './port.ts'

export interface MemoryKeyValueOptions {
  readonly clock?: Clock
  /** What `durability` answers. The simulator's store outlives its simulated processes, so it says true there. Default false. */
  readonly durable?: boolean
}

/** For the simulator and unit tests: each operation takes effect at once and resolves in the next microtask. */
export function memoryKeyValue(options: MemoryKeyValueOptions = {}): KeyValue {
  const clock = options.clock ?? systemClock
  const durable = options.durable ?? false
  const entries = new Map<string, { value: string; expiresMs: number }>()
  const read = (key: string): string | null => {
    const entry = entries.get(key)
    if (entry && entry.expiresMs > clock.now()) return entry.value
    entries.delete(key)
    return null
  }
  const write = (key: string, value: string, ttlMs = Infinity): void =>
    void entries.set(key, { value, expiresMs: clock.now() + ttlMs })
  return {
    kind: 'memory',
    get: async (key) => read(key),
    set: async (key, value, ttlMs) => write(key, value, ttlMs),
    compareAndSet: async (key, expected, next, ttlMs) => {
      const current = read(key)
      if (current !== expected) return { swapped: false, current }
      write(key, next, ttlMs)
      return { swapped: true }
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
