// The p95 of a window: services/alerting/windows.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NamedRule } from '../../../runtime/config/alert-rules.ts'
import { reading, type Slot } from '../../../services/alerting/windows.ts'

const rule = { name: 'slow', measure: 'latency_p95_ms', windowMs: 60_000 } as NamedRule
const classOf = (ms: number): string => String(Math.floor(Math.log(ms) / Math.log(1.02)))
const slot = (startMs: number, times: Record<string, number>): Slot => ({
  ...{ startMs, tasks: 10, counted: 0, times },
})

test('the slots of a window are read as one, again after one of them has changed', () => {
  const quick = { [classOf(100)]: 10 }
  const rows = { 'slot:slow:0': slot(0, quick), 'slot:slow:1': slot(2_500, quick) }
  const p95 = (more: object = {}) => reading(rule, { ...rows, ...more }, 10_000).value
  assert.ok(p95() > 97 && p95() <= 100, String(p95()))
  // One in twenty-one is slow, then two in twenty-two.
  assert.ok(p95({ 'slot:slow:2': slot(5_000, { [classOf(9_000)]: 1 }) }) <= 100)
  assert.ok(p95({ 'slot:slow:2': slot(5_000, { [classOf(9_000)]: 2 }) }) > 8_700)
  assert.equal(reading(rule, {}, 10_000).value, 0)
})
