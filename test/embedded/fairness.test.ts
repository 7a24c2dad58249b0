// One user's thousands and another's one task, on a whole fleet: counted in tasks, because a count is the same on every
// machine. How long it takes is measured by bench/fairness.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toSubmission } from '../../client/submission.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const TASKS = 5_000
const IN_FLIGHT = 4
const HOUR_MS = 3_600_000
/** Only the queue limits a task. */
const limits = {
  budgets: { fleetTokens: null, userTokens: null, modelTokens: null },
  rates: { userRequests: null, userTokens: null },
  queue: { inFlight: IN_FLIGHT },
}

async function burst({ process: { log, codec } }: TestFleet): Promise<void> {
  const records = Array.from({ length: TASKS }, (_, index) => {
    const taskId = `heavy-${index}`
    const task = toSubmission({ text: taskId, userId: 'heavy', timeoutMs: HOUR_MS }, taskId)
    const value = codec.encode('TaskSubmitted', task, 'tasks.submitted')
    const partition = homeOf(taskId, log.partitions)
    return { topic: 'tasks.submitted' as const, partition, key: taskId, value, headers: {} }
  })
  await log.publish(records)
}

/** What router told of this task's lane, oldest first: `queued heavy-1`. */
async function routerHistory({ process: { log, codec } }: TestFleet, taskId: string): Promise<string[]> {
  const records = await log.read('tasks.history', homeOf(taskId, log.partitions), 0, 50_000)
  const events = await Promise.all(
    records.map(async ({ value }) => codec.decode(value ?? new Uint8Array(), 'tasks.history')),
  )
  return events.flatMap(({ type, data }) =>
    type === 'TaskProgressed' && data.stage === 'router' ? [`${data.kind} ${data.taskId}`] : [],
  )
}

test(`${TASKS} queued tasks of one user delay another user's one task by a turn, and a priority by less`, async () => {
  const definition = { agents: { default: { mode: 'tools' as const } }, limits }
  const model = { latencyMs: 20, script: () => ({ text: 'done', toolCalls: [] }) }
  await using fleet = await startTestFleet({ definition, model })
  await burst(fleet)
  const single = async (taskId: string, priority: number) => {
    await fleet.client.submit({ text: 'one', taskId, userId: 'late', priority, timeoutMs: HOUR_MS })
    const { status } = await fleet.client.result(taskId, { timeoutMs: 120_000 })
    assert.equal(status, 'succeeded')
    const history = await routerHistory(fleet, taskId)
    const queuedAt = history.indexOf(`queued ${taskId}`)
    assert.ok(queuedAt >= 0, 'the window was full, so it had to wait')
    const meanwhile = history.slice(queuedAt, history.indexOf(`admitted ${taskId}`))
    const waitingThen = history.filter((entry) => entry.startsWith('queued heavy')).length
    assert.ok(waitingThen > 500, `only ${waitingThen} of the others had to wait: too few to show anything`)
    return meanwhile.filter((entry) => entry.startsWith('admitted heavy')).length
  }
  assert.ok((await single('late', 0)) <= 1, 'one task of the other user, at most, is admitted first')
  assert.equal(await single('urgent', 9), 0)
})
