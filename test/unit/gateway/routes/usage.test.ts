// Reports of the ledger: a bounded number at once, each until its client has it or has gone.
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { createHttpServer } from '../../../../runtime/host/http/server.ts'
import type { LedgerReader } from '../../../../runtime/ledger/reader.ts'
import { operatorRoutes } from '../../../../services/gateway/routes/operator.ts'
import type { Operator } from '../../../../operator/index.ts'
import { eventually } from '../../../conformance/waiting.ts'

/** Of one address. */
const AT_ONCE = 4

async function served(ledger: LedgerReader): Promise<string> {
  const app = createHttpServer({
    service: 'test',
    readiness: () => Promise.resolve({ ready: true, parts: [] }),
    health: () => ({ status: 'ok', unhandledRejections: 0 }),
    metrics: () => Promise.resolve(''),
    hosts: { host: '127.0.0.1', allowed: [] },
  })
  operatorRoutes(app, { usage: ledger, limits: {} } as Operator)
  await app.listen({ host: '127.0.0.1', port: 0 })
  after(() => app.close())
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/v1/usage`
}

test('exports and summaries share a number of slots, and give theirs back', async () => {
  const going = Promise.withResolvers<void>()
  const url = await served({
    summary: () => going.promise.then(() => []),
    async *export() {
      yield 'a\n'
      await going.promise
    },
  })
  const stop = new AbortController()
  const exports = [1, 2, 3].map(() => fetch(`${url}/export`, { signal: stop.signal }))
  assert.deepEqual(
    (await Promise.all(exports)).map(({ status }) => status),
    [200, 200, 200],
  )
  const summary = fetch(url)
  await eventually('no more are taken', async () => {
    const attempt = new AbortController()
    const { status, headers } = await fetch(`${url}/export`, { signal: attempt.signal })
    attempt.abort()
    return status === 503 && headers.get('retry-after') === '5'
  })
  assert.equal((await fetch(url)).status, 503)
  assert.equal((await fetch(`${url}/export?table=none`)).status, 400, 'a mistake takes no slot')
  stop.abort()
  await Promise.all(exports.map((each) => each.then((answer) => answer.text()).catch(() => null)))
  going.resolve()
  assert.equal((await summary).status, 200)
  await eventually('there is room', async () => {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => fetch(url)))
    return answers.every(({ status }) => status === 200)
  })
})

test('a number of lines is whole', async () => {
  const limits: unknown[] = []
  const url = await served({
    summary: ({ limit }) => Promise.resolve(limits.push(limit)).then(() => []),
    async *export() {},
  })
  for (const limit of ['1.5', '0.5', '1e9']) assert.equal((await fetch(`${url}?limit=${limit}`)).status, 200)
  assert.deepEqual(limits, [1, 1, 10_000])
})
