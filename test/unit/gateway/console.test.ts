// Files of the console as the gateway sends them: built into a cache of their own, asked over HTTP.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createHttpServer } from '../../../runtime/host/http/server.ts'
import type { Log } from '../../../runtime/telemetry/instruments.ts'
import { consoleRoutes } from '../../../services/gateway/console/routes.ts'

const cache = mkdtempSync(join(tmpdir(), 'flotilla-console-test-'))
const app = createHttpServer({
  service: 'test',
  readiness: () => Promise.resolve({ ready: true, parts: [] }),
  health: () => ({ status: 'ok', unhandledRejections: 0 }),
  metrics: () => Promise.resolve(''),
  hosts: { host: '127.0.0.1', allowed: [] },
})
const get = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  app.inject({ method: 'GET', url, headers: { host: '127.0.0.1', ...headers } })

let script = ''
before(async () => {
  const logger = { info: () => {} } as unknown as Log
  consoleRoutes(app, { environment: { raw: { FLOTILLA_CACHE: cache } }, logger })
  const { payload } = await get('/')
  script = /\/assets\/main[^"]*\.js/.exec(payload)?.[0] ?? ''
})
after(async () => {
  await app.close()
  rmSync(cache, { recursive: true })
})

test('a file is compressed as the client accepts, and not as it refuses', async () => {
  for (const [accepted, sent] of [
    ['br, gzip', 'br'],
    ['br;q=0, gzip', 'gzip'],
    ['BR;Q=0.000 , GZIP ; q=0.5', 'gzip'],
    ['br;q=0.001', 'br'],
    ['gzip;q=0, br; q=0', undefined],
    ['identity', undefined],
  ] as const)
    assert.equal(
      (await get(script, { 'accept-encoding': accepted })).headers['content-encoding'],
      sent,
      accepted,
    )
})

test('errors have the headers of the page too, and are not kept; a browser may not guess the type of any answer', async () => {
  const { statusCode, headers } = await get('/assets/%2e%2e%2fpackage.json')
  assert.equal(statusCode, 404)
  assert.match(String(headers['content-type']), /^application\/json/)
  assert.match(String(headers['content-security-policy']), /default-src 'none'/)
  assert.equal(headers['cache-control'], 'no-store')
  for (const path of ['/', script, '/assets/none.js', '/health', '/elsewhere'])
    assert.equal((await get(path)).headers['x-content-type-options'], 'nosniff', path)
  assert.match(String((await get(script)).headers['cache-control']), /immutable/)
})
