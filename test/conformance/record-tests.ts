import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogRecord, OutgoingRecord } from '../../runtime/log/port.ts'
import type { LogUnderTest } from './log-suite.ts'
import { mark, numbered, outgoing, textOf } from './member.ts'

export function recordTests(subject: () => LogUnderTest): void {
  test('publish tells each position, in order within a partition', async () => {
    const { log } = subject()
    const key = mark()
    const records = [...numbered('tasks.submitted', 0, key, 3), ...numbered('tasks.submitted', 1, key, 2)]
    const positions = await log.publish(records)
    assert.deepEqual(
      positions.map(({ topic, partition }) => ({ topic, partition })),
      records.map(({ topic, partition }) => ({ topic, partition })),
    )
    for (const [i, { topic, partition, offset }] of positions.entries()) {
      const [found] = await log.read(topic, partition, offset, 1)
      assert.equal(found?.offset, offset)
      assert.equal(textOf(found), textOf(records[i] as OutgoingRecord))
    }
    assert.ok(Number(positions[0]?.offset) < Number(positions[1]?.offset))
  })

  test('a record keeps key, value, UTF-8 headers and time', async () => {
    const { log } = subject()
    const key = `${mark()} žluťoučký 任务`
    const headers = { traceparent: '00-abc', 'flotilla-requester': 'Plännér 🚀', empty: '' }
    const earliestMs = Date.now() - 5_000
    const [position] = await log.publish([
      { topic: 'tasks.control', partition: 1, key, value: Buffer.from([0, 1, 255, 128]), headers },
    ])
    const [found] = await log.read('tasks.control', 1, position?.offset ?? -1, 1)
    assert.ok(found)
    assert.equal(found.key, key)
    assert.deepEqual([...(found.value ?? [])], [0, 1, 255, 128])
    assert.deepEqual({ ...found.headers }, headers)
    assert.ok(found.timestampMs >= earliestMs && found.timestampMs <= Date.now() + 5_000)
  })

  test('key and value may be null, and an empty value stays empty', async () => {
    const { log } = subject()
    const base = { topic: 'tasks.control', partition: 0, headers: {} } as const
    const [bare, empty] = await log.publish([
      { ...base, key: null, value: null },
      { ...base, key: '', value: new Uint8Array(0) },
    ])
    const [first] = await log.read('tasks.control', 0, bare?.offset ?? -1, 1)
    const [second] = await log.read('tasks.control', 0, empty?.offset ?? -1, 1)
    assert.equal(first?.key, null)
    assert.equal(first?.value, null)
    assert.equal(second?.value?.length, 0)
  })

  test('a record of 512 KB passes whole', async () => {
    const { log } = subject()
    const value = Buffer.alloc(512 * 1024, 'abcdefg')
    const [position] = await log.publish([
      { topic: 'tools.completed', partition: 0, key: mark(), value, headers: {} },
    ])
    const [found] = await log.read('tools.completed', 0, position?.offset ?? -1, 1)
    assert.ok(found?.value && value.equals(Buffer.from(found.value)))
  })

  test('read gives at most `limit` records from the offset on, and none past the end', async () => {
    const { log } = subject()
    const key = mark()
    const positions = await log.publish(numbered('dead-letters', 1, key, 10))
    const from = positions[3]?.offset ?? -1
    const some = await log.read('dead-letters', 1, from, 4)
    assert.deepEqual(some.map(textOf), ['3', '4', '5', '6'])
    const rest = await log.read('dead-letters', 1, from, 1_000)
    assert.deepEqual(rest.map(textOf), ['3', '4', '5', '6', '7', '8', '9'])
    const [range] = (await log.ranges(['dead-letters'])).filter(({ partition }) => partition === 1)
    assert.deepEqual(await log.read('dead-letters', 1, range?.next ?? -1, 10), [])
  })

  test('ranges tell the first and the next offset of every partition', async () => {
    const { log } = subject()
    const before = await log.ranges(['ops.health', 'alerts.raised'])
    assert.equal(before.length, 2 * log.partitions)
    const [position] = await log.publish([outgoing('ops.health', 1, mark(), 'x')])
    const changed = (await log.ranges(['ops.health'])).find(({ partition }) => partition === 1)
    assert.ok(Number(changed?.next) > Number(position?.offset))
    assert.ok(Number(changed?.earliest) <= Number(position?.offset))
    const asked = await log.ranges(['ops.health', 'alerts.raised'], { partitions: [1] })
    assert.deepEqual(
      asked.map(({ topic, partition }) => `${topic}[${partition}]`),
      ['ops.health[1]', 'alerts.raised[1]'],
    )
  })

  test('publishing to a partition that does not exist is refused', async () => {
    const { log } = subject()
    await assert.rejects(log.publish([outgoing('tasks.submitted', log.partitions, mark(), 'x')]))
  })

  test('find gives the newest record of a key that is wanted, and null where there is none', async () => {
    const { log } = subject()
    const key = mark()
    const before = await log.publish(numbered('tasks.completed', 1, mark(), 5))
    await log.publish(numbered('tasks.completed', 1, key, 3))
    await log.publish([
      ...numbered('tasks.completed', 1, mark(), 5),
      ...numbered('tasks.completed', 0, key, 9),
    ])
    const topic = 'tasks.completed'
    const find = (name: string, wanted = (record: LogRecord) => textOf(record) !== '2', sinceMs = 0) =>
      log.find({ topic, partition: 1, key: name, wanted, sinceMs })
    const found = await find(key)
    assert.deepEqual([found?.key, found && textOf(found), found?.partition], [key, '1', 1])
    assert.ok(Number(found?.offset) > Number(before.at(-1)?.offset))
    assert.equal(await find(mark()), null)
    assert.equal(await find(mark(), undefined, Date.now()), null)
    await log.publish([outgoing(topic, 1, key, 'newer')])
    const newer = await find(key)
    assert.equal(newer && textOf(newer), 'newer', 'what was written before the search is seen by it')
  })
}
