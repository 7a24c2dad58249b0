// Whether what the page shows is live.
import { useEffect, useRef } from 'preact/hooks'
import { linkState, lostSince, recoveries } from '../api/link.ts'
import { now } from '../clock.ts'
import { duration } from '../format.ts'
import { toast } from '../toast.ts'

const words = { none: '', opening: 'Connecting', live: 'Live', lost: 'Connection lost' } as const

export function Connection() {
  const state = linkState.value
  const seen = useRef(recoveries.value)
  const count = recoveries.value
  useEffect(() => {
    if (count > seen.current) toast('Connected again, and caught up')
    seen.current = count
  }, [count])
  return (
    <p class={`connection ${state}`} role="status" data-state={state}>
      {words[state]}
    </p>
  )
}

/** Above the page, so that nobody takes what is old for what is now. */
export function LostBanner() {
  const since = lostSince.value
  if (since === null) return null
  const lostMs = now.value - since
  return (
    <p class="lost-banner">
      Connection to the gateway lost{lostMs >= 1_000 && ` ${duration(lostMs)} ago`}: what you see may be old.
      Connecting again…
    </p>
  )
}
