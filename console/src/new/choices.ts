// Agents and models that the viewer may choose from, as far as its scopes show them.
import { get } from '../api/client.ts'
import { may, me } from '../api/session.ts'
import { useLoaded } from '../load.ts'

/** Names of agents; those that the key may use, if it may not see the fleet. */
export function useAgents(): readonly string[] {
  const own = me.value?.agents ?? null
  const isSeen = may('ops:read')
  const loaded = useLoaded(`agents ${isSeen}`, async (signal) =>
    isSeen ? (await get('/v1/fleet/agents', { signal })).map(({ name }) => name) : [],
  )
  const names = loaded.value ?? []
  return own === null ? names : names.length === 0 ? own : names.filter((name) => own.includes(name))
}

export function useModels(): readonly string[] {
  const isSeen = may('ops:read')
  const loaded = useLoaded(`models ${isSeen}`, async (signal) =>
    isSeen ? (await get('/v1/fleet/models', { signal })).map(({ model }) => model) : [],
  )
  return loaded.value ?? []
}
