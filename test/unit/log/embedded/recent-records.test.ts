import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentRecords } from '../../../../runtime/log/embedded/recent-records.ts'
import type { Slot } from '../../../../runtime/log/embedded/storage.ts'

const slot: Slot = { id: 1, topic: 'tasks.history', partition: 0, next: 0 }
const all = { records: 1_000, bytes: Number.POSITIVE_INFINITY }

function filled(count: number, bytes: number): RecentRecords {
  const recent = new RecentRecords()
  for (let offset = 0; offset < count; offset++)
    recent.add(slot, {
      topic: slot.topic,
      partition: slot.partition,
      offset,
      key: null,
      value: new Uint8Array(bytes),
      headers: {},
      timestampMs: 0,
    })
  return recent
}

/** How many of the newest are in memory. */
function kept(recent: RecentRecords, count: number): number {
  for (let from = 0; from < count; from++) {
    const found = recent.read(slot, from, all)
    if (!found) continue
    assert.deepEqual(
      found.map(({ offset }) => offset),
      Array.from({ length: count - from }, (_, at) => from + at),
    )
    return count - from
  }
  return 0
}

test('the newest records stay, by number', () => {
  for (let count = 1; count <= 300; count++) {
    const number = kept(filled(count, 10), count)
    assert.ok(number >= Math.min(count, 24) && number <= 48, `${number} of ${count}`)
  }
})

test('the newest records stay, by bytes', () => {
  assert.equal(kept(filled(20, 100_000), 20), 2)
  assert.equal(kept(filled(3, 300_000), 3), 0)
})
