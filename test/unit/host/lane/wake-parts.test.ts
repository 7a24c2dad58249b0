// A root wakes its parts: each of them that has rows is handled once, and no part of another root.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision, Stage } from '../../../../runtime/stage.ts'
import { decision } from '../../../support/decisions.ts'
import { cancel, record, startWorld } from './world.ts'

/** Keeps each decision under its call, until its task is cancelled. */
const keeping: Stage = {
  name: 'planner',
  version: 1,
  consumes: [{ topic: 'tasks.control' }],
  keyOf: (event) =>
    event.type === 'ApprovalDecided' ? { root: event.data.taskId, part: event.data.callId } : event.key,
  decide: (event): Decision => {
    if (event.type === 'ApprovalDecided')
      return event.data.approved ? { rows: { kept: true } } : { clear: true }
    if (event.type === 'TaskCancelled') return { rows: { over: true }, wakeParts: 'stop' }
    if (event.type !== 'TimerFired') return {}
    const data = { taskId: event.key, callIds: [], reason: event.data.name, deadlineMs: null }
    return { rows: { kept: null }, emit: [{ topic: 'tools.requested', type: 'WorkCancelled', data }] }
  },
}
const keep = (taskId: string, callId: string, approved = true) =>
  record('tasks.control', 'ApprovalDecided', decision({ taskId, callId, approved }))

test('a root wakes each of its parts that has rows, in the transaction of what it decides', async () => {
  const world = await startWorld({ stage: keeping })
  await world.publish(
    keep('t', 'a'),
    keep('t', 'b'),
    keep('t', 'c'),
    keep('t', 'c', false),
    keep('other', 'a'),
  )
  const before = world.commits.length
  await world.publish(cancel('t'))
  const woken = await world.read('tools.requested')
  assert.deepEqual(woken.map(({ data }) => (data as { taskId: string }).taskId).toSorted(), ['t/a', 't/b'])
  const [first] = world.commits.slice(before)
  const written = first?.rows.map(({ key }) => key.replaceAll('\u0000', ' ')).toSorted()
  assert.deepEqual(written, ['t over', 't/a $timer:stop', 't/b $timer:stop'])
  const left = world.rows().map(({ key, name }) => `${key} ${name}`)
  assert.deepEqual(left.toSorted(), ['other/a kept', 't over'])
})
