// Whether what the page shows is live.
import { useEffect, useRef } from 'preact/hooks'
import { linkState, lostSince, recoveries } from '../api/link.ts'
import { now } from '../clock.ts'
import { duration } from '../format.ts'
import { toast } from '../toast.ts'

const words = { none: '', opening: 'Connecting', live: 'Live', lost: 'Connection lost' } as const

export function Connection() {
  const state = linkState.value
  const since = lostSince.value
  const seen = useRef(recoveries.value)
  const count = recoveries.value
  useEffect(() => {
    if (count > seen.current) toast('Connected again, and caught up')
    seen.current = count
  }, [count])
  return (
    <p class={`connection ${state}`} role="status" data-state={state}>
      {words[state]}
      {state === 'lost' && since !== null && (
        <span class="muted"> {duration(Math.max(0, now.value - since))}</span>
      )}
    </p>
  )
}
