import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlotillaError } from '../../../runtime/errors.ts'
import { retryAfterOf } from '../../../services/planner/model-client-waits.ts'
import { hostedErrors } from './error-bodies-hosted.ts'
import { servedErrors } from './error-bodies-served.ts'
import { callContext, callerFor, json, request, startProvider } from './provider-server.ts'

for (const row of [...hostedErrors, ...servedErrors]) {
  test(`${row.who} (${row.status}) is ${row.gives}`, async (t) => {
    const server = await startProvider(t, (_, response) => json(response, row.status, row.body, row.headers))
    const call = callerFor({ test: { baseUrl: server.url, keyEnv: 'TEST_KEY' } }, { TEST_KEY: 'k' })
    await assert.rejects(call(request({ stream: true }), callContext()), (error: unknown) => {
      assert.ok(error instanceof FlotillaError)
      assert.equal(error.code, row.gives, error.message)
      assert.equal(error.retryAfterMs, row.retryAfterMs)
      assert.match(error.message, new RegExp(`^test answered ${row.status} for model m-1: `))
      assert.ok(error.message.length < 800)
      return true
    })
    assert.equal(server.received.length, 1, 'one request a call')
  })
}

const now = Date.parse('2026-01-01T00:00:00Z')
const waits: [Record<string, string>, number | null][] = [
  [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Wed, 31 Dec 2025 23:59:00 GMT' }, 0],
  [{ 'retry-after': 'soon' }, null],
  [{ 'retry-after': '-5' }, null],
  [{ 'retry-after': '0' }, 0],
  [{ 'x-ratelimit-reset-tokens': '20ms' }, 20],
  [{ 'x-ratelimit-reset-requests': '1h2m3s' }, 3_723_000],
  [{ 'x-ratelimit-reset-requests': '12' }, 12_000],
  [
    {
      'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:10Z',
      'anthropic-ratelimit-requests-remaining': '0',
    },
    10_000,
  ],
  [{ 'x-ratelimit-reset-tokens': 'whenever' }, null],
  [{}, null],
]
for (const [headers, expected] of waits) {
  test(`the wait of ${JSON.stringify(headers)} is ${expected} ms`, () => {
    assert.equal(retryAfterOf({ status: 429, header: (name) => headers[name] ?? null }, now), expected)
  })
}
