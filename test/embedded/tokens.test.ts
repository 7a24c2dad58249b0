// A fleet that takes the tokens of a local OpenID provider.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { discoverOAuthProtectedResourceMetadata } from '@modelcontextprotocol/client'
import { HttpClient } from '../../client/http/client.ts'
import type { GatewayDefinition } from '../../runtime/config/gateway.ts'
import { startTestFleet } from '../support/fleet.ts'
import { soon, startIssuer } from '../support/issuer.ts'

test('a token submits as its user, sees its own, and ends its streams', { timeout: 240_000 }, async () => {
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

test(
  'a client without a token learns where to get one, for the resource that it asked',
  { timeout: 240_000 },
  async () => {
    const issuer = await startIssuer()
    const jwt = { issuer: issuer.url, audience: 'flotilla', scopes: { staff: ['user'] } }
    await using fleet = await startTestFleet({ http: true, definition: { gateway: { jwt } } })
    const url = fleet.process.url ?? ''
    const wellKnown = `${url}/.well-known/oauth-protected-resource`
    const challengeOf = async (path: string, init: RequestInit = {}) =>
      (await fetch(url + path, init)).headers.get('www-authenticate')
    const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
    assert.equal(await challengeOf('/v1/tasks'), `Bearer realm="flotilla", resource_metadata="${wellKnown}"`)
    assert.equal(
      await challengeOf('/mcp', post),
      `Bearer realm="flotilla", resource_metadata="${wellKnown}/mcp"`,
    )
    const weak = { authorization: `Bearer ${await issuer.sign({ scope: 'staff' })}` }
    assert.match(
      (await challengeOf('/v1/keys', { headers: weak })) ?? '',
      /insufficient_scope", scope="keys:write", resource_metadata=/,
    )
    for (const [path, resource] of [
      ['', url],
      ['/mcp', `${url}/mcp`],
    ]) {
      const answer = await fetch(wellKnown + path)
      assert.deepEqual(await answer.json(), {
        ...{ resource, authorization_servers: [issuer.url], bearer_methods_supported: ['header'] },
        ...{ resource_name: 'Flotilla', scopes_supported: ['staff'] },
      })
      assert.equal(answer.headers.get('cache-control'), 'no-store')
    }
    // As the MCP package's own client finds it.
    const found = await discoverOAuthProtectedResourceMetadata(new URL(`${url}/mcp`))
    assert.equal(found.resource, `${url}/mcp`)
  },
)

test('the address that the configuration names is what tokens are for; without a provider there is none', async () => {
  const issuer = await startIssuer()
  const jwt = { issuer: issuer.url, audience: 'flotilla', everyToken: ['user'] }
  const metadataOf = async (gateway: GatewayDefinition) => {
    await using fleet = await startTestFleet({ http: true, definition: { gateway } })
    const answer = await fetch(`${fleet.process.url}/.well-known/oauth-protected-resource/mcp`)
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const named = await metadataOf({ jwt, url: 'https://fleet.example.org/' })
  const { resource, scopes_supported: scopes } = named.body
  assert.deepEqual([resource, scopes], ['https://fleet.example.org/mcp', undefined])
  assert.equal((await metadataOf({})).status, 404)
})
