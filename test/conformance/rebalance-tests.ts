import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LaneFenced } from '../../runtime/log/port.ts'
import type { Log } from '../../runtime/log/port.ts'
import type { LogUnderTest } from './log-suite.ts'
import { TestMember, commitOf, mark, numbered, outgoing, textOf } from './member.ts'
import { eventually } from './waiting.ts'

export function rebalanceTests(subject: () => LogUnderTest): void {
  const withSecond = async (run: (log: Log, other: Log) => Promise<void>): Promise<void> => {
    const { log, second } = subject()
    assert.ok(second, "this log offers no second process's view: rebalancing can't be shown")
    const other = await second()
    try {
      await run(log, other)
    } finally {
      await other.close()
    }
  }

  test('joining ends when the group has said which lanes are whose, also for a member that gets none', async () =>
    withSecond(async (log, other) => {
      const group = mark()
      const members = Array.from(
        { length: log.partitions },
        () => new TestMember(log, group, ['tasks.submitted']),
      )
      await Promise.all(members.map((member) => member.lanesOnJoining()))
      await eventually('each member has a lane', () => members.every(({ lanes }) => lanes.size === 1))
      const idle = new TestMember(other, group, ['tasks.submitted'])
      assert.deepEqual(await idle.lanesOnJoining(), [])
      for (const member of [idle, ...members]) await member.leave()
      const alone = new TestMember(log, mark(), ['tasks.submitted'])
      assert.equal((await alone.lanesOnJoining()).length, log.partitions, 'announced by then')
      await alone.leave()
    }))

  test('the members of a group: what they read, and who owns which lane', async () =>
    withSecond(async (log, other) => {
      const group = mark()
      assert.deepEqual(await log.members(group), { topics: [], owners: [] })
      const members = [log, other].map((each) => new TestMember(each, group, ['tasks.submitted']))
      await eventually('both have lanes', () => members.every(({ lanes }) => lanes.size > 0))
      await eventually('each lane has one owner', async () => {
        const { topics, owners } = await other.members(group)
        assert.deepEqual(topics, ['tasks.submitted'])
        return owners.map(({ lane }) => lane).join() === [...Array(log.partitions).keys()].join()
      })
      assert.ok((await log.members(group)).owners.every(({ owner }) => owner.length > 0))
      for (const member of members) await member.leave()
      await eventually('nobody is in it', async () => (await log.members(group)).owners.length === 0)
    }))

  test('a second member takes lanes over; those that stay keep working; a late commit is fenced (2)', async () =>
    withSecond(async (log, other) => {
      const group = mark()
      const key = mark()
      const first = new TestMember(log, group, ['tasks.submitted'])
      await first.holds(log.partitions)
      for (const lane of first.lanes.values()) {
        await lane.commit(
          commitOf({
            rows: [{ key: 'owner', value: Buffer.from(`first ${lane.lane}`) }],
            positions: [{ topic: 'tasks.submitted', offset: 0, metadata: `lane ${lane.lane}` }],
          }),
        )
      }
      const before = new Map(first.lanes)
      const second = new TestMember(other, group, ['tasks.submitted'])
      await eventually('the second member has lanes', () => second.lanes.size > 0)
      await eventually(
        'each lane has one owner',
        () => first.lanes.size + second.lanes.size === log.partitions,
      )
      for (const lane of first.lanes.keys()) assert.equal(second.lanes.has(lane), false)
      assert.deepEqual([...new Set(first.revoked)].sort(), [...second.lanes.keys()].sort())

      for (const [number, lane] of first.lanes) {
        assert.equal(lane, before.get(number), 'a lane that stays is not opened again')
        await lane.commit(commitOf({ records: [outgoing('tasks.history', number, key, 'stayed')] }))
      }
      for (const [number, lane] of second.lanes) {
        assert.deepEqual([...lane.rows].map(textOf), [`first ${number}`])
        assert.equal(lane.positions[0]?.metadata, `lane ${number}`)
        const former = before.get(number)
        assert.ok(former && former.epoch < lane.epoch)
        const zombie = outgoing('tasks.history', number, key, 'zombie')
        await assert.rejects(former.commit(commitOf({ records: [zombie] })), LaneFenced)
        await lane.commit(commitOf({ records: [outgoing('tasks.history', number, key, 'moved')] }))
      }
      for (let partition = 0; partition < log.partitions; partition++) {
        const found = (await log.read('tasks.history', partition, 0, 10_000)).filter(
          (record) => record.key === key,
        )
        assert.deepEqual(found.map(textOf), [first.lanes.has(partition) ? 'stayed' : 'moved'])
      }
      await second.leave()
      await first.leave()
    }))

  test('leaving hands the lanes over at once, and nothing is lost on the way', async () =>
    withSecond(async (log, other) => {
      const group = mark()
      const key = mark()
      const first = new TestMember(log, group, ['code.completed'])
      await first.holds(log.partitions)
      const second = new TestMember(other, group, ['code.completed'])
      await eventually('both have lanes', () => second.lanes.size > 0 && first.lanes.size > 0)
      await eventually('settled', () => first.lanes.size + second.lanes.size === log.partitions)
      await second.leave()
      await log.publish([...numbered('code.completed', 0, key, 5), ...numbered('code.completed', 1, key, 5)])
      await first.holds(log.partitions)
      for (const partition of [0, 1]) {
        await eventually('all arrived', () => first.values('code.completed', partition, key).length === 5)
      }
      await first.leave()
    }))

  test('closing a log leaves its groups', async () =>
    withSecond(async (log, other) => {
      const group = mark()
      const second = new TestMember(other, group, ['tasks.submitted'])
      await second.holds(log.partitions)
      const first = new TestMember(log, group, ['tasks.submitted'])
      await eventually('both have lanes', () => first.lanes.size > 0 && second.lanes.size > 0)
      await other.close()
      await first.holds(log.partitions)
      await first.leave()
    }))

  test('tails of one group share the partitions, and every record is handled', async () =>
    withSecond(async (log, other) => {
      const group = mark()
      const key = mark()
      const handled = new Set<string>()
      const options = { topics: ['usage.recorded'], from: 'latest', group } as const
      const tails = [log, other].map((member) =>
        member.tail(options, (records) => {
          for (const record of records)
            if (record.key === key) handled.add(`${record.partition}/${textOf(record)}`)
        }),
      )
      await Promise.all(tails.map((tail) => tail.ready))
      const everywhere = Array.from({ length: log.partitions }, (_, p) =>
        numbered('usage.recorded', p, key, 3),
      )
      await log.publish(everywhere.flat())
      await eventually('all were handled', () => handled.size === 3 * log.partitions)
      await Promise.all(tails.map((tail) => tail.close()))
    }))
}
