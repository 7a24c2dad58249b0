import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callLimitsOf } from '../../../runtime/models/call-limits.ts'
import { modelSlots } from '../../../services/planner/model/slots.ts'
import { completeFleet } from '../../../runtime/config/load.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import type { Call } from '../../../runtime/stage.ts'

const own = [
  'http://127.0.0.1:8080/v1',
  'http://localhost:11434/v1',
  'http://[::1]:1/v1',
  'http://10.1.2.3/v1',
  'http://172.20.0.5/v1',
  'http://192.168.1.4:8000/v1',
  'http://100.64.0.1/v1',
  'http://[fd00::1]/v1',
  'http://ollama:11434/v1',
  'http://host.docker.internal:8080/v1',
  'http://gpu.lan/v1',
]
const others = [
  'https://api.openai.com/v1',
  'http://11.0.0.1/v1',
  'http://172.32.0.1/v1',
  'http://100.128.0.1/v1',
  'http://[2001:db8::1]/v1',
  'https://10.example.org/v1',
  'https://localhost.example.org/v1',
  'not a URL',
]

for (const baseUrl of own)
  test(`a server of one's own has few slots and much patience: ${baseUrl}`, () => {
    assert.deepEqual(callLimitsOf('x', { baseUrl }), {
      idleTimeoutMs: 300_000,
      timeoutMs: 1_800_000,
      concurrency: 4,
    })
  })

for (const baseUrl of others)
  test(`a server for everybody has no such limit: ${baseUrl}`, () => {
    assert.deepEqual(callLimitsOf('x', { baseUrl }), {
      idleTimeoutMs: 120_000,
      timeoutMs: 1_800_000,
      concurrency: null,
    })
  })

test('what is configured wins; the scripted model is not limited', () => {
  const given = { baseUrl: 'http://localhost/v1', concurrency: 64, idleTimeoutMs: 5, timeoutMs: 6 }
  assert.deepEqual(callLimitsOf('x', given), { concurrency: 64, idleTimeoutMs: 5, timeoutMs: 6 })
  assert.equal(callLimitsOf('scripted', { baseUrl: 'http://127.0.0.1:1' }).concurrency, null)
})

test('a model call needs a slot of its provider, in the name of its user; others need none', () => {
  const environment = readEnvironment({ LOCAL_BASE_URL: 'http://127.0.0.1:8080', OPENAI_API_KEY: 'k' })
  const slotOf = modelSlots(completeFleet({}, environment, 'test'))
  const call = (model: string, userId: string | null, kind = 'model') =>
    slotOf({ kind, target: '', request: { model, userId }, timeoutMs: 1, idempotent: true } satisfies Call)
  const { waiting: _waiting, ...slot } = call('local/m', 'ann') ?? {}
  assert.deepEqual(slot, { name: 'model:local', limit: 4, holder: 'ann' })
  assert.equal(call('local/m', null)?.holder, '')
  assert.equal(call('gpt-4o', 'ann'), null)
  assert.equal(call('nowhere/m', 'ann'), null)
  assert.equal(call('local/m', 'ann', 'check'), null)
})
