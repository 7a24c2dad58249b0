// Says what tasks have to expect of their model: a rejection if none is connected, a recorded answer if it is scripted.
import { may } from '../api/session.ts'
import { get } from '../api/client.ts'
import { useLoaded } from '../load.ts'

const SCRIPTED = 'scripted/'

export function ModelNotice() {
  const isSeen = may('ops:read')
  const loaded = useLoaded(`agents ${isSeen}`, async (signal) =>
    isSeen ? await get('/v1/fleet/agents', { signal }) : [],
  )
  const agents = loaded.value ?? []
  if (agents.length === 0) return null
  if (agents.every(({ model, strategy }) => model === null && strategy === null))
    return (
      <p class="notice" role="status">
        No model is connected, so that tasks are rejected. <a href="/fleet/doctor">Doctor</a> says what to
        set.
      </p>
    )
  if (agents.every(({ model }) => model?.startsWith(SCRIPTED) === true))
    return (
      <p class="notice" role="status">
        Answers are scripted: recorded conversations of a few tasks are played, no language model is asked.{' '}
        <a href="/fleet/doctor">Doctor</a> says how to connect one.
      </p>
    )
  return null
}
