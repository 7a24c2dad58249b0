// The time of the fleet. The clock of a viewer's machine may be wrong by hours, and with it every duration that is still
// growing, every "ago", and the end of a silence; the gateway's answers say what time it is there.
import { signal } from '@preact/signals'

/** Answers say their time in whole seconds, and may take a while to come. */
const TOLERATED_MS = 5_000
let aheadMs = 0

/** Epoch milliseconds by the gateway's clock, as far as its answers have said; until then, by the viewer's. */
export const fleetMs = (): number => Date.now() - aheadMs

/** The same, once a second while somebody looks: for what is under way. */
export const now = signal(fleetMs())

/** Takes the time at which an answer was sent: its Date header. */
export function takeTime(date: string | null): void {
  const found = Date.now() - Date.parse(date ?? '')
  if (Number.isNaN(found) || Math.abs(found - aheadMs) <= TOLERATED_MS) return
  aheadMs = found
  now.value = fleetMs()
}

export function startClock(page: { readonly hidden: boolean }): void {
  setInterval(() => {
    if (!page.hidden) now.value = fleetMs()
  }, 1_000)
}
