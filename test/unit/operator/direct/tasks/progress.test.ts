// What the newest events of a task say of it, read from the end of its lane.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { phaseOf } from '../../../../../operator/direct/tasks/phase.ts'
import { progressOf } from '../../../../../operator/direct/tasks/progress.ts'
import type { TaskProgressed } from '../../../../../schemas/generated/events.ts'
import { writtenLog } from '../../../../support/written-log.ts'

type Told = readonly [kind: TaskProgressed['kind'], detail?: TaskProgressed['detail']]

/** The phase of a task with this history, as a list shows it and as its own page does. */
async function phases(t: TestContext, told: readonly Told[]) {
  const { log, codec, put } = await writtenLog(t, 1)
  for (const [index, [kind, detail = null]] of told.entries()) {
    const event = { taskId: 't1', stage: 'planner', kind, step: 1, atMs: index, detail }
    const value = codec.encode('TaskProgressed', event, 'tasks.history')
    await put('tasks.history', 0, 't1', value)
  }
  const wanted = [{ taskId: 't1', lane: 0 }]
  const found = await Promise.all(
    [false, true].map(async (whole) => (await progressOf({ log, codec }, wanted, { whole })).get('t1')),
  )
  return found.map((progress) => {
    const { status, phase } = phaseOf(progress, 0)
    return [status, phase, progress?.events.length]
  })
}

const begun: Told[] = [['admitted', { model: 'm' }], ['model_called']]
const held = (callId: string): Told => ['approval_requested', { callId, tool: 'pay' }]
const decided = (callId: string): Told => ['approval_decided', { callId, final: true }]

test('a call that waits for a person is seen behind what other calls do beside it', async (t) => {
  const [listed, own] = await phases(t, [...begun, held('a'), ['tool_requested'], ['tool_called']])
  assert.deepEqual(listed?.slice(0, 2), ['waiting', 'approval'])
  assert.deepEqual(own?.slice(0, 2), ['waiting', 'approval'])
})

test('of two calls that wait one is decided: the other waits all the same', async (t) => {
  for (const phase of await phases(t, [...begun, held('a'), held('b'), decided('a'), ['tool_called']]))
    assert.deepEqual(phase.slice(0, 2), ['waiting', 'approval'])
  for (const phase of await phases(t, [...begun, held('a'), decided('a')]))
    assert.deepEqual(phase.slice(0, 2), ['running', 'work'])
})

test('decisions behind the end of a task do not hide that it has ended', async (t) => {
  const end: Told = ['completed', { status: 'cancelled', code: 'TASK_CANCELLED' }]
  for (const phase of await phases(t, [...begun, held('a'), held('b'), end, decided('a'), decided('b')]))
    assert.deepEqual(phase.slice(0, 2), ['cancelled', null])
})

test('a list reads no further back than its step', async (t) => {
  const earlier = Array.from({ length: 50 }, (): Told[] => [['model_called'], ['step_completed']]).flat()
  const [listed] = await phases(t, [...begun, ...earlier, ['model_called'], ['tool_requested']])
  assert.deepEqual(listed, ['running', 'work', 2])
})
