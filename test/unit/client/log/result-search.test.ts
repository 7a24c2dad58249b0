import assert from 'node:assert/strict'
import { randomUUIDv7 } from 'node:crypto'
import { test } from 'node:test'
import { namedAtMs, searchWhole } from '../../../../client/log/result-search.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { openMemoryLog } from '../../../../runtime/testing/memory/log/log.ts'

test('an id that the client made says when; any other says nothing', () => {
  const before = Date.now()
  const at = namedAtMs(randomUUIDv7())
  assert.ok(at >= before && at <= Date.now(), String(at))
  for (const id of ['order-17', '', 'a'.repeat(128), '0190163d-8694-439b-aea5-966c26f8ad91'])
    assert.equal(namedAtMs(id), 0)
})

test('a search goes on while only a part was searched, and ends when nobody waits for it', async () => {
  let calls = 0
  const log = {
    ...openMemoryLog(),
    find: () =>
      Promise.reject(new FlotillaError(++calls < 4 ? 'SEARCH_UNFINISHED' : 'LOG_UNAVAILABLE', 'part')),
  }
  await assert.rejects(searchWhole(log, 'x'), { code: 'LOG_UNAVAILABLE' })
  assert.equal(calls, 4)
  calls = 0
  assert.equal(await searchWhole(log, 'x', () => calls === 2), null)
})
