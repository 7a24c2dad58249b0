// The fleet's time as the console knows it (console/src/clock.ts).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fleetMs, now, takeTime } from '../../../console/src/clock.ts'

const HOUR_MS = 3_600_000
const sentAt = (ms: number): string => new Date(ms).toUTCString()
const offMs = (): number => Math.round((Date.now() - fleetMs()) / 60_000) * 60_000

test('a clock that is wrong by more than answers take is put right by them, and only then', () => {
  for (const date of [null, 'yesterday', sentAt(Date.now() - 3_000)]) takeTime(date)
  assert.ok(Math.abs(Date.now() - fleetMs()) < 10_000)
  takeTime(sentAt(Date.now() - HOUR_MS))
  assert.equal(offMs(), HOUR_MS)
  assert.ok(Math.abs(now.value - fleetMs()) < 10_000, 'what is drawn follows at once')
  // The viewer has set the clock.
  takeTime(sentAt(Date.now()))
  assert.equal(offMs(), 0)
})
