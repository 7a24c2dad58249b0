// A fleet whose HTTP API is open, until it has its first key.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { httpOperator } from '../../operator/http.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet } from '../support/fleet.ts'

test('on loopback the API is open until the first key; then it is closed, and does not open again', async () => {
  await using open = await startTestFleet({ http: true })
  const status = async (key?: string) => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
    return (await fetch(`${open.process.url}/v1/tasks`, { headers })).status
  }
  assert.equal(await status(), 200)
  assert.equal(await status('sk-what-an-SDK-sends-anyway'), 200)
  const stream = await fetch(`${open.process.url}/v1/events`)
  const cut = assert.rejects(async () => {
    for await (const _ of stream.body ?? []);
  }, 'a stream that began while it was open')
  const { keys } = httpOperator(open.process.url ?? '')
  const reader = { name: 'a', userId: 'a', scopes: ['tasks:read' as const] }
  await assert.rejects(keys.create(reader), {
    code: 'REQUEST_INVALID',
    message: /could make no others.*flotilla keys create admin --role admin/,
  })
  const maker = { name: 'm', scopes: ['keys:write' as const, 'tasks:submit' as const] }
  for (const bound of [{ userId: 'a' }, { agents: ['a'] }, { expiresAtMs: Date.now() + 86_400_000 }])
    await assert.rejects(
      keys.create({ ...maker, ...bound }),
      { code: 'REQUEST_INVALID', message: /not for every user and agent, or only until it expires/ },
      JSON.stringify(bound),
    )
  assert.equal(await status(), 200, 'a refused key closes nothing')
  const first = await keys.create({ name: 'admin', scopes: ['keys:write', 'tasks:read', 'tasks:read:all'] })
  await eventually('it is closed', async () => (await status()) === 401)
  assert.equal(await status(first.key), 200)
  await cut
  await open.process.stores.sql.updateTable('api_keys').set({ revoked_at_ms: 1 }).execute()
  await eventually('the last key is over', async () => (await status(first.key)) === 401)
  assert.equal(await status(), 401)
})
