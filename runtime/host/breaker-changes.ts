// A breaker that changed its state: measured, logged, and published on ops.health.
import type { BreakerChange } from '../breakers.ts'
import type { Codec } from '../codec/port.ts'
import { homeOf } from '../log/home.ts'
import type { Log } from '../log/port.ts'
import { redactedJson } from '../text/redaction.ts'
import type { Instruments } from '../telemetry/instruments.ts'

const levels = { closed: 0, half_open: 1, open: 2 } as const

interface Reporter {
  readonly stage: string
  /** Unique per process. */
  readonly instance: string
  readonly log: Log
  readonly codec: Codec
  readonly instruments: Instruments
}

/** Never throws: what can't be published is lost. */
export function publishBreakerChange(changed: BreakerChange, reporter: Reporter): void {
  const { stage, instance, log, codec, instruments } = reporter
  const change = redactedJson(changed)
  const labels = { stage, breaker: change.breaker }
  instruments.gauge('breaker_state', levels[change.to], labels)
  instruments.count('breaker_changes', 1, { ...labels, to: change.to })
  instruments.log.warn({ ...change, stage }, 'a breaker changed state')
  const isLost = (error: unknown): void =>
    instruments.log.debug({ err: error }, 'failed to publish a breaker change; it is lost')
  try {
    const value = codec.encode('BreakerChanged', { ...change, stage, instance }, 'ops.health')
    const partition = homeOf(change.breaker, log.partitions)
    log.publish([{ topic: 'ops.health', partition, key: change.breaker, value, headers: {} }]).catch(isLost)
  } catch (error) {
    isLost(error)
  }
}
