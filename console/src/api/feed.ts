// One feed of the fleet's events for all parts of the page, open while any of them listens.
import { follow } from './stream.ts'
import type { StreamEvent } from './stream-event.ts'

type Listener = (event: StreamEvent) => void

const listeners = new Set<Listener>()
let leave: (() => void) | null = null

/** Calls for every event from now on. `events.lost` comes too: what was shown may be old. */
export function listen(listener: Listener): () => void {
  listeners.add(listener)
  leave ??= follow({
    path: '/v1/events',
    onEvent: (event) => listeners.forEach((each) => each(event)),
    isEndless: true,
  })
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    leave?.()
    leave = null
  }
}
