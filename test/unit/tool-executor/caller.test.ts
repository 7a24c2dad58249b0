import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { Tool } from '../../../runtime/config/fleet.ts'
import { FlotillaError, type ErrorCode } from '../../../runtime/errors.ts'
import type { CallContext, Emit } from '../../../runtime/stage.ts'
import type { Json } from '../../../schemas/json.ts'
import { cacheKey } from '../../../services/tool-executor/cache.ts'
import { systemClock } from '../../../runtime/clock.ts'
import { createToolCaller } from '../../../services/tool-executor/caller.ts'
import type { ToolCall } from '../../../services/tool-executor/call.ts'

const input = { type: 'object' }

/** A key-value store that can be made to fail or hang. */
class Store {
  readonly values = new Map<string, { value: string; ttlMs: number | undefined }>()
  state: 'up' | 'down' | 'hanging' = 'up'
  async get(key: string) {
    await this.#state()
    return this.values.get(key)?.value ?? null
  }
  async set(key: string, value: string, ttlMs?: number) {
    await this.#state()
    this.values.set(key, { value, ttlMs })
  }
  #state(): Promise<void> | undefined {
    if (this.state === 'down') return Promise.reject(new Error('connection refused'))
    return this.state === 'hanging' ? new Promise(() => {}) : undefined
  }
}

function setUp(...tools: Tool[]) {
  const store = new Store()
  const warnings: unknown[] = []
  const time = { now: 1_000 }
  const due: (() => void)[] = []
  const schedule = (ms: number, run: () => void) => {
    if (ms !== 300) return systemClock.schedule(ms, run)
    due.push(run)
    return () => void due.splice(due.indexOf(run), 1)
  }
  const clock = { ...systemClock, now: () => time.now, schedule }
  const streamed: Emit[] = []
  const log = { warn: (...args: unknown[]) => void warnings.push(args) }
  const caller = createToolCaller({ fleet: { tools }, keyValue: store, log, clock })
  const call = (
    tool: string,
    args: Json,
    change: Partial<ToolCall> = {},
    signal = new AbortController().signal,
  ) => {
    const request = {
      taskId: 't',
      tool,
      arguments: args,
      cacheTtlMs: null,
      userId: null,
      agent: null,
      deadlineMs: 60_000,
      ...change,
    }
    const context: CallContext = {
      callId: 'call-1',
      key: 't/c',
      signal,
      traceparent: '00-x',
      stream: (emit) => void streamed.push(emit),
    }
    return caller(request, context)
  }
  return { call, store, warnings, time, due, streamed }
}

const rejects = (promise: Promise<unknown>, code: ErrorCode, message: RegExp = /./) =>
  assert.rejects(promise, (error: FlotillaError) => {
    assert.ok(error instanceof FlotillaError, String(error))
    assert.deepEqual([error.code, message.test(error.message)], [code, true], error.message)
    return true
  })

function counting(change: Partial<Parameters<typeof defineTool>[0]> = {}) {
  const calls: unknown[] = []
  const run = (args: unknown) => ({ call: calls.push(args) })
  return { calls, tool: defineTool({ name: 'count', description: 'Counts.', input, run, ...change }) }
}

test('a tool gets its checked arguments and the idempotency key of the call', async () => {
  const seen: unknown[] = []
  const tool = defineTool({
    name: 'f',
    description: 'F.',
    input: z.object({ n: z.number().default(7) }),
    run: (args, { signal: _, ...context }) => void seen.push(args, context),
  })
  assert.deepEqual(await setUp(tool).call('f', {}), { output: null, cached: false }, 'undefined becomes null')
  const told = { taskId: 't', userId: null, agent: null, idempotencyKey: 'call-1', traceparent: '00-x' }
  assert.deepEqual(seen, [{ n: 7 }, told])
  await setUp(tool).call('f', {}, { userId: 'ann', agent: 'helper' })
  assert.deepEqual(seen.at(-1), { ...told, userId: 'ann', agent: 'helper' })
  await rejects(setUp(tool).call('f', { n: 'x' }), 'TOOL_ARGUMENTS_INVALID', /n:/)
})

