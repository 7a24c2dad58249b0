// A key-value store that fails over to a replica which is a little behind: writes that it had acknowledged
// are gone.
import type { Clock } from '../../clock.ts'
import type { KeyValue } from '../../store/port.ts'

interface Write {
  readonly atMs: number
  readonly key: string
  /** Null: there was nothing. */
  readonly before: string | null
}

/** Writes older than this are on the replica. */
const LAG_MS = 2_000

export interface ReplicatedStore extends KeyValue {
  /** Fails over: undoes the writes of the last `lastMs` milliseconds. Returns the keys. */
  forget(lastMs: number): Promise<string[]>
}

export function replicatedStore(store: KeyValue, clock: Clock): ReplicatedStore {
  let writes: Write[] = []
  /** Lifetimes are not kept: restored values live until they are deleted or overwritten. */
  const noting = async <T>(keys: readonly string[], write: () => Promise<T>): Promise<T> => {
    const atMs = clock.now()
    writes = writes.filter((each) => each.atMs > atMs - LAG_MS)
    for (const key of keys) writes.push({ atMs, key, before: await store.get(key) })
    return write()
  }
  return {
    ...store,
    set: (key, value, ttlMs) => noting([key], () => store.set(key, value, ttlMs)),
    compareAndSet: (...write) => noting([write[0]], () => store.compareAndSet(...write)),
    delete: (keys) => noting(keys, () => store.delete(keys)),
    async forget(lastMs) {
      const sinceMs = clock.now() - lastMs
      const undone = writes.filter(({ atMs }) => atMs >= sinceMs)
      writes = []
      for (const { key, before } of undone.toReversed())
        await (before === null ? store.delete([key]) : store.set(key, before))
      return [...new Set(undone.map(({ key }) => key))]
    },
  }
}
