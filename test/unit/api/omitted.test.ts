import assert from 'node:assert/strict'
import { test } from 'node:test'
import { omissionsIn, omissionText, omittedHeader } from '../../../api/omitted.ts'
import { collectingOmissions, Omissions, omissionsNow } from '../../../runtime/omitted.ts'

const both = [
  { topic: 'dead-letters', undecodable: 2, unread: 0 },
  { topic: 'ops.health', undecodable: 1, unread: 1_200 },
]

test('the header says what it was made of', () => {
  const text = omittedHeader(both)
  assert.equal(text, 'dead-letters;undecodable=2, ops.health;undecodable=1;unread=1200')
  assert.deepEqual(omissionsIn(text), both)
})

test('a header that says something else says nothing', () => {
  for (const text of [null, '', 'x', ';undecodable=1', 'x;undecodable=-1', 'x;undecodable=1e9', 'x;other=1'])
    assert.deepEqual(omissionsIn(text), [], String(text))
})

test('people read a sentence', () => {
  assert.deepEqual(both.map(omissionText), [
    "Not shown of dead-letters: 2 records that another program wrote and that can't be decoded.",
    "Not shown of ops.health: 1 record that another program wrote and that can't be decoded, and 1200 older records that were not read.",
  ])
})

test('a record counts once, and so does what several answers of another process omit', async () => {
  const omissions = new Omissions()
  const at = { topic: 'dead-letters', partition: 1 }
  await collectingOmissions(omissions, async () => {
    await null
    for (const offset of [3, 3, 4]) omissionsNow()?.undecodable({ ...at, offset })
    for (const count of [5, 7, 6]) omissionsNow()?.unread(at, count)
  })
  omissions.reported([{ topic: 'ops.health', undecodable: 2, unread: 0 }])
  omissions.reported([{ topic: 'ops.health', undecodable: 1, unread: 3 }])
  assert.deepEqual(omissions.list(), [
    { topic: 'dead-letters', undecodable: 2, unread: 7 },
    { topic: 'ops.health', undecodable: 2, unread: 3 },
  ])
  assert.equal(omissionsNow(), undefined)
})
