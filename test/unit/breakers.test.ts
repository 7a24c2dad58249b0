import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { FlotillaError, type ErrorCode } from '../../runtime/errors.ts'
import { createBreakers, type BreakerChange } from '../../runtime/breakers.ts'

const fails = (code: ErrorCode) => () => Promise.reject(new FlotillaError(code, `it was ${code}`))
const works = () => Promise.resolve('fine')
const isCode = (code: ErrorCode) => (error: unknown) => error instanceof FlotillaError && error.code === code

function setUp(t: TestContext, options: Parameters<typeof createBreakers>[0] = {}) {
  const changes: BreakerChange[] = []
  const waiting: { to: string; resolve: () => void }[] = []
  const breakers = createBreakers({
    halfOpenAfterMs: 40,
    ...options,
    onChange: (change) => {
      changes.push(change)
      for (const one of waiting) if (one.to === change.to) one.resolve()
    },
  })
  t.after(() => breakers.close())
  // opossum's timers are unreferenced by design: hold the process while waiting for one.
  const reaches = async (to: string) => {
    const hold = setInterval(() => {}, 1_000)
    t.after(() => clearInterval(hold))
    await new Promise<void>((resolve) => waiting.push({ to, resolve }))
    clearInterval(hold)
  }
  const fail = async (code: ErrorCode, times: number, name = 'model:x') => {
    for (let i = 0; i < times; i++) await assert.rejects(breakers.run(name, fails(code)), isCode(code))
  }
  return { breakers, changes, reaches, fail }
}

test('the fifth failure in the window opens it, and calls are refused until half open', async (t) => {
  const { breakers, changes, fail } = setUp(t, { halfOpenAfterMs: 10_000 })
  await fail('MODEL_UNAVAILABLE', 4)
  assert.equal(breakers.get('model:x').state, 'closed')
  await fail('MODEL_UNAVAILABLE', 1)
  assert.equal(breakers.get('model:x').state, 'open')
  let called = false
  const refused = breakers.run('model:x', async () => (called = true))
  await assert.rejects(refused, (error: unknown) => {
    assert.ok(error instanceof FlotillaError)
    assert.equal(error.code, 'BREAKER_OPEN')
    assert.ok((error.retryAfterMs ?? 0) > 9_000 && (error.retryAfterMs ?? 0) <= 10_000)
    assert.match(error.message, /it was MODEL_UNAVAILABLE/)
    return true
  })
  assert.equal(called, false)
  assert.deepEqual(
    changes.map(({ breaker, from, to, reason }) => ({ breaker, from, to, reason })),
    [{ breaker: 'model:x', from: 'closed', to: 'open', reason: 'it was MODEL_UNAVAILABLE' }],
  )
  assert.equal(breakers.get('model:y').state, 'closed')
  assert.equal(await breakers.run('model:y', works), 'fine')
  assert.deepEqual(
    breakers.list().map(({ name }) => name),
    ['model:x', 'model:y'],
  )
})

for (const code of [
  'MODEL_RATE_LIMITED',
  'MODEL_QUOTA_EXCEEDED',
  'MODEL_AUTH_FAILED',
  'MODEL_REQUEST_REFUSED',
  'MODEL_CONTEXT_TOO_LONG',
  'MODEL_CONTENT_FILTERED',
  'MODEL_ANSWER_MALFORMED',
  'MODEL_NOT_CONFIGURED',
  'TOOL_FAILED',
  'TOOL_OUTPUT_INVALID',
  'CALL_ABORTED',
  'INTERNAL',
] as const) {
  test(`${code} never opens it`, async (t) => {
    const { breakers, fail } = setUp(t)
    await fail(code, 30)
    assert.equal(breakers.get('model:x').state, 'closed')
  })
}

for (const code of ['MODEL_TIMEOUT', 'TOOL_UNAVAILABLE', 'TOOL_TIMEOUT', 'CALL_TIMEOUT'] as const) {
  test(`${code} opens it`, async (t) => {
    const { breakers, fail } = setUp(t)
    await fail(code, 5)
    assert.equal(breakers.get('model:x').state, 'open')
  })
}

test('it opens at half of the calls, not below', async (t) => {
  const { breakers, fail } = setUp(t)
  for (let i = 0; i < 6; i++) await breakers.run('model:x', works)
  await fail('MODEL_UNAVAILABLE', 5)
  assert.equal(breakers.get('model:x').state, 'closed')
  await fail('MODEL_UNAVAILABLE', 1)
  assert.equal(breakers.get('model:x').state, 'open')
})

