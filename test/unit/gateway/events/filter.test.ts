import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskOrigin } from '../../../../operator/direct/tasks.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { Principal } from '../../../../services/gateway/access/principal.ts'
import { feedFilter } from '../../../../services/gateway/events/filter.ts'
import { Origins } from '../../../../services/gateway/events/origins.ts'

const principal = (
  userId: string | null,
  scopes: Principal['scopes'] = new Set(['tasks:read']),
): Principal => ({
  name: 'key',
  userId,
  scopes,
  agents: null,
})
const origins: Record<string, TaskOrigin> = {
  'a-1': { userId: 'ana', agent: 'clerk', submittedAtMs: 1, endedAtMs: null },
  'b-1': { userId: 'ben', agent: 'clerk', submittedAtMs: 1, endedAtMs: null },
  'n-1': { userId: null, agent: null, submittedAtMs: 1, endedAtMs: null },
}
const originOf = async (taskId: string) => origins[taskId] ?? null
const event = (taskId: string) => ({ type: 'step.started', taskId, atMs: 1, step: 1 }) as const

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

test('whose a task is: asked once, and again after a failure that passes', async () => {
  let asked = 0
  const fails = [new FlotillaError('STORE_UNAVAILABLE', 'away')]
  const kept = new Origins(async (taskId) => {
    asked++
    const failure = fails.pop()
    if (failure) throw failure
    const origin = origins[taskId]
    if (!origin) throw new FlotillaError('TASK_UNKNOWN', 'none')
    return origin
  })
  await assert.rejects(kept.of('a-1'), { code: 'STORE_UNAVAILABLE' })
  assert.equal((await kept.of('a-1'))?.userId, 'ana')
  await kept.of('a-1')
  assert.equal(asked, 2)
  assert.equal(await kept.of('nobodys'), null)
})
