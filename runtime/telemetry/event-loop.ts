// Delay of the event loop, sampled ten times a second. prom-client samples it a hundred times: more than half of what
// an idle process took.
import { monitorEventLoopDelay } from 'node:perf_hooks'

const EVERY_MS = 100

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
  const histogram = monitorEventLoopDelay({ resolution: EVERY_MS })
  histogram.enable()
  /** Node records the time between two samples. */
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - EVERY_MS / 1e3)
  return () => {
    if (histogram.count === 0) return none
    const seen = {
      min: late(histogram.min),
      max: late(histogram.max),
      mean: late(histogram.mean),
      stddev: histogram.stddev / 1e9,
      p50: late(histogram.percentile(50)),
      p90: late(histogram.percentile(90)),
      p99: late(histogram.percentile(99)),
    }
    histogram.reset()
    return seen
  }
}
