// A breaker that opens is seen by operators: on the log, through the gateway, and in the metrics.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { breakersOf } from '../../operator/direct/breakers.ts'
import { loadServices } from '../../services/index.ts'
import { httpOperator } from '../../operator/http.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet } from '../support/fleet.ts'

test('the breaker of a provider that is down is shown as open, with the failure that opened it', async () => {
  const services = (await loadServices()).filter(({ name }) => name !== 'code-sandbox')
  await using fleet = await startTestFleet({ http: true, services })
  const url = String(fleet.process.url)
  const operator = httpOperator(url)
  assert.deepEqual(await operator.breakers.list(), [])
  await fleet.model.stop()
  for (let n = 0; n < 6; n++) await fleet.client.submit({ text: 'task=x hi' })
  await eventually('the breaker opens', async () => (await operator.breakers.list()).length > 0)
  const [breaker, ...others] = await operator.breakers.list()
  assert.deepEqual(others, [])
  assert.deepEqual(
    [breaker?.breaker, breaker?.stage, breaker?.state, breaker?.stale],
    ['model:scripted', 'planner', 'open', false],
  )
  assert.match(breaker?.reason ?? '', /scripted at .* could not be reached/)
  const metrics = await (await fetch(`${url}/metrics`)).text()
  assert.match(metrics, /breaker_state\{[^}]*breaker="model:scripted"[^}]*\} 2/)
})

const change = (atMs: number, to: 'open' | 'half_open' | 'closed', instance = 'a') => ({
  breaker: 'model:openai',
  stage: 'planner',
  instance,
  from: 'closed' as const,
  to,
  reason: to === 'open' ? `down at ${atMs}` : null,
  atMs,
})

test('the newest change of each process counts, whatever the order in which they are read', () => {
  const seen = breakersOf(
    [
      change(3_000, 'half_open'),
      change(1_000, 'open'),
      change(2_000, 'closed', 'b'),
      change(500, 'open', 'b'),
    ],
    4_000,
  )
  assert.deepEqual(
    seen.map(({ instance, state, reason, stale }) => [instance, state, reason, stale]),
    [
      ['a', 'half_open', 'down at 1000', false],
      ['b', 'closed', null, false],
    ],
  )
})

test('an open breaker that is not heard of again belongs to a process that is gone; after a day it is no news', () => {
  const [breaker] = breakersOf([change(0, 'open')], 61_000)
  assert.equal(breaker?.stale, true)
  assert.deepEqual(breakersOf([change(0, 'open')], 86_400_001), [])
})
