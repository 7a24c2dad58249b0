import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../../../runtime/telemetry/metrics.ts'
import { eventually } from '../../conformance/waiting.ts'

/** The gauges of the event loop by name, in seconds. */
async function delays(metrics: ReturnType<typeof createMetrics>): Promise<Map<string, number>> {
  const lines = (await metrics.text()).matchAll(/^nodejs_eventloop_lag_(\w+)_seconds (\S+)$/gm)
  return new Map([...lines].map(([, name = '', value]) => [name, Number(value)]))
}

test('a loop that is not held up has no delay, one that is held up has as much', async () => {
  const metrics = createMetrics({ oldNames: false })
  const names = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']
  assert.deepEqual([...(await delays(metrics)).keys()], names)
  const held = new Int32Array(new SharedArrayBuffer(4))
  await eventually('a delay is seen', async () => {
    Atomics.wait(held, 0, 0, 300)
    return ((await delays(metrics)).get('max') ?? 0) > 0.15
  })
  await eventually('a sample that is on time counts as no delay', async () => {
    const { max = 0, min = 1 } = Object.fromEntries(await delays(metrics))
    return max > 0 && min < 0.05
  })
})