test('a result is cached for the tool, whatever the order of the arguments, and only while it has a lifetime', async () => {
  const cached = counting({ cacheTtlMs: 5_000 })
  const { call, store } = setUp(cached.tool)
  assert.deepEqual(await call('count', { a: 1, b: { c: [1], d: 2 } }), { output: { call: 1 }, cached: false })
  assert.deepEqual(await call('count', { b: { d: 2, c: [1] }, a: 1 }), { output: { call: 1 }, cached: true })
  assert.deepEqual(await call('count', { a: 2 }), { output: { call: 2 }, cached: false })
  assert.deepEqual(
    [...store.values.values()].map(({ ttlMs }) => ttlMs),
    [5_000, 5_000],
  )
  assert.equal(
    (await call('count', { a: 2 }, { cacheTtlMs: 0 })).cached,
    false,
    'an override of 0 turns it off',
  )
})

test('a cached result answers the user for whom it was made, or everybody where the tool says so', async () => {
  const { call } = setUp(counting({ cacheTtlMs: 5_000 }).tool)
  const cached = async (userId: string | null) => (await call('count', {}, { userId })).cached
  assert.deepEqual(
    [await cached('ann'), await cached('bob'), await cached(null), await cached('ann'), await cached(null)],
    [false, false, false, true, true],
  )
  const shared = setUp(counting({ cacheTtlMs: 5_000, cacheScope: 'shared' }).tool)
  assert.equal((await shared.call('count', {}, { userId: 'ann' })).cached, false)
  assert.equal((await shared.call('count', {}, { userId: 'bob' })).cached, true)
  const keys = [{ userId: null }, { userId: 'null' }, { userId: '"' }, undefined].map((scope) =>
    cacheKey('f', {}, scope),
  )
  assert.equal(new Set(keys).size, keys.length)
})

test("a profile's lifetime caches what is idempotent, and never a tool with effects", async () => {
  for (const idempotent of [true, false]) {
    const { tool, calls } = counting({ idempotent })
    const { call } = setUp(tool)
    await call('count', {}, { cacheTtlMs: 3_600_000 })
    await call('count', {}, { cacheTtlMs: 3_600_000 })
    assert.equal(calls.length, idempotent ? 1 : 2)
  }
})

// R5: characters of the whole key, and whether it is kept as it is.
for (const [chars, isPlain] of [
  [1_023, true],
  [1_024, true],
  [1_025, false],
  [10_000, false],
] as const)
  test(`a cache key of ${chars} characters is ${isPlain ? 'kept' : 'hashed'}`, () => {
    const empty = cacheKey('f', { text: '' }).length
    const key = cacheKey('f', { text: 'x'.repeat(chars - empty) })
    assert.equal(key.startsWith('tool-cache:f:sha256:'), !isPlain)
    assert.ok(key.length <= 1_024)
  })

test('long cache keys are hashed; different arguments never share one', () => {
  const long = (end: string) => cacheKey('f', { text: 'x'.repeat(2_000) + end })
  assert.ok(long('').length < 200)
  assert.notEqual(long('a'), long('b'))
  assert.notEqual(cacheKey('f', { a: '1' }), cacheKey('f', { a: 1 }))
  assert.notEqual(cacheKey('f', [1, 2]), cacheKey('f', [2, 1]))
  assert.notEqual(cacheKey('f', {}), cacheKey('g', {}))
})

test('a cache that is down, hangs or holds rubbish is a miss, warned of once a minute', async () => {
  const { tool, calls } = counting({ cacheTtlMs: 5_000 })
  const { call, store, warnings, time } = setUp(tool)
  store.state = 'down'
  for (let i = 0; i < 3; i++) assert.equal((await call('count', {}, { deadlineMs: 1e12 })).cached, false)
  assert.equal(warnings.length, 1)
  time.now += 60_000
  store.state = 'hanging'
  await call('count', {}, { deadlineMs: 1e12 })
  assert.equal(warnings.length, 2)
  store.state = 'up'
  store.values.set(cacheKey('count', {}), { value: '{', ttlMs: undefined })
  assert.equal((await call('count', {}, { deadlineMs: 1e12 })).cached, false)
  assert.equal(calls.length, 5)
})

