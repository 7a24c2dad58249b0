import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backwards } from '../../../../operator/direct/topic-reads.ts'
import type { Log, LogRecord } from '../../../../runtime/log/port.ts'
import { collectingOmissions, Omissions } from '../../../../runtime/omitted.ts'

/** Kafka may give records from before and from behind what was asked for, and has gaps (control records). */
const log = {
  read: async (topic: string, partition: number, from: number, count: number) =>
    [from - 1, ...Array.from({ length: count + 1 }, (_, at) => from + at)]
      .filter((offset) => offset % 5 !== 0)
      .map((offset) => ({ topic, partition, offset, timestampMs: 1_000 + offset }) as unknown as LogRecord),
} as Partial<Log> as Log

const offsets = async (earliest: number, next: number, most: number): Promise<number[]> => {
  const range = { topic: 'tasks.history', partition: 0, earliest, next } as const
  const found: number[] = []
  for await (const { offset } of backwards(log, range, { page: 4, most })) found.push(offset)
  return found
}

test('each record once, the newest first, down to the earliest', async () => {
  assert.deepEqual(await offsets(2, 13, 100), [12, 11, 9, 8, 7, 6, 4, 3, 2])
  assert.deepEqual(await offsets(3, 3, 100), [])
})

test('no more than the bound, rounded up to a page', async () => {
  assert.deepEqual(await offsets(0, 100, 5), [99, 98, 97, 96, 94, 93, 92])
})

test('what the bound leaves out of the time that the view is about is counted', async () => {
  const unread = async (sinceMs: number, most: number) => {
    const omissions = new Omissions()
    const range = { topic: 'tasks.history', partition: 0, earliest: 0, next: 100 } as const
    await collectingOmissions(omissions, async () => {
      for await (const _ of backwards(log, range, { page: 4, most, sinceMs })) continue
    })
    return omissions.list().map((each) => each.unread)
  }
  assert.deepEqual(await unread(0, 8), [92])
  assert.deepEqual(await unread(1_092, 8), [92], 'the oldest that was read is of that time')
  assert.deepEqual(await unread(1_093, 8), [], 'it is older')
  assert.deepEqual(await unread(0, 100), [])
})
