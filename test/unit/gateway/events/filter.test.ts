import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Principal } from '../../../../services/gateway/access/principal.ts'
import { feedFilter } from '../../../../services/gateway/events/filter.ts'
import type { Whose } from '../../../../services/gateway/access/owners.ts'

const principal = (
  userId: string | null,
  scopes: Principal['scopes'] = new Set(['tasks:read']),
): Principal => ({
  name: 'key',
  credential: 'key key (0)',
  madeBy: [],
  userId,
  scopes,
  agents: null,
})
const origins: Record<string, Whose> = {
  'a-1': { userId: 'ana', agent: 'clerk' },
  'b-1': { userId: 'ben', agent: 'clerk' },
  'n-1': { userId: null, agent: null },
}
const originOf = async (taskId: string) => origins[taskId] ?? null
const event = (taskId: string) =>
  ({ type: 'step.started', taskId, atMs: 1, stage: 'planner', step: 1 }) as const

async function shown(...[parameters, who]: [Parameters<typeof feedFilter>[0], Principal]): Promise<string[]> {
  const wanted = feedFilter(parameters, who, originOf)
  const tasks = [...Object.keys(origins), 'nobodys']
  const given = await Promise.all(tasks.map(async (taskId) => ((await wanted(event(taskId))) ? taskId : [])))
  return given.flat()
}

test('a key without tasks:read:all sees its user’s tasks, whatever it asks for', async () => {
  const ana = principal('ana')
  assert.deepEqual(await shown({}, ana), ['a-1'])
  assert.deepEqual(await shown({ user: 'ben' }, ana), [])
  assert.deepEqual(await shown({ task: 'b' }, ana), [])
  assert.deepEqual(await shown({ agent: 'clerk' }, ana), ['a-1'])
})

test('with it, and where the API is open, all: filtered by what is asked', async () => {
  for (const who of [principal(null), principal('ana', new Set(['tasks:read:all']))]) {
    assert.equal((await shown({}, who)).length, 4)
    assert.deepEqual(await shown({ user: 'ben' }, who), ['b-1'])
    assert.deepEqual(await shown({ agent: 'clerk' }, who), ['a-1', 'b-1'])
    assert.deepEqual(await shown({ task: 'a-' }, who), ['a-1'])
    assert.deepEqual(await shown({ type: 'result, step.started', task: 'n-' }, who), ['n-1'])
    assert.deepEqual(await shown({ type: 'result' }, who), [])
  }
  assert.throws(() => feedFilter({ type: 'step.startet' }, principal(null), originOf), {
    code: 'REQUEST_INVALID',
    message: /not "step.startet"; there are task.queued/,
  })
})
