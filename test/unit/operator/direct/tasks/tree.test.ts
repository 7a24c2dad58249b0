// The tree of what a task delegated: what its tasks do now is read once, however many there are.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskDetail, TaskView } from '../../../../../operator/direct/tasks/tasks.ts'
import { taskTree } from '../../../../../operator/direct/tasks/tree.ts'

const view = (taskId: string, more: Partial<TaskView> = {}): TaskView =>
  ({ taskId, userId: 'ana', submittedAtMs: 10, completedAtMs: null, cost: 0, ...more }) as TaskView

test('depth first, with the costs of now, of tasks of the same user alone', async () => {
  const below: Readonly<Record<string, readonly TaskView[]>> = {
    root: [view('late', { submittedAtMs: 30 }), view('labelled', { userId: 'bob' }), view('early')],
    early: [view('deep'), view('before', { submittedAtMs: 5 })],
  }
  let reads = 0
  const { tasks, more } = await taskTree(
    {
      get: async () => ({ ...view('root'), textHash: null, events: [], eventsWhole: true }) as TaskDetail,
      children: async (parent) => ({ tasks: [...(below[parent] ?? [])], next: null }),
      current: async (views) => {
        reads++
        return views.map((each) => ({ ...each, cost: 1 }))
      },
    },
    'root',
  )
  assert.deepEqual(
    tasks.map(({ taskId, depth, totalCost }) => [taskId, depth, totalCost]),
    [
      ['root', 0, 4],
      ['early', 1, 2],
      ['deep', 2, 1],
      ['late', 1, 1],
    ],
  )
  assert.deepEqual([reads, more], [1, false])
})
