// Delay of the event loop: how late a timer is, ten times a second while the process works, once a second while it is
// idle. prom-client looks a hundred times a second, which was more than half of what an idle process took.
import { createHistogram, performance } from 'node:perf_hooks'

const BUSY_MS = 100
const IDLE_MS = 1_000
/** Part of the time that the loop works; below it the process is idle. */
const IDLE_SHARE = 0.05

/** How late the event loop was, in seconds. */
export interface LoopDelay {
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly stddev: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

const none: LoopDelay = { min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 }

/** Samples from now on. Each call of the result returns what was seen since the last one. */
export function watchEventLoop(): () => LoopDelay {
  const histogram = createHistogram()
  let periodMs = BUSY_MS
  let dueMs = performance.now() + periodMs
  let before = performance.eventLoopUtilization()
  const sample = (): void => {
    const nowMs = performance.now()
    // A histogram takes whole numbers above 0: nanoseconds.
    histogram.record(Math.max(1, Math.round((nowMs - dueMs) * 1e6)))
    const now = performance.eventLoopUtilization()
    periodMs = performance.eventLoopUtilization(now, before).utilization < IDLE_SHARE ? IDLE_MS : BUSY_MS
    before = now
    dueMs = nowMs + periodMs
    setTimeout(sample, periodMs).unref()
  }
  setTimeout(sample, periodMs).unref()
  return () => {
    if (histogram.count === 0) return none
    const seen = {
      min: histogram.min / 1e9,
      max: histogram.max / 1e9,
      mean: histogram.mean / 1e9,
      stddev: histogram.stddev / 1e9,
      p50: histogram.percentile(50) / 1e9,
      p90: histogram.percentile(90) / 1e9,
      p99: histogram.percentile(99) / 1e9,
    }
    histogram.reset()
    return seen
  }
}