test('a failure is not cached', async () => {
  let fail = true
  const run = () => {
    if (fail) throw new Error('not now')
    return 1
  }
  const tool = defineTool({ name: 'f', description: 'F.', input, cacheTtlMs: 1_000, run })
  const { call } = setUp(tool)
  await rejects(call('f', {}), 'TOOL_FAILED', /f failed: not now/)
  fail = false
  assert.deepEqual(await call('f', {}), { output: 1, cached: false })
})

test('what a tool throws is TOOL_FAILED, except an error of the table', async () => {
  const throwing = (value: unknown) =>
    defineTool({
      name: 'f',
      description: 'F.',
      input,
      run: () => {
        throw value
      },
    })
  await rejects(setUp(throwing('a string')).call('f', {}), 'TOOL_FAILED', /a string/)
  await rejects(setUp(throwing(new FlotillaError('TOOL_DENIED', 'no'))).call('f', {}), 'TOOL_DENIED')
  const synchronous = { ...throwing(0), run: (): never => assert.fail('thrown at once') }
  await rejects(setUp(synchronous).call('f', {}), 'TOOL_FAILED', /thrown at once/)
})

test('a tool that hangs is left when the host aborts, with the reason that the host gives', async () => {
  const tool = defineTool({ name: 'f', description: 'F.', input, run: () => new Promise(() => {}) })
  const stop = new AbortController()
  const pending = setUp(tool).call('f', {}, {}, stop.signal)
  stop.abort(new FlotillaError('CALL_TIMEOUT', 'tool f did not answer'))
  await rejects(pending, 'CALL_TIMEOUT')
})

test('a deadline that passed on the log is not begun', async () => {
  const { tool, calls } = counting()
  await rejects(setUp(tool).call('count', {}, { deadlineMs: 999 }), 'CALL_ABORTED', /deadline/)
  assert.equal(calls.length, 0)
})

test('arguments with a property __proto__ never reach a tool, however deep it stands', async () => {
  const { tool, calls } = counting()
  for (const args of ['{"__proto__":{"x":1}}', '{"a":[{"\\u005f_proto__":1}]}'])
    await rejects(
      setUp(tool).call('count', JSON.parse(args) as never),
      'TOOL_ARGUMENTS_INVALID',
      /property "__proto__", which no tool takes/,
    )
  assert.equal(calls.length, 0)
})

const returning = (value: unknown, maxOutputBytes = 1_000_000) =>
  setUp(defineTool({ name: 'f', description: 'F.', input, maxOutputBytes, run: () => value })).call('f', {})

test('a result of 50 MB is refused, without being serialised', async () => {
  const row = { toJSON: () => assert.fail('serialised') }
  await rejects(
    returning('x'.repeat(50_000_000)),
    'TOOL_OUTPUT_TOO_LARGE',
    /f returned more than its limit of 1,000,000 bytes \(maxOutputBytes\)/,
  )
  await rejects(
    returning([row, ...new Array<string>(50).fill('x'.repeat(1_000_000))]),
    'TOOL_OUTPUT_TOO_LARGE',
  )
  await rejects(returning(new Array<number>(5_000_000).fill(1)), 'TOOL_OUTPUT_TOO_LARGE')
  await rejects(returning(new Uint8Array(50_000_000)), 'TOOL_OUTPUT_TOO_LARGE')
})

test('the size limit is exact', async () => {
  const values = [[], {}, [1, 2], { a: 'b', c: null, d: undefined }, 'é', [{ a: [] }, {}], 12.5, new Date(0)]
  for (const value of values) {
    const size = Buffer.byteLength(JSON.stringify(value))
    assert.deepEqual((await returning(value, size)).output, JSON.parse(JSON.stringify(value)))
    await rejects(returning(value, size - 1), 'TOOL_OUTPUT_TOO_LARGE')
  }
})

test('a result that is not JSON is refused', async () => {
  const loop: unknown[] = []
  loop.push(loop)
  for (const value of [loop, () => 1]) await rejects(returning(value), 'TOOL_OUTPUT_INVALID', /f returned/)
})

