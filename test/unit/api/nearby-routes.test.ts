import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearbyRoutes } from '../../../api/nearby-routes.ts'

const docs = 'GET /docs describes every route'

for (const [url, said] of [
  [
    '/v1/tasks/t/results?wait=3',
    /^there are GET \/v1\/tasks\/:id, .*GET \/v1\/tasks\/:id\/result, .*; GET \/docs/,
  ],
  ['/v1/usage/exports', /^there are GET \/v1\/usage, GET \/v1\/usage\/export; GET \/docs/],
  ['/v1/keys/3/revoke', new RegExp(`^there are DELETE /v1/keys/:id; ${docs}$`)],
  ['/v1/nope', new RegExp(`^${docs}$`)],
  ['/', new RegExp(`^${docs}$`)],
  ['/elsewhere/v1/tasks', new RegExp(`^${docs}$`)],
] as const)
  test(`no route ${url}: ${said.source}`, () => assert.match(nearbyRoutes(url), said))

test('the line is short, whatever was asked for', () => {
  for (const url of ['/v1', '/v1/tasks', '/v1/tasks/t/x', '/v1/fleet/x', '/v1/dead-letters/x/y', '/mcp/x'])
    assert.ok(nearbyRoutes(url).length < 900, nearbyRoutes(url))
})
