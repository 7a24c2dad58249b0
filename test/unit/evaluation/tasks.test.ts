import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskResult } from '../../../client/types.ts'
import { askFleet } from '../../../evaluation/tasks.ts'

const NOW = 1_800_000_000_000
const MINUTE = 60_000

/** A fleet that has these results, in the order of the attempts. */
function ask(results: readonly Partial<TaskResult>[]): {
  readonly submitted: string[]
  readonly result: Promise<TaskResult>
} {
  const submitted: string[] = []
  const client = {
    find: () => Promise.resolve(null),
    result: (taskId: string) =>
      Promise.resolve({ taskId, error: null, ...results[Number(taskId) - 1] } as TaskResult),
  }
  const asking = { client, signal: new AbortController().signal, sinceMs: NOW, isOld: false }
  const submit = (taskId: string) => Promise.resolve(submitted.push(taskId))
  return { submitted, result: askFleet(asking, { submit, idOf: String }) }
}

const timedOut = (submittedAtMs: number, completedAtMs: number): Partial<TaskResult> => ({
  status: 'timed_out',
  submittedAtMs,
  completedAtMs,
})
const answered: Partial<TaskResult> = { status: 'succeeded', submittedAtMs: NOW, completedAtMs: NOW + 1 }

test('a task whose time ran out while the run was interrupted is asked again', async () => {
  // Nothing ran meanwhile: the fleet that carries it on now finds its time over at once.
  for (const completedAtMs of [NOW - 1, NOW + 1_000]) {
    const { submitted, result } = ask([timedOut(NOW - MINUTE, completedAtMs), answered])
    assert.equal((await result).status, 'succeeded')
    assert.deepEqual(submitted, ['1', '2'])
  }
})

test('a task that timed out while the run waited for it is an answer, also by a clock that is a little behind', async () => {
  for (const submittedAtMs of [NOW + 10, NOW - 2_000]) {
    const { submitted, result } = ask([timedOut(submittedAtMs, NOW + MINUTE), answered])
    assert.equal((await result).status, 'timed_out')
    assert.deepEqual(submitted, ['1'])
  }
})