test('failures of calls that began before the window count when they are known', async (t) => {
  const { breakers } = setUp(t, { windowMs: 50, halfOpenAfterMs: 10_000 })
  const gate = Promise.withResolvers<void>()
  const calls = Array.from({ length: 5 }, () =>
    breakers.run('model:x', async () => {
      await gate.promise
      throw new FlotillaError('MODEL_TIMEOUT', 'slow')
    }),
  )
  setTimeout(gate.resolve, 120)
  await Promise.allSettled(calls)
  assert.equal(breakers.get('model:x').state, 'open')
})

test('calls in flight do not dilute the share of failures', async (t) => {
  const { breakers, fail } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const slow = Array.from({ length: 60 }, () => breakers.run('model:x', () => gate.promise))
  await fail('MODEL_UNAVAILABLE', 5)
  assert.equal(breakers.get('model:x').state, 'open')
  gate.resolve()
  await Promise.all(slow)
  assert.equal(breakers.get('model:x').state, 'open', 'late successes do not close it')
})

test('half open: one probe at a time; its success closes', async (t) => {
  const { breakers, reaches, fail, changes } = setUp(t)
  const halfOpen = reaches('half_open')
  await fail('MODEL_UNAVAILABLE', 5)
  await halfOpen
  const gate = Promise.withResolvers<string>()
  const probe = breakers.run('model:x', () => gate.promise)
  await assert.rejects(breakers.run('model:x', works), isCode('BREAKER_OPEN'))
  gate.resolve('back')
  assert.equal(await probe, 'back')
  assert.equal(breakers.get('model:x').state, 'closed')
  assert.deepEqual(
    changes.map(({ to }) => to),
    ['open', 'half_open', 'closed'],
  )
})

test('half open: the outcome of a call that began before it opened decides nothing', async (t) => {
  const { breakers, reaches, fail } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const early = breakers.run('model:x', () => gate.promise)
  const halfOpen = reaches('half_open')
  await fail('MODEL_UNAVAILABLE', 5)
  await halfOpen
  gate.resolve()
  await early
  assert.equal(breakers.get('model:x').state, 'half_open')
})

test('closed again: calls that began before it opened fail late, and decide nothing', async (t) => {
  const { breakers, reaches, fail } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const late = Array.from({ length: 10 }, () =>
    breakers.run('model:x', async () => {
      await gate.promise
      throw new FlotillaError('MODEL_TIMEOUT', 'hung since before')
    }),
  )
  const halfOpen = reaches('half_open')
  await fail('MODEL_UNAVAILABLE', 5)
  await halfOpen
  await breakers.run('model:x', works)
  gate.resolve()
  await Promise.allSettled(late)
  assert.equal(breakers.get('model:x').state, 'closed')
})

test('half open: a failing probe opens it again; a cancelled one decides nothing', async (t) => {
  const { breakers, reaches, fail } = setUp(t)
  let halfOpen = reaches('half_open')
  await fail('MODEL_UNAVAILABLE', 5)
  await halfOpen
  await fail('CALL_ABORTED', 1)
  assert.equal(breakers.get('model:x').state, 'half_open')
  halfOpen = reaches('half_open')
  await fail('MODEL_UNAVAILABLE', 1)
  assert.equal(breakers.get('model:x').state, 'open')
  await halfOpen
  await breakers.run('model:x', works)
  assert.equal(breakers.get('model:x').state, 'closed')
})

test('a connection that is really refused opens it', async (t) => {
  const { breakers } = setUp(t)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const down = () => 'down' as const
  for (let i = 0; i < 5; i++) {
    await assert.rejects(breakers.run('tool:gone', () => fetch(`http://127.0.0.1:${port}/`), down))
  }
  assert.equal(breakers.get('tool:gone').state, 'open')
})

test('an open breaker does not keep the process alive', async () => {
  const script = `
    import { createBreakers } from './runtime/breakers.ts'
    const breakers = createBreakers({ halfOpenAfterMs: 60000 })
    for (let i = 0; i < 6; i++) await breakers.run('a', () => Promise.reject(new Error('x')), () => 'down').catch(() => {})
    console.log(breakers.get('a').state)`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module-typescript', '-e', script],
    {
      timeout: 120_000,
      cwd: new URL('../..', import.meta.url).pathname,
    },
  )
  assert.equal(stdout.trim(), 'open')
})
