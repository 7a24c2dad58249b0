import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogRecord } from '../../runtime/log/port.ts'
import type { LogUnderTest } from './log-suite.ts'
import { mark, numbered, TestMember, textOf } from './member.ts'
import { eventually } from './waiting.ts'

/** Keeps the values of one test's records. */
function collector(key: string): { values: string[]; take: (records: readonly LogRecord[]) => void } {
  const values: string[] = []
  const take = (records: readonly LogRecord[]): void =>
    void values.push(...records.filter((record) => record.key === key).map(textOf))
  return { values, take }
}

export function tailTests(subject: () => LogUnderTest): void {
  test('a tail without a group: every reader sees everything, from the earliest or from now on', async () => {
    const { log } = subject()
    const key = mark()
    await log.publish(numbered('tasks.completed', 0, key, 3))
    const [early, alsoEarly, late] = [collector(key), collector(key), collector(key)]
    const tails = [
      log.tail({ topics: ['tasks.completed'], from: 'earliest' }, early.take),
      log.tail({ topics: ['tasks.completed'], from: 'earliest' }, alsoEarly.take),
      log.tail({ topics: ['tasks.completed'], from: 'latest' }, late.take),
    ]
    await Promise.all(tails.map((tail) => tail.ready))
    await log.publish(numbered('tasks.completed', 0, key, 3, 3))
    for (const { values } of [early, alsoEarly]) {
      await eventually('six arrived', () => values.length === 6)
      assert.deepEqual(values, ['0', '1', '2', '3', '4', '5'])
    }
    await eventually('three arrived', () => late.values.length === 3)
    assert.deepEqual(late.values, ['3', '4', '5'])
    await Promise.all(tails.map((tail) => tail.close()))
  })

  test('the handler is awaited before the next batch', async () => {
    const { log } = subject()
    const key = mark()
    let atWork = 0
    let most = 0
    const { values, take } = collector(key)
    const tail = log.tail({ topics: ['tasks.history'], from: 'latest' }, async (records) => {
      most = Math.max(most, ++atWork)
      await new Promise((resolve) => setTimeout(resolve, 2))
      take(records)
      atWork--
    })
    await tail.ready
    for (let i = 0; i < 5; i++) {
      await log.publish([...numbered('tasks.history', 0, key, 1), ...numbered('tasks.history', 1, key, 1)])
    }
    await eventually('all arrived', () => values.length === 10)
    assert.equal(most, 1)
    await tail.close()
  })

  test('a closed tail hears nothing more', async () => {
    const { log } = subject()
    const key = mark()
    const [closed, open] = [collector(key), collector(key)]
    const first = log.tail({ topics: ['usage.recorded'], from: 'latest' }, closed.take)
    const second = log.tail({ topics: ['usage.recorded'], from: 'latest' }, open.take)
    await Promise.all([first.ready, second.ready])
    await first.close()
    await log.publish(numbered('usage.recorded', 0, key, 1))
    await eventually('the open one heard', () => open.values.length === 1)
    assert.deepEqual(closed.values, [])
    await second.close()
  })

  test('a tail with a group keeps its position', async () => {
    const { log } = subject()
    const group = mark()
    const key = mark()
    const options = { topics: ['tasks.completed'], from: 'earliest', group } as const
    const first = collector(key)
    const one = log.tail(options, first.take)
    await one.ready
    const published = await log.publish(numbered('tasks.completed', 1, key, 3))
    await eventually('three arrived', () => first.values.length >= 3)
    const past = Number(published.at(-1)?.offset)
    await eventually('the position moved', async () =>
      (await log.positions(group, 'readers')).some(
        ({ partition, offset }) => partition === 1 && offset > past,
      ),
    )
    await one.close()
    await log.publish(numbered('tasks.completed', 1, key, 2, 3))
    const second = collector(key)
    const two = log.tail(options, second.take)
    await eventually('the rest arrived', () => second.values.length >= 2)
    assert.deepEqual(second.values, ['3', '4'])
    await two.close()
  })

  test('a handler that fails gets its records again', async () => {
    const { log } = subject()
    const key = mark()
    const { values, take } = collector(key)
    let failures = 0
    const tail = log.tail({ topics: ['alerts.raised'], from: 'latest', group: mark() }, (records) => {
      const ours = records.some((record) => record.key === key)
      if (ours && ++failures <= 1) throw new Error('the first try of this test fails')
      take(records)
    })
    await tail.ready
    await log.publish(numbered('alerts.raised', 0, key, 3))
    await eventually('three arrived', () => values.length >= 3)
    assert.deepEqual(values.slice(-3), ['0', '1', '2'])
    assert.ok(failures > 1)
    await tail.close()
  })

  test("a readers' group named like a stage takes no lanes from it and moves no position of it (6)", async () => {
    const { log } = subject()
    const name = mark()
    const key = mark()
    const member = new TestMember(log, name, ['tasks.completed'])
    await member.holds(log.partitions)
    const reader = collector(key)
    const tail = log.tail({ topics: ['tasks.completed'], from: 'latest', group: name }, reader.take)
    await tail.ready
    const published = await log.publish([0, 1].flatMap((lane) => numbered('tasks.completed', lane, key, 5)))
    await eventually('the reader has its records', () => reader.values.length === 10)
    await eventually('the stage has them too', () =>
      [0, 1].every((lane) => member.values('tasks.completed', lane, key).length === 5),
    )
    const past = published.at(-1)?.offset ?? 0
    await eventually("the reader's position moved", async () =>
      (await log.positions(name, 'readers')).some(
        ({ partition, offset }) => partition === 1 && offset > past,
      ),
    )
    assert.deepEqual(await log.positions(name), [], 'the stage has committed nothing')
    assert.deepEqual(member.revoked, [])
    await tail.close()
    await member.leave()
  })

  test("a readers' group has a plain name, and a stage's group none of a reader's (6)", async () => {
    const { log } = subject()
    const group = (name: string) => () =>
      log.tail({ topics: ['tasks.completed'], from: 'latest', group: name }, () => {})
    for (const name of ['', '.', '..', 'a b', 'a/b', 'a\u0000', 'é', 'a'.repeat(101)])
      assert.throws(group(name), { code: 'REQUEST_INVALID', message: /may be named with 1 to 100 letters/ })
    const join = async () => {
      const options = { group: 'readers.planner', topics: ['tasks.completed'] as const, instance: 'x' }
      const { joined } = await log.join(options, {
        onAssigned: () => {},
        onRevoked: () => {},
        onError: () => {},
      })
      await joined
    }
    await assert.rejects(join(), { code: 'INTERNAL' })
  })
}
