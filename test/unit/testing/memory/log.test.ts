// The simulator's log under its faults. A clock of the test's own: nothing moves unless it says so.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../../../runtime/clock.ts'
import { createMemoryBroker, openMemoryLog } from '../../../../runtime/testing/memory/log/log.ts'
import type { CommitFault, Faults } from '../../../../runtime/testing/memory/log/faults.ts'
import { CommitFailed, CommitUncertain } from '../../../../runtime/log/port.ts'
import type { Log, LogRecord, Membership, OpenLane } from '../../../../runtime/log/port.ts'

class VirtualClock implements Clock {
  #now = 1_000
  #due: { atMs: number; fn: () => void }[] = []

  now(): number {
    return this.#now
  }
  schedule(delayMs: number, fn: () => void): () => void {
    const entry = { atMs: this.#now + Math.max(0, delayMs), fn }
    this.#due.push(entry)
    return () => void (this.#due = this.#due.filter((other) => other !== entry))
  }
  /** Runs everything due within `ms`, in order, letting promises settle between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve))
      const next = this.#due.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs)[0]
      if (!next) break
      this.#due.splice(this.#due.indexOf(next), 1)
      this.#now = next.atMs
      next.fn()
    }
    this.#now = end
  }
}

interface Owner {
  lanes: Map<number, OpenLane>
  records: LogRecord[]
  revoked: number[]
  membership: Membership
}

async function joinGroup(log: Log, clock: VirtualClock): Promise<Owner> {
  const owner: Omit<Owner, 'membership'> = { lanes: new Map(), records: [], revoked: [] }
  const joining = log.join(
    { group: 'planner', topics: ['tasks.submitted'], instance: 'a' },
    {
      onAssigned: (number) => void open(number),
      onRevoked: (number) => void owner.revoked.push(number),
      onError: assert.fail,
    },
  )
  const open = async (number: number): Promise<void> => {
    const lane = await (await joining).open(number)
    owner.lanes.set(number, lane)
    lane.start((records) => owner.records.push(...records))
  }
  await clock.advance(0)
  return { ...owner, membership: await joining }
}

const record = (value: string) =>
  ({ topic: 'tasks.submitted', partition: 0, key: 'k', value: Buffer.from(value), headers: {} }) as const
const commitOne = (lane: OpenLane, value: string): Promise<void> =>
  lane.commit({
    records: [{ ...record(value), topic: 'tasks.admitted' }],
    rows: [{ key: 'row', value: Buffer.from(value) }],
    positions: [{ topic: 'tasks.submitted', offset: 1, metadata: '' }],
  })
const texts = (records: readonly LogRecord[]): string[] =>
  records.map(({ value }) => Buffer.from(value ?? []).toString())

async function setUp(faults: Faults): Promise<{
  clock: VirtualClock
  log: ReturnType<ReturnType<typeof createMemoryBroker>['connect']>
  owner: Owner
  lane: OpenLane
  broker: ReturnType<typeof createMemoryBroker>
}> {
  const clock = new VirtualClock()
  const broker = createMemoryBroker({ partitions: 2, clock })
  const log = broker.connect(faults)
  const owner = await joinGroup(log, clock)
  const lane = owner.lanes.get(0)
  assert.ok(lane)
  return { clock, log, owner, lane, broker }
}

/** What a fresh process finds: output records and the row. */
async function stateAfter(
  broker: ReturnType<typeof createMemoryBroker>,
  clock: VirtualClock,
): Promise<string[]> {
  const log = broker.connect()
  const outputs = texts(await log.read('tasks.admitted', 0, 0, 10))
  const { lanes } = await joinGroup(log, clock)
  const rows = [...(lanes.get(0)?.rows ?? [])]
  return [...outputs, ...rows.map((row) => `row ${Buffer.from(row.value ?? []).toString()}`)]
}

const outcomes: [CommitFault, (error: unknown) => boolean, string[]][] = [
  ['fail', (error) => error instanceof CommitFailed, []],
  ['uncertain-lost', (error) => error instanceof CommitUncertain, []],
  ['uncertain-written', (error) => error instanceof CommitUncertain, ['x', 'row x']],
]
for (const [fault, isExpected, stands] of outcomes) {
  test(`commit fault ${fault}: the owner is told so, and the log holds ${stands.length ? 'all' : 'nothing'} of it`, async () => {
    const { clock, log, lane, broker } = await setUp({ onCommit: () => fault })
    const failed = assert.rejects(commitOne(lane, 'x'), isExpected)
    await clock.advance(0)
    await failed
    log.crash()
    await clock.advance(0)
    assert.deepEqual(await stateAfter(broker, clock), stands)
  })
}

for (const [fault, stands] of [
  ['crash-before', []],
  ['crash-after', ['x', 'row x']],
] as const) {
  test(`commit fault ${fault}: the process is silent for ever, its lanes move on`, async () => {
    let crashes = 0
    const { clock, log, owner, lane, broker } = await setUp({
      onCommit: () => fault,
      onCrash: () => void crashes++,
    })
    let settled = false
    void commitOne(lane, 'x').finally(() => (settled = true))
    await clock.advance(10)
    assert.deepEqual([settled, log.crashed, crashes], [false, true, 1])
    assert.deepEqual(await stateAfter(broker, clock), stands)
    assert.deepEqual(owner.revoked, [], 'a dead process hears nothing')
  })
}

test('a crash hands its lanes over when the session ends, not before', async () => {
  const { clock, log, broker } = await setUp({ sessionMs: 10_000 })
  log.crash()
  const other = await joinGroup(broker.connect(), clock)
  await clock.advance(9_000)
  assert.ok(other.lanes.size < 2)
  await clock.advance(1_000)
  assert.equal(other.lanes.size, 2)
})

test('late deliveries keep their order', async () => {
  const delays = [50, 0, 20]
  const { clock, log, owner } = await setUp({ deliveryDelayMs: () => delays.shift() ?? 0 })
  for (const value of ['a', 'b', 'c']) {
    void log.publish([record(value)])
    await clock.advance(1)
  }
  await clock.advance(100)
  assert.deepEqual(texts(owner.records), ['a', 'b', 'c'])
})

test('repeated deliveries are those past the committed position', async () => {
  let repeat = false
  const { clock, log, owner, lane } = await setUp({ repeats: () => repeat })
  void log.publish([record('a'), record('b')])
  await clock.advance(0)
  void commitOne(lane, 'x')
  await clock.advance(0)
  repeat = true
  void log.publish([record('c')])
  await clock.advance(0)
  assert.deepEqual(texts(owner.records), ['a', 'b', 'c', 'b', 'c'])
})

test('a forced rebalance revokes lanes and gives them back under a new epoch', async () => {
  const { clock, owner, broker } = await setUp({})
  const before = new Map(owner.lanes)
  broker.rebalance('planner')
  await clock.advance(0)
  assert.equal(owner.revoked.length, 1)
  const [moved] = owner.revoked
  assert.ok(moved !== undefined)
  assert.ok((owner.lanes.get(moved)?.epoch ?? 0) > (before.get(moved)?.epoch ?? 0))
})

test('nothing happens unless the clock moves', async () => {
  const clock = new VirtualClock()
  const log = openMemoryLog({ partitions: 2, clock })
  let published = false
  void log.publish([record('a')]).then(() => (published = true))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(published, false)
  await clock.advance(0)
  assert.equal(published, true)
})
