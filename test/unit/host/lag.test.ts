// How far lanes are behind: of this process's lanes only, asked for seldom, and never in the way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lag } from '../../../runtime/host/lag.ts'
import type { Log } from '../../../runtime/log/port.ts'
import { quietInstruments } from '../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../runtime/testing/simulator/virtual-clock.ts'

type Reads = Pick<Log, 'ranges' | 'positions'>
const topic = 'tasks.submitted'
const range = (partition: number, earliest: number, next: number) =>
  ({ topic, partition, earliest, next }) as const

function lagOn(log: Reads) {
  const clock = new VirtualClock(1_000)
  const shown: { name: string; series: unknown }[] = []
  const instruments = {
    ...quietInstruments,
    gauges: (name: string, series: unknown) => void shown.push({ name, series }),
  }
  const stage = { stage: 'router', inputs: [topic] as const, openLanes: () => [0, 1, 2] }
  return { lag: new Lag({ log, clock, instruments }, [stage]), clock, shown }
}

test('committed position to end; without a position all that is held; lanes of others are left out', async () => {
  const { lag, shown } = lagOn({
    ranges: async (_, { partitions } = {}) =>
      [range(0, 0, 10), range(1, 4, 9), range(2, 8, 9), range(3, 0, 50)].filter(({ partition }) =>
        partitions?.includes(partition),
      ),
    // That of lane 2 is older than what retention left.
    positions: async () => [
      { topic, partition: 0, offset: 7 },
      { topic, partition: 2, offset: 3 },
    ],
  })
  await lag.measure()
  const of = (lane: string, value: number) => ({ labels: { stage: 'router', topic, lane }, value })
  assert.deepEqual(shown, [{ name: 'lag', series: [of('0', 3), of('1', 5), of('2', 1)] }])
})

test('a lane that no broker leads has no figure, and the others have theirs', async () => {
  const { lag, shown } = lagOn({
    ranges: async (_, { onLeaderless } = {}) => {
      if (onLeaderless === undefined) throw new Error('lane 1 has no leader')
      onLeaderless({ topic, partition: 1 })
      return [range(0, 0, 10), range(2, 8, 9)]
    },
    positions: async () => [],
  })
  await lag.measure()
  const of = (lane: string, value: number) => ({ labels: { stage: 'router', topic, lane }, value })
  assert.deepEqual(shown, [{ name: 'lag', series: [of('0', 10), of('2', 1)] }])
})

test('the log is asked once in five seconds; a failure leaves the figures as they are', async () => {
  let asked = 0
  const { lag, clock, shown } = lagOn({
    ranges: async () => {
      if (++asked === 2) throw new Error('away')
      return [range(0, 0, asked)]
    },
    positions: async () => [],
  })
  await lag.measure()
  await lag.measure()
  assert.equal(asked, 1)
  for (const [at, figures] of [
    [5_000, 1],
    [10_000, 2],
  ] as const) {
    await clock.run(1_000 + at, () => false)
    await lag.measure()
    assert.equal(shown.length, figures)
  }
  assert.equal(asked, 3)
})

test('a log that does not answer delays /metrics for a second at most', async () => {
  const { lag, clock, shown } = lagOn({ ranges: () => new Promise(() => {}), positions: async () => [] })
  const measured = lag.measure()
  await clock.run(2_000, () => false)
  await measured
  assert.deepEqual(shown, [])
})
