import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskOrigin } from '../../../../operator/direct/tasks/tasks.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { Owners } from '../../../../services/gateway/access/owners.ts'
import type { Principal } from '../../../../services/gateway/access/principal.ts'

const ana: Principal = {
  ...{ name: 'key', credential: 'key key (0)', madeBy: [] },
  ...{ userId: 'ana', scopes: new Set(['tasks:read']), agents: null },
}
const auditor: Principal = { ...ana, scopes: new Set(['tasks:read:all']) }
const origin = (userId: string | null): TaskOrigin => ({
  userId,
  agent: null,
  submittedAtMs: 1,
  endedAtMs: null,
})
const origins: Record<string, TaskOrigin> = {
  'a-1': origin('ana'),
  'b-1': origin('ben'),
  'n-1': origin(null),
}

async function find(taskId: string): Promise<TaskOrigin> {
  const found = origins[taskId]
  if (!found) throw new FlotillaError('TASK_UNKNOWN', 'none')
  return found
}

test('whose a task is: asked once, and again after a failure', async () => {
  const asked: string[] = []
  const fails = [new FlotillaError('STORE_UNAVAILABLE', 'away')]
  const owners = new Owners({
    origin: async (taskId) => {
      asked.push(taskId)
      const failure = fails.pop()
      if (failure) throw failure
      return find(taskId)
    },
  })
  await assert.rejects(owners.of('a-1'), { code: 'STORE_UNAVAILABLE' })
  assert.equal((await owners.of('a-1')).userId, 'ana')
  await owners.of('a-1')
  assert.deepEqual(asked, ['a-1', 'a-1'])
  await assert.rejects(owners.of('later'), { code: 'TASK_UNKNOWN' })
  origins['later'] = origin('ana')
  assert.equal((await owners.of('later')).userId, 'ana')
  owners.keep('made-here', { userId: 'ana', agent: 'clerk' })
  assert.equal((await owners.of('made-here')).agent, 'clerk')
  assert.equal(asked.includes('made-here'), false)
})

test('the task of another user does not exist, and its id is taken', async () => {
  const owners = new Owners({ origin: find })
  for (const taskId of ['b-1', 'n-1']) {
    await assert.rejects(owners.assertReadable(ana, taskId), { code: 'TASK_UNKNOWN' })
    await assert.rejects(owners.assertOwnId(ana, taskId), { code: 'TASK_ID_REUSED' })
    await owners.assertReadable(auditor, taskId)
    await owners.assertOwnId(auditor, taskId)
  }
  await owners.assertReadable(ana, 'a-1')
  await owners.assertOwnId(ana, 'a-1')
})
