import assert from 'node:assert/strict'
import { test } from 'node:test'
import { homeOf } from '../../runtime/log/home.ts'
import { startTestFleet } from '../support/fleet.ts'

test('plain JSON that names a task and can not be one is answered with a rejection, wherever it lies', async () => {
  await using fleet = await startTestFleet()
  const { log } = fleet.process
  const publish = (partition: number, task: unknown) =>
    log.publish([
      {
        topic: 'tasks.submitted',
        partition,
        key: null,
        value: Buffer.from(JSON.stringify(task)),
        headers: {},
      },
    ])
  const home = homeOf('wrong-1', log.partitions)
  await publish((home + 1) % log.partitions, { taskId: 'wrong-1', text: 5 })
  await publish(home, { taskId: 'wrong-1', text: 'the first answer stands' })
  const result = await fleet.client.result('wrong-1', { timeoutMs: 120_000 })
  // Either may come first; both name the same task, so there is one result.
  assert.ok(['rejected', 'succeeded'].includes(result.status))
  await publish(homeOf('wrong-2', log.partitions), { taskId: 'wrong-2', text: 'hi', maxSteps: 'many' })
  const second = await fleet.client.result('wrong-2', { timeoutMs: 120_000 })
  assert.equal(second.status, 'rejected')
  assert.equal(second.error?.code, 'TASK_INVALID')
  assert.match(second.error?.message ?? '', /maxSteps/)
  const letters = await log.ranges(['dead-letters'])
  assert.equal(
    letters.reduce((sum, { next }) => sum + next, 0),
    0,
  )
})
