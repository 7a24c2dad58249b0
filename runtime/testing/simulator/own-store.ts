// The key-value store of a fleet on one machine: this process's own, so that some of its writes may wait in memory
// (store/sqlite.ts), over one that outlives the process.
import { LaterWrites } from '../../store/later-writes.ts'
import type { KeyValue } from '../../store/port.ts'
import type { ProcessClock } from './process-clock.ts'
import { withWriteFaults, type StoreFaults } from './store-faults.ts'

export type OwnStore = KeyValue & Required<Pick<KeyValue, 'setLater'>>

export function ownStore(store: KeyValue, clock: ProcessClock, faults: StoreFaults): OwnStore {
  // The store in memory has done what it is asked before it answers.
  const later = new LaterWrites(
    {
      write: (work) => withWriteFaults(work, faults),
      set: (key, value, ttlMs) => void store.set(key, value, ttlMs),
      remove: (key) => void store.delete([key]),
    },
    clock,
  )
  return {
    ...store,
    get: async (key) => {
      const waiting = later.get(key)
      return waiting === undefined ? store.get(key) : waiting
    },
    set: (key, value, ttlMs) => {
      later.drop(key)
      return store.set(key, value, ttlMs)
    },
    compareAndSet: async (key, expected, next, ttlMs) => {
      const waiting = later.get(key)
      if (waiting === undefined) return store.compareAndSet(key, expected, next, ttlMs)
      if (waiting !== expected) return { swapped: false, current: waiting }
      later.drop(key)
      await store.set(key, next, ttlMs)
      return { swapped: true }
    },
    delete: (keys) => {
      for (const key of keys) later.drop(key)
      return store.delete(keys)
    },
    setLater: (key, value, ttlMs) => later.add(key, value, ttlMs),
  }
}
