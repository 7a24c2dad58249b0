import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directTopics } from '../../../../operator/direct/topics.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { Log, LogTopic, RangeOptions } from '../../../../runtime/log/port.ts'

/** A log that lacks these topics, and names them. */
const logWithout = (missing: (topic: LogTopic) => boolean): Log =>
  ({
    ranges: async (asked: readonly LogTopic[]) => {
      const absent = asked.filter(missing)
      if (absent.length > 0) throw new FlotillaError('TOPICS_MISSING', 'missing', { details: { absent } })
      return asked.map((topic) => ({ topic, partition: 0, earliest: 2, next: 5 }))
    },
  }) as Partial<Log> as Log

test('a missing topic is in the list without partitions, beside those that are there', async () => {
  const rows = await directTopics(logWithout((topic) => topic === 'ops.control')).list()
  const shown = (wanted: string) => {
    const { name, partitions, records } = rows.find((row) => row.name === wanted) ?? {}
    return { name, partitions, records }
  }
  assert.deepEqual(shown('ops.control'), { name: 'ops.control', partitions: 0, records: 0 })
  assert.deepEqual(shown('dead-letters'), { name: 'dead-letters', partitions: 1, records: 3 })
})

test('partitions that no broker leads are named, and the others counted', async () => {
  const log = {
    ranges: async (asked: readonly LogTopic[], { onLeaderless }: RangeOptions = {}) => {
      onLeaderless?.({ topic: 'tasks.admitted', partition: 1 })
      return asked.map((topic) => ({ topic, partition: 0, earliest: 2, next: 5 }))
    },
  } as Partial<Log> as Log
  const rows = await directTopics(log).list()
  const shown = (wanted: string) => {
    const { partitions, records, leaderless } = rows.find(({ name }) => name === wanted) ?? {}
    return { partitions, records, leaderless }
  }
  assert.deepEqual(shown('tasks.admitted'), { partitions: 2, records: 3, leaderless: [1] })
  assert.deepEqual(shown('dead-letters'), { partitions: 1, records: 3, leaderless: undefined })
})

test('if every topic is missing, the prefix or the broker is wrong', async () => {
  await assert.rejects(directTopics(logWithout(() => true)).list(), { code: 'TOPICS_MISSING' })
})
