import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { FlotillaError } from '../../../runtime/errors.ts'
import { KnownTasks, refuseUnknown } from '../../../services/gateway/known-tasks.ts'

test('routes below a task look for it once: those that find out themselves are left alone', async () => {
  const asked: string[] = []
  const known = new KnownTasks({
    assertKnown: async (taskId) => {
      asked.push(taskId)
      if (taskId === 'nobodys') throw new FlotillaError('TASK_UNKNOWN', 'none')
    },
  })
  const app = Fastify()
  refuseUnknown(app, known)
  for (const below of ['cancel', 'updates', 'events', 'result'])
    app.get(`/v1/tasks/:id/${below}`, () => 'answered')
  const status = async (path: string) => (await app.inject(`/v1/tasks/${path}`)).statusCode
  assert.deepEqual(
    [await status('nobodys/events'), await status('nobodys/result'), asked],
    [200, 200, []],
    'they ask for more than whether there is one',
  )
  assert.equal(await status('nobodys/cancel'), 500)
  assert.deepEqual([await status('a/updates'), await status('a/cancel')], [200, 200])
  assert.deepEqual(asked, ['nobodys', 'a'])
  await app.close()
})
