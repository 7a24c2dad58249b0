// A fleet that takes the tokens of a local OpenID provider.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import { startTestFleet } from '../support/fleet.ts'
import { soon, startIssuer } from '../support/issuer.ts'

test('a token submits as its user, sees its own, and ends its streams', { timeout: 60_000 }, async () => {
  const issuer = await startIssuer()
  const jwt = { issuer: issuer.url, audience: 'flotilla', clockToleranceMs: 0 }
  await using fleet = await startTestFleet({ http: true, definition: { gateway: { jwt } } })
  const url = fleet.process.url ?? ''
  const statusOf = async (headers: Record<string, string>, path = '/v1/tasks') =>
    (await fetch(url + path, { headers })).status
  assert.equal(await statusOf({}), 401, 'no key, but an issuer: closed')
  const token = await issuer.sign({ scope: 'openid user' })
  const ann = new HttpClient(url, { apiKey: token })
  const { taskId } = await ann.submit({ text: 'task=token', userId: 'bob' })
  assert.equal((await ann.result(taskId)).userId, 'ann')
  const bob = { authorization: `Bearer ${await issuer.sign({ sub: 'bob', scope: 'user' })}` }
  assert.equal(await statusOf(bob, `/v1/tasks/${taskId}/result`), 404)
  assert.equal(await statusOf(bob, '/v1/topics'), 403)
  assert.equal(await statusOf({ authorization: `Bearer ${await issuer.sign({ aud: 'x' })}` }), 401)
  const brief = { authorization: `Bearer ${await issuer.sign({ scope: 'user', exp: soon(4) })}` }
  const stream = await fetch(`${url}/v1/results`, { headers: brief })
  assert.equal(stream.status, 200)
  const read = (async () => {
    for await (const _ of stream.body ?? []);
  })()
  await assert.rejects(read, 'the stream is cut when its token ends')
  assert.equal(await statusOf(brief), 401)
})
