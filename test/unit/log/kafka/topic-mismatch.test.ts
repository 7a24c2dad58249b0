import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  otherCount,
  topicsMismatch,
  type Counted,
} from '../../../../runtime/log/kafka/admin/topic-mismatch.ts'

const counted = (...found: number[]): Counted[] =>
  found.map((each, index) => ({ topic: `x.t${index}`, found: each, wanted: 6 }))

test('topics that all have another number: the setting is wrong, and the message names the right one', () => {
  const all = counted(12, 12, 12, 12, 12, 12, 12)
  assert.equal(otherCount(all), 12)
  const { code, message = '' } = topicsMismatch(all) ?? {}
  assert.equal(code, 'TOPICS_MISMATCH')
  assert.match(message, /^x\.t0 has 12 partitions, not 6; .*x\.t4 has 12 partitions, not 6; and 2 more\. /)
  assert.match(message, /Set FLOTILLA_PARTITIONS=12, or use another FLOTILLA_PREFIX/)
})

test('one topic that differs is named, and no number is recommended for all', () => {
  const one = counted(6, 1, 6)
  assert.equal(otherCount(one), null)
  for (const found of [
    [1, 6, 6],
    [12, 24],
  ])
    assert.equal(otherCount(counted(...found)), null)
  const { message = '' } = topicsMismatch(one) ?? {}
  assert.match(
    message,
    /^x\.t1 has 1 partition, not 6\. .* delete the topic, and create it with: flotilla topics --create\.$/,
  )
  assert.doesNotMatch(message, /FLOTILLA_PARTITIONS/)
  assert.equal(topicsMismatch(counted(6, 6)), null)
  assert.equal(otherCount(counted(6, 6)), null)
  assert.equal(otherCount([]), null)
})
