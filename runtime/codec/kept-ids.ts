// The ids of schemas with which records of a fleet were written, kept in the key-value store: a registry that was emptied, or
// another one in its place, gives the same numbers to other schemas, and what lies on the log could not be read, or would be
// read as something else.
import type { KeyValue } from '../store/port.ts'
import type { Codec, SchemaIds } from './port.ts'

export const KEPT_IDS = 'schema-ids'

/**
 * Prepares the codec, and adds its ids to those that are kept. Rejects with REGISTRY_CHANGED if the registry has lost one of
 * them, before anything is registered there; with STORE_UNAVAILABLE, REGISTRY_UNAVAILABLE, and what `prepare` rejects with.
 */
export async function prepareKept(
  codec: Pick<Codec, 'prepare' | 'ids' | 'requireIds'>,
  store: Pick<KeyValue, 'get' | 'compareAndSet'>,
): Promise<void> {
  await requireKept(codec, store)
  await codec.prepare()
  for (;;) {
    const text = await store.get(KEPT_IDS)
    const kept = readIds(text)
    // Again: another process may have started on another registry at the same time.
    await codec.requireIds(kept)
    const all = Object.entries({ ...kept, ...codec.ids() }).toSorted(([a], [b]) => (a < b ? -1 : 1))
    const next = JSON.stringify(Object.fromEntries(all))
    if (next === text || (await store.compareAndSet(KEPT_IDS, text, next)).swapped) return
  }
}

/** Rejects with REGISTRY_CHANGED if the registry has lost a schema whose id is kept. Registers nothing. */
export async function requireKept(
  codec: Pick<Codec, 'requireIds'>,
  store: Pick<KeyValue, 'get'>,
): Promise<void> {
  await codec.requireIds(readIds(await store.get(KEPT_IDS)))
}

/** Without what another program has written there. */
function readIds(text: string | null): SchemaIds {
  try {
    const ids = JSON.parse(text ?? '{}') as unknown
    if (typeof ids !== 'object' || ids === null) return {}
    return Object.fromEntries(Object.entries(ids).filter(([, id]) => Number.isSafeInteger(id) && id >= 0))
  } catch {
    return {}
  }
}
