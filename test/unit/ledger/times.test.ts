import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sinceOf, timeOf } from '../../../runtime/ledger/times.ts'

test('a day is UTC, a time has its zone, and since may be how long ago', () => {
  assert.equal(timeOf('from', '2026-11-01'), Date.UTC(2026, 10, 1))
  assert.equal(timeOf('from', '2026-11-01T08:00Z'), Date.UTC(2026, 10, 1, 8))
  assert.equal(timeOf('from', '2026-11-01T08:00:30.5+02:00'), Date.UTC(2026, 10, 1, 6, 0, 30, 500))
  assert.equal(timeOf('from', '1793491200000'), 1_793_491_200_000)
  assert.equal(sinceOf('90m', 10_000_000), 4_600_000)
})

test('what another machine would read as another time is refused, and so is what is none', () => {
  for (const wrong of ['2026-11-01T08:00', '2026-11-01 08:00', '1', '11/01/2026', 'May', '2026-13-01', ''])
    assert.throws(
      () => timeOf('from', wrong),
      { code: 'REQUEST_INVALID', message: /^from must be a day/ },
      wrong,
    )
  assert.throws(() => sinceOf('yesterday'), /or how long ago: 30m, 2h, 1d, not "yesterday"$/)
})
