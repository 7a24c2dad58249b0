// The simulator's log when it loses what it had: what openings hear of it, and where they go on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryBroker, type MemoryBroker } from '../../../../runtime/testing/memory/log/log.ts'
import { LaneSpent, type InputLoss, type LogRecord, type Membership } from '../../../../runtime/log/port.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

const PARTITION = 0
const record = (text: string) => ({
  topic: 'tasks.submitted' as const,
  partition: PARTITION,
  key: 'k',
  value: Buffer.from(text),
  headers: {},
})

interface Reader {
  readonly membership: Membership
  readonly losses: InputLoss[]
  readonly records: LogRecord[]
  readonly ends: Error[]
  open(): Promise<Awaited<ReturnType<Membership['open']>>>
}

async function join(broker: MemoryBroker): Promise<Reader> {
  const losses: InputLoss[] = []
  const records: LogRecord[] = []
  const ends: Error[] = []
  const membership = await broker.connect().join(
    { group: 'router', topics: ['tasks.submitted'], instance: 'a' },
    {
      onAssigned: () => undefined,
      onRevoked: () => undefined,
      onError: assert.fail,
      onLoss: (_lane, loss) => losses.push(loss),
    },
  )
  await membership.joined
  const open = async () => {
    const lane = await membership.open(PARTITION)
    lane.start(
      (delivered) => records.push(...delivered),
      (reason) => ends.push(reason),
    )
    return lane
  }
  return { membership, losses, records, ends, open }
}

/** A lane that has read and committed three records. */
async function settled(): Promise<{
  broker: MemoryBroker
  reader: Reader
  run: (work: Promise<unknown>) => Promise<void>
}> {
  const clock = new VirtualClock(1_000)
  const broker = createMemoryBroker({ partitions: 1, clock })
  const run = async (work: Promise<unknown>): Promise<void> => {
    let isDone = false
    const done = work.finally(() => (isDone = true))
    await clock.run(clock.now() + 1_000, () => isDone)
    await done
    await clock.run(clock.now() + 10, () => false)
  }
  let reader: Reader | undefined
  await run(join(broker).then((joined) => (reader = joined)))
  assert.ok(reader)
  for (const text of ['a', 'b', 'c']) await run(broker.produce(record(text), 0))
  await run(reader.open().then((lane) => lane.commit({ records: [], rows: [], positions: [at(3)] })))
  assert.equal(reader.records.length, 3)
  reader.records.length = 0
  return { broker, reader, run }
}

const at = (offset: number) => ({ topic: 'tasks.submitted' as const, offset, metadata: '' })
const texts = (records: readonly LogRecord[]): string[] =>
  records.map(({ value }) => Buffer.from(value ?? []).toString())

for (const [cause, lose, to] of [
  ['recreated', (broker: MemoryBroker) => broker.recreate('tasks.submitted'), 0],
  ['truncated', (broker: MemoryBroker) => broker.truncate('tasks.submitted', PARTITION, 2), 1],
] as const)
  test(`${cause}: the opening is over, the next one says so and reads what is written under the old offsets`, async () => {
    const { broker, reader, run } = await settled()
    lose(broker)
    assert.ok(reader.ends[0] instanceof LaneSpent)
    await run(broker.produce(record('new'), 0))
    assert.deepEqual(texts(reader.records), [])
    await run(reader.open())
    assert.deepEqual(reader.losses, [{ topic: 'tasks.submitted', cause, from: 3, to }])
    assert.deepEqual(texts(reader.records), ['new'])
    assert.equal(
      reader.records[0]?.leaderEpoch,
      1,
      'a record that has the offset of a lost one is told from it',
    )
  })

test('a lane whose positions went back commits nothing more', async () => {
  const { broker, reader, run } = await settled()
  let lane: Awaited<ReturnType<Reader['open']>> | undefined
  await run(reader.open().then((opened) => (lane = opened)))
  broker.truncate('tasks.submitted', PARTITION, 1)
  await run(
    assert.rejects(
      lane?.commit({ records: [], rows: [], positions: [at(3)] }) ?? Promise.resolve(),
      LaneSpent,
    ),
  )
  assert.equal(broker.position('router', 'tasks.submitted', PARTITION)?.offset, 2)
})

test('records that were deleted unread are counted', async () => {
  const { broker, reader, run } = await settled()
  await run(reader.membership.leave())
  for (const text of ['d', 'e', 'f']) await run(broker.produce(record(text), 0))
  broker.discard('tasks.submitted', PARTITION, 5)
  let next: Reader | undefined
  await run(join(broker).then((joined) => (next = joined)))
  await run(next?.open() ?? Promise.resolve())
  assert.deepEqual(next?.losses, [{ topic: 'tasks.submitted', cause: 'retention', from: 3, to: 5 }])
  assert.deepEqual(texts(next.records), ['f'])
})
