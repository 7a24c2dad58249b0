// The ids of schemas with which records of a fleet were written, kept in the key-value store: a registry that was emptied, or
// another one in its place, gives the same numbers to other schemas, and what lies on the log could not be read, or would be
// read as something else.
import type { KeyValue } from '../store/port.ts'
import type { Codec, SchemaIds } from './port.ts'

export const KEPT_IDS = 'schema-ids'

/**
 * Adds the ids of this process to those that are kept. Rejects with REGISTRY_CHANGED if the registry has lost one of them,
 * with STORE_UNAVAILABLE, and with REGISTRY_UNAVAILABLE.
 */
export async function keepSchemaIds(
  codec: Pick<Codec, 'ids' | 'requireIds'>,
  store: Pick<KeyValue, 'get' | 'compareAndSet'>,
): Promise<void> {
  for (;;) {
    const text = await store.get(KEPT_IDS)
    const kept = readIds(text)
    await codec.requireIds(kept)
    const all = Object.entries({ ...kept, ...codec.ids() }).toSorted(([a], [b]) => (a < b ? -1 : 1))
    const next = JSON.stringify(Object.fromEntries(all))
    if (next === text || (await store.compareAndSet(KEPT_IDS, text, next)).swapped) return
  }
}

/** Empty for what another program has written there. */
function readIds(text: string | null): SchemaIds {
  try {
    const ids = JSON.parse(text ?? '{}') as unknown
    return typeof ids === 'object' && ids !== null && !Array.isArray(ids) ? (ids as SchemaIds) : {}
  } catch {
    return {}
  }
}
