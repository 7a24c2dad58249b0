// Decisions, joined: runtime/decisions.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeRows, merge } from '../../runtime/decisions.ts'
import { MissingRow } from '../../runtime/errors/missing-row.ts'
import type { Decision, Emit } from '../../runtime/stage.ts'

const ended = (task: string): Emit => ({
  topic: 'sessions.turns',
  type: 'TurnQueried',
  data: { taskId: task, sessionId: 's', userId: null, agent: 'default' },
})

test('events in their order, and of one name the last', () => {
  const first: Decision = { rows: { a: 1, b: 1 }, emit: [ended('1')], timers: { t: 1 }, lane: { l: 1 } }
  const second: Decision = { rows: { b: null }, emit: [ended('2')], timers: { t: null }, lane: { m: 1 } }
  const merged = merge(first, {}, second)
  assert.deepEqual(
    { ...merged, lane: { ...merged.lane } },
    {
      rows: { a: 1, b: null },
      emit: [ended('1'), ended('2')],
      timers: { t: null },
      lane: { l: 1, m: 1 },
    },
  )
})

test('what clears a key drops rows and timers from before, and no events', () => {
  const before: Decision = { rows: { a: 1 }, emit: [ended('1')], timers: { t: 1 }, lane: { l: 1 } }
  assert.deepEqual(merge(before, { clear: true }), { clear: true, emit: [ended('1')], lane: { l: 1 } })
  assert.deepEqual(merge({ clear: true }, { rows: { a: 1 } }), { clear: true, rows: { a: 1 } })
})

test('one decision is itself, and none is empty', () => {
  const one: Decision = { rows: { a: 1 }, call: { kind: 'model', id: 'x' } as never }
  assert.deepEqual(merge(one), one)
  assert.deepEqual(merge(), {})
})

test('the decisions that are joined stay as they were', () => {
  const first: Decision = { rows: { a: 1 }, emit: [ended('1')], timers: { t: 1 } }
  const second: Decision = { rows: { b: 2 }, emit: [ended('2')], timers: { u: 2 } }
  merge(first, second, { rows: { c: 3 }, emit: [ended('3')] })
  assert.deepEqual(first, { rows: { a: 1 }, emit: [ended('1')], timers: { t: 1 } })
  assert.deepEqual(second, { rows: { b: 2 }, emit: [ended('2')], timers: { u: 2 } })
})

test('a row that the store has lost can be written, its own or one that is inherited, and no other is read', () => {
  const inherited: Record<string, unknown> = {}
  new MissingRow('1').standIn(inherited, 'cold')
  const rows = Object.create(inherited) as Record<string, unknown>
  for (const name of ['a', 'b', 'unread']) new MissingRow('2').standIn(rows, name)
  const changed = changeRows(rows, { a: 1, b: null, cold: 3 })
  assert.equal(changed['a'], 1)
  assert.equal('b' in changed, false)
  assert.equal(changed['cold'], 3)
  assert.throws(() => changed['unread'], { code: 'PAYLOAD_MISSING' })
})
