// Two releases of a stage in one consumer group: lanes that the newer one has written are left to it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { systemClock } from '../../runtime/clock.ts'
import { createCodec } from '../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../runtime/codec/embedded-registry.ts'
import type { StageHost } from '../../runtime/host/stage-host.ts'
import type { Log } from '../../runtime/log/port.ts'
import { eventually } from '../conformance/waiting.ts'
import { feedbackFor, releaseOf } from '../support/releases.ts'
import { kafkaLog, uniquePrefix } from './brokers.ts'

const prefix = uniquePrefix('versions')
const codec = createCodec({ registry: createEmbeddedRegistry(), prefix })
const logs: Log[] = []
let log: Log

before(async () => {
  await codec.prepare()
  log = connect()
  await log.ensureTopics(['metering'])
})
after(() => Promise.all(logs.map((each) => each.close())))

function connect(): Log {
  const opened = kafkaLog(prefix)
  logs.push(opened)
  return opened
}

async function start(version: number): Promise<StageHost> {
  const host = releaseOf(version, { log: connect(), codec, clock: systemClock })
  await host.start()
  return host
}

/** Until every lane has taken a record and committed it. */
async function work(round: string): Promise<void> {
  const tasks = Array.from({ length: 10 }, (_, i) => `${round}-${i}`)
  await log.publish(tasks.map((task) => feedbackFor(task, log.partitions, codec)))
  await eventually('every record is committed', async () => {
    const ends = await log.ranges(['tasks.control'])
    const done = await log.positions('metering')
    return ends.every(({ partition, next }) =>
      done.some((position) => position.partition === partition && position.offset === next),
    )
  })
}

test('forward: the newer release takes over; back: the older declines each lane, and the newer takes it', async () => {
  const first = await start(1)
  await work('first')
  const next = await start(2)
  await first.drain()
  await eventually('the newer release has every lane', () => next.status().open === log.partitions)
  await work('second')
  await next.drain()

  const back = await start(1)
  await eventually('it has declined every lane', () => back.status().problems.length === log.partitions)
  assert.deepEqual(back.openLanes(), [])
  const again = await start(2)
  await eventually('the newer release has every lane again', () => again.status().open === log.partitions)
  assert.equal(back.status().assigned, 0)
  await work('third')
  await again.drain()
  await back.drain()
})