class Point {
  readonly x = 1
  readonly y = NaN
}

test('what JSON has no place for has a form of its own, wherever it stands', async () => {
  for (const [value, output] of [
    [NaN, 'NaN'],
    [
      { mean: NaN, most: Infinity, least: -Infinity, none: -0 },
      { mean: 'NaN', most: 'Infinity', least: '-Infinity', none: 0 },
    ],
    [5n, 5],
    [
      [2n ** 63n, -(2n ** 53n)],
      ['9223372036854775808', '-9007199254740992'],
    ],
    [new Map([['a', new Set([1, NaN])]]), { a: [1, 'NaN'] }],
    [
      new Map<unknown, unknown>([
        [1, 'a'],
        ['1', 'b'],
      ]),
      [
        [1, 'a'],
        ['1', 'b'],
      ],
    ],
    [
      { at: new Date(NaN), since: new Date(0) },
      { at: 'Invalid Date', since: '1970-01-01T00:00:00.000Z' },
    ],
    [Float64Array.of(1.5, NaN), [1.5, 'NaN']],
    [
      [Object.assign(new RangeError('too far'), { code: 'E' })],
      [{ name: 'RangeError', message: 'too far', code: 'E' }],
    ],
    [new Point(), { x: 1, y: 'NaN' }],
    [{ toJSON: () => ({ n: 1n }) }, { n: 1 }],
    [Object.assign(Object.create(null) as object, { ['__proto__']: 1 }), JSON.parse('{"__proto__":1}')],
    [[undefined], [null]],
  ] as const)
    assert.deepEqual((await returning(value)).output, output)
})

test('what has no data in JSON is refused with what to return instead', async () => {
  for (const [value, told] of [
    [{ later: Promise.resolve(1) }, /class Promise has no data in JSON; await it/],
    [[new Response('{}')], /class Response .* await response\.json\(\)/],
    [new Headers({ a: 'b' }), /class Headers .* \[\.\.\.value\]/],
    [{ bytes: new ArrayBuffer(2) }, /class ArrayBuffer .*base64/],
    [/x/, /class RegExp .* plain object/],
  ] as const)
    await rejects(returning(value), 'TOOL_OUTPUT_INVALID', told)
})

test('a Map, a Set and a typed array are measured before they are serialised', async () => {
  const long = 'x'.repeat(600)
  await rejects(
    returning(
      new Map([
        ['a', long],
        ['b', long],
      ]),
      1_000,
    ),
    'TOOL_OUTPUT_TOO_LARGE',
  )
  await rejects(returning(new Set([long, `${long}y`]), 1_000), 'TOOL_OUTPUT_TOO_LARGE')
  await rejects(returning(new Float64Array(5_000_000), 1_000), 'TOOL_OUTPUT_TOO_LARGE')
})

test('a result that does not fit the output schema is refused, naming the field', async () => {
  const output = z.object({ price: z.number() })
  const tool = defineTool({
    name: 'f',
    description: 'F.',
    input,
    output,
    run: () => ({ price: 'x' }) as never,
  })
  await rejects(setUp(tool).call('f', {}), 'TOOL_OUTPUT_INVALID', /price/)
})

test('a tool that takes long says that it runs; one that is quick costs no record', async () => {
  const gate = Promise.withResolvers<string>()
  const slow = defineTool({ name: 'slow', description: 'd', input: z.object({}), run: () => gate.promise })
  const { call, due, streamed } = setUp(slow)
  const running = call('slow', {})
  await Promise.resolve()
  due[0]?.()
  gate.resolve('done')
  await running
  assert.equal(due.length, 0)
  const [event] = streamed
  assert.equal(event?.topic, 'tasks.streaming')
  assert.deepEqual(
    [event?.data, event?.key],
    [
      {
        taskId: 't',
        stage: 'tool-executor',
        kind: 'tool_started',
        step: null,
        atMs: 700,
        detail: { callId: 'c', tool: 'slow' },
      },
      't',
    ],
  )
  await call('slow', {})
  assert.deepEqual([due.length, streamed.length], [0, 1])
})
