// A record of the history says that another owner of the lane had begun what it reports, and no other record does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision, Emit, Stage } from '../../../../runtime/stage.ts'
import type { TaskProgressed } from '../../../../schemas/generated/events.ts'
import { headers as names } from '../../../../schemas/topics.ts'
import { feedback, startWorld, type World } from './world.ts'

const progress = (taskId: string, kind: TaskProgressed['kind']): Emit => ({
  topic: 'tasks.history',
  type: 'TaskProgressed',
  data: { taskId, stage: 'planner', kind, step: 1, atMs: 1, detail: null },
})

/** The text of an event says what it does: call a model, keep a row, or neither. */
const stage: Stage = {
  name: 'planner',
  version: 1,
  consumes: [{ topic: 'tasks.control' }],
  decide: (event): Decision => {
    if (event.type !== 'FeedbackGiven') return {}
    const emit = [progress(event.data.taskId, 'step_completed')]
    if (event.data.comment === 'keep') return { rows: { kept: true }, emit }
    if (event.data.comment !== 'call') return { emit }
    return { emit, call: { kind: 'model', target: 'm', request: {}, timeoutMs: 1_000, idempotent: true } }
  },
  conclude: (event): Decision => ({ emit: [progress(event.key, 'model_called')] }),
}

const hasHistory = ({ records }: World['commits'][number]): boolean =>
  records.some(({ topic }) => topic === 'tasks.history')

/** The epoch in the headers of each record, commit by commit. */
const epochsOf = ({ commits }: World) =>
  commits
    .filter(hasHistory)
    .map(({ records }) => records.map(({ headers }) => headers[names.resumedEpoch] ?? null))

/** A world whose lane is dropped, and opened again, at the commit with this number. */
async function startDropping(at: number) {
  let seen = 0
  const callers = { model: () => Promise.resolve('answer') }
  return startWorld({
    stage,
    callers,
    refuses: (commit) => (hasHistory(commit) && ++seen === at ? 'position' : null),
  })
}

test('a call that a former owner made: what is concluded from it says so, what was decided before it does not', async () => {
  const world = await startDropping(1)
  await world.publish(feedback('t', 'call'))
  const [refused, taken] = epochsOf(world)
  assert.deepEqual(refused, [null, null])
  assert.deepEqual(taken?.[0], null)
  assert.match(taken[1] ?? '', /^\d+$/)
  const before = epochsOf(world).length
  await world.publish(feedback('other', 'call'))
  assert.deepEqual(epochsOf(world).slice(before), [[null, null]])
})

test('rows of a former owner: the first word about their key says so, once', async () => {
  const world = await startDropping(2)
  await world.publish(feedback('t', 'keep'))
  await world.publish(feedback('other'))
  const before = epochsOf(world).length
  await world.publish(feedback('t'))
  await world.publish(feedback('t'))
  await world.publish(feedback('new'))
  const [first, ...later] = epochsOf(world).slice(before)
  assert.match(first?.[0] ?? '', /^\d+$/)
  assert.deepEqual(later, [[null], [null]])
})
