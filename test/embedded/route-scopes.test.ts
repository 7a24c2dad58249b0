// The table of routes and scopes is that of the routes that there are, and the page of it says the same.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { consoleAssets, consolePages } from '../../api/console.ts'
import { routeScopes } from '../../api/route-scopes.ts'
import { openApi } from '../../api/openapi.ts'
import { allRoutes } from '../../api/routes.ts'
import { routeName } from '../../api/route.ts'
import { allScopes, roleNames, roles, scopes } from '../../api/scopes.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import { createSchemaChecks } from '../../runtime/foreign-schema/checks.ts'
import { createHttpServer } from '../../runtime/host/http/server.ts'
import { quietInstruments } from '../../runtime/telemetry/instruments.ts'
import { registerRoutes } from '../../services/gateway/routes/tasks.ts'
import { startTestFleet } from '../support/fleet.ts'

const ADMIN = 'x'.repeat(40)

test('every route that a gateway registers has its scope and its description, and there are no others', async () => {
  await using fleet = await startTestFleet()
  const { log, codec, stores } = fleet.process
  const environment = readEnvironment({ FLOTILLA_ADMIN_KEY: ADMIN })
  const schemas = createSchemaChecks()
  const app = createHttpServer({
    service: 'gateway',
    readiness: () => Promise.resolve({ ready: true, parts: [] }),
    health: () => ({ status: 'ok', unhandledRejections: 0 }),
    metrics: () => Promise.resolve(''),
    hosts: { host: '127.0.0.1', allowed: [] },
  })
  const found = new Set(['GET /health', 'GET /ready', 'GET /metrics'])
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) if (each !== 'HEAD') found.add(`${each} ${url}`)
  })
  const context = {
    ...stores,
    log,
    codec,
    services: ['gateway'],
    environment,
    schemas,
    fleet: completeFleet({}, environment, 'test'),
  }
  await registerRoutes(app, { ...context, instruments: quietInstruments, logger: quietInstruments.log })
  // A route that appears without a line is refused while the API is closed.
  app.get('/v1/forgotten', () => 'secret')
  await app.ready()
  found.delete('GET /v1/forgotten')
  assert.deepEqual([...found].sort(), Object.keys(routeScopes).sort())
  // Pages for people are no part of the API.
  for (const path of [...consolePages, consoleAssets]) found.delete(`GET ${path}`)
  assert.deepEqual([...found].sort(), allRoutes.map(routeName).sort())
  const headers = { authorization: `Bearer ${ADMIN}`, host: 'localhost' }
  const forgotten = await app.inject({ url: '/v1/forgotten', headers })
  assert.deepEqual([forgotten.statusCode, forgotten.body.includes('secret')], [500, false])
  await app.close()
  await schemas.close()
})

test('the description says which scope each route needs, and what it answers without it', () => {
  const { paths } = openApi()
  for (const { method, path } of allRoutes) {
    const {
      description = '',
      responses,
      security,
    } = paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()] ?? assert.fail(path)
    const scope = routeScopes[`${method} ${path}`] ?? assert.fail(path)
    const wanted = scope === 'open' ? [] : [{}, { bearer: scope === 'any' ? [] : [scope] }]
    assert.deepEqual(security, wanted, path)
    assert.equal(description.includes(`\`${scope}\``), scope !== 'open', path)
    for (const [status, code] of [
      ['401', 'UNAUTHENTICATED'],
      ['403', 'FORBIDDEN'],
      ['429', 'TOO_MANY_ATTEMPTS'],
    ] as const)
      assert.equal(
        JSON.stringify(responses[status] ?? '').includes(code),
        // What an issuer refuses is refused there too, and not for long.
        scope !== 'open' || (path === '/v1/sign-in' && method === 'POST' && status !== '403'),
        `${path} ${status}`,
      )
  }
})

test('every scope opens a route, and is in the pages with the roles that have it', () => {
  const used = new Set(Object.values(routeScopes))
  assert.deepEqual(
    allScopes.filter((scope) => !used.has(scope)),
    [],
  )
  const page = readFileSync(join(import.meta.dirname, '../../docs/http-access.md'), 'utf8')
  for (const scope of Object.keys(scopes))
    assert.match(page, new RegExp(`^\\| \`${scope}\`\\s+\\| \\w`, 'm'), scope)
  const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ')
  for (const role of roleNames) {
    const listed = role === 'admin' ? 'all' : code(roles[role])
    assert.match(page, new RegExp(`^\\| \`${role}\`\\s+\\| ${listed}\\s+\\|$`, 'm'), role)
  }
})
