// Two releases of a stage in one fleet: the newer one reads what the older wrote; the older one leaves alone what the newer
// wrote, fences nobody a second time, and says so.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../runtime/codec/embedded-registry.ts'
import { createMemoryBroker, type MemoryBroker } from '../../../runtime/testing/memory/log/log.ts'
import { VirtualClock } from '../../../runtime/testing/simulator/virtual-clock.ts'
import { releaseOf, feedbackFor } from '../../support/releases.ts'

const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
await codec.prepare()

class World {
  readonly clock = new VirtualClock(1_750_000_000_000)
  readonly broker: MemoryBroker = createMemoryBroker({ partitions: 2, clock: this.clock })

  async start(version: number) {
    const log = this.broker.connect()
    const host = releaseOf(version, { log, codec, clock: this.clock })
    void host.start()
    await this.run(100)
    return { host, log }
  }

  async submit(taskId: string): Promise<void> {
    void this.broker.connect().publish([feedbackFor(taskId, 2, codec)])
    await this.run(3_000)
  }

  run(ms: number): Promise<boolean> {
    return this.clock.run(this.clock.now() + ms, () => false)
  }

  /** Rows that the stage wrote, by the version that wrote them. */
  versions(): number[] {
    return [0, 1]
      .flatMap((lane) => this.broker.rows('metering', lane))
      .filter(({ key }) => !key.startsWith('\u0000'))
      .map(({ value }) => (JSON.parse(Buffer.from(value as Uint8Array).toString()) as { v: number }).v)
      .sort()
  }
}

test('rolling forward: the newer release takes over what the older one wrote', async () => {
  const world = new World()
  const old = await world.start(1)
  for (const task of ['a', 'b', 'c', 'd']) await world.submit(task)
  const next = await world.start(2)
  await world.run(1_000)
  const drained = old.host.drain()
  await world.run(5_000)
  await drained
  assert.deepEqual([next.host.status().open, next.host.status().problems], [2, []])
  for (const task of ['e', 'f', 'g', 'h']) await world.submit(task)
  assert.deepEqual(world.versions(), [1, 1, 1, 1, 2, 2, 2, 2])
})

test('rolling back: the older release opens such a lane once and says why it leaves it; the newer one takes it', async () => {
  const world = new World()
  const newer = await world.start(2)
  for (const task of ['a', 'b', 'c', 'd']) await world.submit(task)
  newer.log.crash()
  await world.run(100)
  const epochs = () => [0, 1].map((lane) => world.broker.epoch('metering', lane))
  const before = epochs()
  const old = await world.start(1)
  await world.run(60_000)
  assert.deepEqual(
    epochs().map((epoch, lane) => epoch - (before[lane] as number)),
    [1, 1],
  )
  assert.deepEqual(old.host.openLanes(), [])
  assert.match(
    old.host.status().problems.join(),
    /lane 0: a row of version 2 .* writes 1\. .*start that release again/,
  )

  const again = await world.start(2)
  await world.run(1_000)
  assert.deepEqual([again.host.status().open, again.host.status().problems], [2, []])
  await world.submit('e')
  assert.equal(world.versions().length, 5)
})
