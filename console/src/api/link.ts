// Whether what the page shows is live: the state of all its streams together.
import { computed, signal } from '@preact/signals'
import { fleetMs } from '../clock.ts'

type State = 'opening' | 'live' | 'lost'

const links = signal<ReadonlyMap<symbol, State>>(new Map())

/** When the streams were cut off; null while none is. */
export const lostSince = signal<number | null>(null)
/** Counts recoveries: a page shows that it has caught up. */
export const recoveries = signal(0)

export const linkState = computed<State | 'none'>(() => {
  const states = [...links.value.values()]
  if (states.length === 0) return 'none'
  if (states.includes('lost')) return 'lost'
  return states.includes('opening') ? 'opening' : 'live'
})

function change(link: symbol, state: State | null): void {
  const next = new Map(links.value)
  if (state === null) next.delete(link)
  else next.set(link, state)
  links.value = next
  const isLost = linkState.value === 'lost'
  if (isLost && lostSince.value === null) lostSince.value = fleetMs()
  if (isLost || lostSince.value === null) return
  lostSince.value = null
  if (linkState.value === 'live') recoveries.value++
}

/** The state of one stream. */
export function linkOf(): { live: () => void; lost: () => void; close: () => void } {
  const link = Symbol('stream')
  change(link, 'opening')
  return {
    live: () => change(link, 'live'),
    lost: () => change(link, 'lost'),
    close: () => change(link, null),
  }
}
