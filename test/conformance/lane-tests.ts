import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OffsetTracker } from '../../runtime/host/lane/offsets.ts'
import { LOG_METADATA_BYTES, LOG_RECORD_BYTES } from '../../runtime/log/limits.ts'
import { CommitRefused, LaneFenced, type LaneCommit } from '../../runtime/log/port.ts'
import type { LogRecord, OpenLane } from '../../runtime/log/port.ts'
import type { LogUnderTest } from './log-suite.ts'
import { TestMember, commitOf, mark, numbered, outgoing, textOf } from './member.ts'
import { eventually } from './waiting.ts'

export function laneTests(subject: () => LogUnderTest): void {
  test('each lane gets the records of its partition, all topics, in offset order (4)', async () => {
    const { log } = subject()
    const key = mark()
    const member = new TestMember(log, mark(), ['tasks.submitted', 'tasks.control'])
    await log.publish(numbered('tasks.submitted', 0, key, 150))
    await log.publish(numbered('tasks.submitted', 1, key, 150))
    await member.holds(log.partitions)
    await log.publish([
      ...numbered('tasks.submitted', 0, key, 150, 150),
      ...numbered('tasks.control', 1, key, 20),
    ])
    const expected = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)
    await eventually('all records arrived', () => member.values('tasks.submitted', 0, key).length === 300)
    await eventually('control arrived', () => member.values('tasks.control', 1, key).length === 20)
    assert.deepEqual(member.values('tasks.submitted', 0, key), expected(300))
    assert.deepEqual(member.values('tasks.submitted', 1, key), expected(150))
    assert.deepEqual(member.values('tasks.control', 1, key), expected(20))
    await member.leave()
  })

  test('a commit writes records, rows and positions together (3)', async () => {
    const { log } = subject()
    const group = mark()
    const key = mark()
    const member = new TestMember(log, group, ['tasks.submitted'])
    const lane = await member.lane(0)
    assert.deepEqual([[...lane.rows], lane.positions], [[], []])
    // A position lies behind records that are there.
    await log.publish(numbered('tasks.submitted', 0, key, 3))
    const metadata = 'm'.repeat(3_000)
    await lane.commit(
      commitOf({
        records: [outgoing('tasks.admitted', 0, key, 'out-0'), outgoing('tasks.admitted', 1, key, 'out-1')],
        rows: [{ key: 'row', value: Buffer.from('state') }],
        positions: [{ topic: 'tasks.submitted', offset: 3, metadata }],
      }),
    )
    for (const partition of [0, 1]) {
      const found = await log.read('tasks.admitted', partition, 0, 10_000)
      assert.equal(found.filter((record) => record.key === key).length, 1)
    }
    const reopened = await reopen(member, 0)
    assert.deepEqual(rowsOf(reopened), { row: 'state' })
    assert.deepEqual(reopened.positions, [{ topic: 'tasks.submitted', offset: 3, metadata }])
    await eventually('others see the position', async () =>
      (await log.positions(group)).some(
        ({ topic, partition, offset }) => topic === 'tasks.submitted' && partition === 0 && offset === 3,
      ),
    )
    await member.leave()
  })

  test('rows are restored: the latest value wins, the deleted are gone, lanes do not mix', async () => {
    const { log } = subject()
    const member = new TestMember(log, mark(), ['tasks.submitted'])
    const [zero, one] = [await member.lane(0), await member.lane(1)]
    const row = (key: string, text: string | null) => ({
      key,
      value: text === null ? null : Buffer.from(text),
    })
    await zero.commit(commitOf({ rows: [row('a', '1'), row('b', '1'), row('ключ', 'значение')] }))
    await one.commit(commitOf({ rows: [row('a', 'of lane one')] }))
    await zero.commit(commitOf({ rows: [row('a', '2'), row('b', null), row('c', 'x'.repeat(100_000))] }))
    await zero.commit(commitOf({ rows: [row('d', '1'), row('never-was', null)] }))
    const reopened = await reopen(member, 0)
    assert.deepEqual(rowsOf(reopened), { a: '2', ключ: 'значение', c: 'x'.repeat(100_000), d: '1' })
    const other = await reopen(member, 1)
    assert.deepEqual(rowsOf(other), { a: 'of lane one' })
    other.releaseRows()
    assert.deepEqual(rowsOf(other), {})
    const third = await reopen(member, 1)
    assert.deepEqual(rowsOf(third), { a: 'of lane one' }, 'they are gone from memory only')
    await member.leave()
  })

  test('a lane goes on from its committed position, and gets again what was not committed (4)', async () => {
    const { log } = subject()
    const group = mark()
    const key = mark()
    const first = new TestMember(log, group, ['tools.requested'])
    const lane = await first.lane(1)
    const published = await log.publish(numbered('tools.requested', 1, key, 10))
    await eventually('records arrived', () => first.values('tools.requested', 1, key).length === 10)
    const offset = published[6]?.offset ?? -1
    await lane.commit(commitOf({ positions: [{ topic: 'tools.requested', offset, metadata: '' }] }))
    await first.leave()

    const second = new TestMember(log, group, ['tools.requested'])
    await eventually('the rest arrived again', () => second.values('tools.requested', 1, key).length >= 4)
    assert.deepEqual(second.values('tools.requested', 1, key), ['6', '7', '8', '9'])
    await second.leave()
  })

  test('opening fences the former owner: nothing of its commit is written or seen (2, 5)', async () => {
    const { log } = subject()
    const key = mark()
    const member = new TestMember(log, mark(), ['tasks.submitted'])
    const former = await member.lane(0)
    const seen: string[] = []
    const tail = log.tail({ topics: ['tasks.completed'], from: 'earliest' }, (records) => {
      seen.push(...records.filter((record) => record.key === key).map(textOf))
    })
    await tail.ready
    await former.commit(commitOf({ records: [outgoing('tasks.completed', 0, key, 'before')] }))
    const owner = await reopen(member, 0)
    assert.ok(owner.epoch > former.epoch)
    await assert.rejects(
      former.commit(
        commitOf({
          records: [outgoing('tasks.completed', 0, key, 'zombie')],
          rows: [{ key: 'zombie', value: Buffer.from('1') }],
          positions: [{ topic: 'tasks.submitted', offset: 99, metadata: 'zombie' }],
        }),
      ),
      LaneFenced,
    )
    await owner.commit(commitOf({ records: [outgoing('tasks.completed', 0, key, 'after')] }))
    await eventually("the owner's record arrived", () => seen.includes('after'))
    assert.deepEqual(seen, ['before', 'after'])
    const read = await log.read('tasks.completed', 0, 0, 10_000)
    assert.deepEqual(read.filter((record) => record.key === key).map(textOf), ['before', 'after'])
    const again = await reopen(member, 0)
    assert.deepEqual([[...again.rows], again.positions], [[], []])
    assert.ok(again.epoch > owner.epoch)
    await tail.close()
    await member.leave()
  })

  test('what was finished beyond the position is known after a reopening, and not taken again (4)', async () => {
    const { log } = subject()
    const key = mark()
    const member = new TestMember(log, mark(), ['code.requested'])
    const lane = await member.lane(1)
    const published = await log.publish(numbered('code.requested', 1, key, 12))
    const first = published[0]?.offset ?? -1
    await eventually('records arrived', () => member.values('code.requested', 1, key).length === 12)
    const tracker = new OffsetTracker(lane.positions)
    for (const record of await log.read('code.requested', 1, 0, 10_000)) {
      const isOpen = record.key === key && Number(textOf(record)) % 3 === 0
      if (tracker.offer(record) && !isOpen) tracker.finish(record.topic, record.offset)
    }
    await lane.commit(commitOf({ positions: tracker.takeChanges() }))

    const arrived = member.records.length
    const reopened = await reopen(member, 1)
    assert.equal(reopened.positions[0]?.offset, first)
    const restored = new OffsetTracker(reopened.positions)
    const again = () => member.records.slice(arrived).filter((record) => record.key === key)
    await eventually('records arrived again', () => again().length === 12)
    assert.deepEqual(
      again()
        .filter((record) => restored.offer(record))
        .map(textOf),
      ['0', '3', '6', '9'],
    )
    await member.leave()
  })

  test('a commit carries records and rows up to the stated limit, with their headers', async () => {
    const { log } = subject()
    const key = mark()
    const member = new TestMember(log, mark(), ['tasks.submitted'])
    const lane = await member.lane(0)
    const large = (name: string) => Buffer.alloc(512 * 1024, name)
    const names = ['a', 'b', 'c', 'd']
    const headers = { traceparent: '00-abc', 'flotilla-requester': 'Plännér' }
    await lane.commit(
      commitOf({
        records: names.map((name) => ({
          topic: 'tools.completed',
          partition: 1,
          key,
          value: large(name),
          headers,
        })),
        rows: names.map((name) => ({ key: name, value: large(name) })),
      }),
    )
    const [range] = (await log.ranges(['tools.completed'])).filter(({ partition }) => partition === 1)
    const found: LogRecord[] = []
    for (let from = range?.earliest ?? 0; found.length < names.length;) {
      const some = await log.read('tools.completed', 1, from, 2)
      assert.ok(some.length > 0, 'every record of the commit can be read')
      found.push(...some.filter((record) => record.key === key))
      from = Number(some.at(-1)?.offset) + 1
    }
    const equal = (value: Uint8Array | null | undefined, name: string) => value && large(name).equals(value)
    assert.ok(names.every((name, index) => equal(found[index]?.value, name)))
    assert.ok(found.every((record) => record.headers['flotilla-requester'] === 'Plännér'))
    const rows = new Map([...(await reopen(member, 0)).rows].map((row) => [row.key, row.value]))
    assert.ok(rows.size === names.length && names.every((name) => equal(rows.get(name), name)))
    await member.leave()
  })

  const refused: readonly (readonly [string, 'record' | 'position', (key: string) => Partial<LaneCommit>])[] =
    [
      [
        'a record',
        'record',
        (key) => ({ records: [outgoing('tools.completed', 0, key, 'x'.repeat(LOG_RECORD_BYTES))] }),
      ],
      ['a state row', 'record', (key) => ({ rows: [{ key, value: Buffer.alloc(LOG_RECORD_BYTES, 1) }] })],
      [
        "a position's metadata",
        'position',
        () => ({
          positions: [{ topic: 'tasks.submitted', offset: 7, metadata: 'm'.repeat(LOG_METADATA_BYTES + 1) }],
        }),
      ],
    ]
  for (const [what, part, large] of refused)
    test(`${what} past the log's limit is refused for good, with all of its commit; the reopened lane goes on (6)`, async () => {
      const { log } = subject()
      const key = mark()
      const member = new TestMember(log, mark(), ['tasks.submitted'])
      const lane = await member.lane(0)
      const beside = {
        records: [outgoing('tasks.admitted', 1, key, 'beside')],
        rows: [{ key: 'beside', value: Buffer.from('1') }],
        positions: [{ topic: 'tasks.submitted' as const, offset: 5, metadata: '' }],
      }
      await assert.rejects(
        lane.commit(commitOf({ ...beside, ...large(key) })),
        (error: unknown) => error instanceof CommitRefused && error.part === part,
      )
      const reopened = await reopen(member, 0)
      assert.deepEqual([[...reopened.rows], reopened.positions], [[], []])
      await reopened.commit(commitOf(beside))
      const found = await log.read('tasks.admitted', 1, 0, 10_000)
      assert.deepEqual(found.filter((record) => record.key === key).map(textOf), ['beside'])
      await member.leave()
    })

  test('a record past the limit is refused at its publishing, and no other with it (6)', async () => {
    const { log } = subject()
    const key = mark()
    const publish = (text: string) => log.publish([outgoing('tasks.history', 0, key, text)])
    const large = publish('x'.repeat(LOG_RECORD_BYTES))
    const small = publish('small')
    await assert.rejects(large, { code: 'RECORD_TOO_LARGE' })
    await small
    const found = await log.read('tasks.history', 0, 0, 10_000)
    assert.deepEqual(found.filter((record) => record.key === key).map(textOf), ['small'])
  })

  test('pausing a topic of a lane holds back that topic only', async () => {
    const { log } = subject()
    const key = mark()
    const member = new TestMember(log, mark(), ['code.requested', 'tasks.control'])
    await member.holds(log.partitions)
    const lane = await member.lane(0)
    lane.pause(['code.requested'])
    await log.publish(numbered('code.requested', 0, key, 5))
    await log.publish([...numbered('tasks.control', 0, key, 5), ...numbered('code.requested', 1, key, 5)])
    await eventually('control arrived', () => member.values('tasks.control', 0, key).length === 5)
    await eventually('the other lane got it', () => member.values('code.requested', 1, key).length === 5)
    assert.deepEqual(member.values('code.requested', 0, key), [])
    lane.resume(['code.requested'])
    await eventually('resumed', () => member.values('code.requested', 0, key).length === 5)
    assert.deepEqual(member.values('code.requested', 0, key), ['0', '1', '2', '3', '4'])
    await member.leave()
  })

  test('lanes commit at the same time without disturbing each other', async () => {
    const { log } = subject()
    const key = mark()
    const member = new TestMember(log, mark(), ['tasks.submitted'])
    await member.holds(log.partitions)
    const lanes = [...member.lanes.values()]
    const commitTwice = async (lane: OpenLane): Promise<void> => {
      for (const round of ['0', '1']) {
        const records = lanes.map((other) => outgoing('tasks.history', other.lane, key, `${lane.lane}`))
        await lane.commit(commitOf({ records, rows: [{ key: `row ${round}`, value: Buffer.from(round) }] }))
      }
    }
    await Promise.all(lanes.map(commitTwice))
    const expected = lanes.flatMap(({ lane }) => [`${lane}`, `${lane}`]).sort()
    for (const { lane } of lanes) {
      const found = await log.read('tasks.history', lane, 0, 10_000)
      assert.deepEqual(
        found
          .filter((record) => record.key === key)
          .map(textOf)
          .sort(),
        expected,
      )
      assert.deepEqual(rowsOf(await reopen(member, lane)), { 'row 0': '0', 'row 1': '1' })
    }
    await member.leave()
  })

  test('a lane of many rows gives each of them once', async () => {
    const { log } = subject()
    const member = new TestMember(log, mark(), ['tasks.submitted'])
    const lane = await member.lane(0)
    const names = Array.from({ length: 1_001 }, (_, index) => `\u0000lane\u0000many:${index}`)
    await lane.commit(commitOf({ rows: names.map((key) => ({ key, value: Buffer.from(key) })) }))
    const found = [...(await reopen(member, 0)).rows]
    assert.equal(found.length, names.length)
    assert.deepEqual(
      new Map(found.map((row) => [row.key, textOf(row)])),
      new Map(names.map((key) => [key, key])),
    )
    await member.leave()
  })

  test('a commit may be empty, or hold only rows or only positions', async () => {
    const { log } = subject()
    const member = new TestMember(log, mark(), ['tasks.submitted'])
    const lane = await member.lane(0)
    await lane.commit(commitOf({}))
    await lane.commit(commitOf({ positions: [{ topic: 'tasks.submitted', offset: 1, metadata: '' }] }))
    await lane.commit(commitOf({ rows: [{ key: 'only', value: Buffer.from('row') }] }))
    const reopened = await reopen(member, 0)
    assert.deepEqual(rowsOf(reopened), { only: 'row' })
    assert.equal(reopened.positions[0]?.offset, 1)
    await member.leave()
  })
}

/** The same member opens the lane once more, as a host does after an uncertain commit. */
async function reopen(member: TestMember, lane: number): Promise<OpenLane> {
  const open = await member.open(lane)
  assert.ok(open, `lane ${lane} could be opened again`)
  return open
}

function rowsOf(lane: OpenLane): Record<string, string> {
  return Object.fromEntries([...lane.rows].map((row) => [row.key, textOf(row)]))
}
