import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cancels } from '../../../services/router/cancels.ts'
import { MAX_CANCELS } from '../../../services/router/constants.ts'

function keep(cancels: Cancels, taskId: string, atMs: number, reason: string | null = null): void {
  for (const [row, value] of Object.entries(cancels.keep(taskId, { reason, atMs }))) cancels.write(row, value)
}

test('a lane keeps so many early cancels and no more: the oldest go, whatever order they were restored in', () => {
  const cancels = new Cancels()
  for (let n = MAX_CANCELS; n > 0; n--) keep(cancels, `t-${n}`, n)
  assert.equal(cancels.size, MAX_CANCELS)
  for (let n = 1; n <= 3; n++) keep(cancels, `late-${n}`, MAX_CANCELS + n)
  assert.equal(cancels.size, MAX_CANCELS)
  const kept = ['t-1', 't-2', 't-3', 't-4', 'late-1', 'late-3'].map((id) => cancels.of(id) !== undefined)
  assert.deepEqual(kept, [false, false, false, true, true, true])
})

test('cancels that end make room, and are never taken for the oldest again', () => {
  const cancels = new Cancels()
  for (let round = 0; round < 3; round++)
    for (let n = 0; n < MAX_CANCELS; n++) {
      keep(cancels, `r${round}-${n}`, round * MAX_CANCELS + n)
      if (round < 2) for (const row of Object.keys(cancels.drop(`r${round}-${n}`))) cancels.write(row, null)
    }
  assert.equal(cancels.size, MAX_CANCELS)
  assert.notEqual(cancels.of('r2-0'), undefined)
})

test('the first cancel of a task stays, with the beginning of its reason; other rows are not its own', () => {
  const cancels = new Cancels()
  keep(cancels, 't1', 1, 'x'.repeat(10_000))
  keep(cancels, 't1', 2, 'again')
  assert.deepEqual(cancels.of('t1'), { taskId: 't1', reason: 'x'.repeat(500), atMs: 1 })
  assert.equal(cancels.write('task:t1', { at: 'work' }), false)
})
