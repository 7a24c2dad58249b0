// Breakers of a fleet, as last reported on ops.health.
import type { Codec } from '../../runtime/codec/port.ts'
import type { Log } from '../../runtime/log/port.ts'
import { latestEvents } from './topic-reads.ts'
import type { BreakerChanged } from '../../schemas/generated/events.ts'

export interface BreakerView {
  /** The guarded target: `model:openai`, `tool:fetch_page`. */
  breaker: string
  stage: string
  /** Each process has breakers of its own. */
  instance: string
  state: BreakerChanged['to']
  sinceMs: number
  /** The failure that opened it. */
  reason: string | null
  /** True: a live process would have reported a change by now, so its process is gone. */
  stale: boolean
}

export interface BreakerOperator {
  /** The newest state of each breaker of each process, those that are not closed first. */
  list(): Promise<BreakerView[]>
}

/** An open breaker is half open after 10 s; nothing else keeps it open. */
const OPEN_AT_MOST_MS = 60_000
/** Older changes are not shown. */
const FORGOTTEN_MS = 86_400_000
/** Changes read of each partition, at most. */
const MAX_CHANGES = 1_000

export function directBreakers(log: Log, codec: Codec): BreakerOperator {
  return {
    list: async () => {
      const nowMs = Date.now()
      const latest = { most: MAX_CHANGES, sinceMs: nowMs - FORGOTTEN_MS }
      const events = await latestEvents({ log, codec }, 'ops.health', latest)
      const changes = events.flatMap((event) => (event.type === 'BreakerChanged' ? [event.data] : []))
      return breakersOf(changes, nowMs)
    },
  }
}

/** The newest state of each breaker of each process, those that are not closed first. */
export function breakersOf(changes: readonly BreakerChanged[], nowMs: number): BreakerView[] {
  const latest = new Map<string, { change: BreakerChanged; reason: string | null }>()
  for (const change of changes.toSorted((a, b) => a.atMs - b.atMs)) {
    const key = `${change.instance} ${change.stage} ${change.breaker}`
    const reason = change.to === 'closed' ? null : (change.reason ?? latest.get(key)?.reason ?? null)
    latest.set(key, { change, reason })
  }
  return [...latest.values()]
    .filter(({ change }) => nowMs - change.atMs < FORGOTTEN_MS)
    .map(({ change: { breaker, stage, instance, to, atMs }, reason }) => {
      const stale = to === 'open' && nowMs - atMs > OPEN_AT_MOST_MS
      return { breaker, stage, instance, state: to, sinceMs: atMs, reason, stale }
    })
    .sort(
      (a, b) =>
        Number(a.state === 'closed') - Number(b.state === 'closed') || a.breaker.localeCompare(b.breaker),
    )
}
