import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Redis } from 'ioredis'
import { FlotillaError } from '../../runtime/errors.ts'
import { openRedisLimits } from '../../runtime/limits/redis.ts'
import { connectRedis } from '../../runtime/store/redis/connection.ts'
import { openRedisKeyValue } from '../../runtime/store/redis/key-value.ts'
import { keyValueSuite } from '../conformance/store-suite.ts'
import { eventually, LIMIT_MS } from '../conformance/waiting.ts'
import { accepts, freePort } from '../infra/port.ts'
import { startRedis } from '../infra/redis.ts'
import { scratch, startServer } from '../infra/server.ts'
import { installedProgram } from '../infra/tool.ts'

const url = (): string => {
  assert.ok(process.env['REDIS_URL'], 'REDIS_URL names the Redis of this run')
  return process.env['REDIS_URL']
}

keyValueSuite('Redis', async () => {
  const options = { url: url(), prefix: `store-${process.pid}` }
  const store = openRedisKeyValue(options)
  return { store, again: async () => openRedisKeyValue(options), stop: () => store.close() }
})

test('a Redis that syncs each write and evicts nothing is durable; a plain cache is not', async () => {
  const cache = await startRedis({ mode: 'volatile' })
  const durable = await startRedis({ mode: 'durable' })
  const stores = [cache, durable].map((server) => openRedisKeyValue({ url: server.url }))
  const [ofCache, ofDurable] = await Promise.all(stores.map((store) => store.durability()))
  assert.equal(ofDurable?.durable, true, ofDurable?.reason)
  assert.equal(ofCache?.durable, false)
  assert.match(String(ofCache?.reason), /appendfsync .*allkeys-lru.*needs yes, always, noeviction/)
  await Promise.all(stores.map((store) => store.close()))
  await Promise.all([cache.stop(), durable.stop()])
})

test('a Redis that goes away is an error with its place; it is used again when it returns', async () => {
  const server = await startRedis()
  const store = openRedisKeyValue({ url: server.url })
  await store.set('key', 'value')
  await server.kill9()
  await assert.rejects(store.get('key'), (error: unknown) => {
    assert.ok(error instanceof FlotillaError && error.code === 'STORE_UNAVAILABLE')
    assert.match(error.message, new RegExp(`127.0.0.1:${server.port}`))
    return true
  })
  await server.restart()
  await eventually('it answers again', () => store.get('key').catch(() => null))
  assert.equal(await store.get('key'), 'value')
  await store.close()
  await server.stop()
})

test('a command that waited too long for a connection is forgotten, and never sent', async (t) => {
  const server = await startRedis()
  const connection = connectRedis({ url: server.url })
  t.after(async () => {
    await connection.close()
    await server.stop()
  })
  const { redis } = connection
  await redis.ping()
  await server.kill9()
  await eventually('the connection is gone', () => !connection.isOpen())
  redis.options.commandTimeout = 100
  const { offlineQueue } = redis as unknown as { readonly offlineQueue: { readonly length: number } }
  for (let tries = 0; tries < 5; tries++) await assert.rejects(redis.incr('tries'), /timed out/)
  assert.ok(offlineQueue.length <= 1, `${offlineQueue.length} wait`)
  redis.options.commandTimeout = LIMIT_MS
  const late = redis.incr('tries')
  await server.restart()
  assert.equal(await late, 1)
})

test('a Sentinel says what REDIS_URL should name', async (t) => {
  const port = await freePort()
  const directory = scratch('sentinel')
  const settings = join(directory, 'sentinel.conf')
  writeFileSync(settings, `port ${port}\nbind 127.0.0.1\ndir ${directory}\n`)
  const sentinel = await startServer({
    name: 'sentinel',
    command: await installedProgram('redis-server', 'redis-server'),
    args: [settings, '--sentinel'],
    directory,
    ready: () => accepts(port),
    stopSignal: 'SIGTERM',
  })
  const store = openRedisKeyValue({ url: `redis://127.0.0.1:${port}` })
  t.after(async () => {
    await store.close()
    await sentinel.stop()
  })
  await assert.rejects(store.durability(), /is a sentinel .*: name an address that leads to the primary/)
})

test('a connection that gets no answer says so, and what rediss:// needs', async (t) => {
  const store = openRedisKeyValue({ url: url().replace('redis:', 'rediss:') })
  t.after(() => store.close())
  await assert.rejects(
    store.get('key'),
    /connecting fails: .*; if this port has no TLS, REDIS_URL begins with redis:\/\/$/,
  )
})

test('a command that was sent when the connection broke is an error at once; one that was not waits for the next', async (t) => {
  const { hostname, port } = new URL(url())
  let cut = false
  const proxy = createServer((socket) => {
    const redis = connect(Number(port), hostname)
    socket.on('data', (bytes) => (cut ? socket.destroy() : redis.write(bytes)))
    redis.pipe(socket)
    socket.on('close', () => redis.destroy())
    for (const end of [socket, redis]) end.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const { redis, asked, close } = connectRedis({
    url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
  })
  t.after(async () => {
    await close()
    proxy.close()
  })
  await redis.ping()
  cut = true
  // No time passes for it: only the connection says so.
  t.mock.timers.enable({ apis: ['setTimeout'] })
  await assert.rejects(asked('asking', redis.ping()), /the connection broke before the answer/)
  cut = false
  const next = redis.ping()
  t.mock.timers.tick(100)
  assert.equal(await next, 'PONG')
})

test('a database that the server does not have is an error, and nothing is written to another one', async (t) => {
  const server = await startRedis()
  t.after(() => server.stop())
  const store = openRedisKeyValue({ url: `${server.url}/99` })
  t.after(() => store.close())
  await assert.rejects(store.set('key', 'value'), /DB index is out of range/)
  const [last, first] = [15, 0].map((database) => openRedisKeyValue({ url: `${server.url}/${database}` }))
  t.after(() => Promise.all([last?.close(), first?.close()]))
  await last?.set('key', 'fifteen')
  assert.deepEqual([await last?.get('key'), await first?.get('key')], ['fifteen', null])
})

test('a node of a Redis Cluster that does not serve a key says what REDIS_URL should name', async (t) => {
  const server = await startRedis({ cluster: true })
  t.after(() => server.stop())
  const store = openRedisKeyValue({ url: server.url })
  t.after(() => store.close())
  await assert.rejects(store.check(), /Redis Cluster: name a single server, or a proxy/)
})

/** A server of its own, with a connection to change its settings, a store on it, and what that logs. */
async function openLogged(t: TestContext) {
  const logged: string[] = []
  const note = (_: unknown, text?: string) => void logged.push(String(text))
  const server = await startRedis()
  t.after(() => server.stop())
  const admin = new Redis(server.url)
  t.after(() => admin.disconnect())
  const store = openRedisKeyValue({ url: server.url, log: { error: note, info: note } as never })
  t.after(() => store.close())
  return { admin, store, logged }
}

test('a Redis that takes some writes and refuses others is said once, and once when it takes all', async (t) => {
  const { admin, store, logged } = await openLogged(t)
  await store.set('key', 'one')
  await admin.config('SET', 'maxmemory', '1')
  for (const _ of [1, 2, 3]) {
    await assert.rejects(store.compareAndSet('key', 'one', 'two'), /OOM/)
    await store.delete(['other'])
  }
  const beginnings = () => logged.map((text) => text.split(';')[0])
  assert.deepEqual(beginnings(), ['Redis refuses writes'])
  await admin.config('SET', 'maxmemory', '0')
  await eventually('it is said', async () => {
    await store.check()
    return logged.length > 1
  })
  assert.deepEqual(beginnings(), ['Redis refuses writes', 'Redis takes writes again'])
})

for (const [what, forbid] of [
  ['a right of the user', '-@write'],
  ['scripts', '-evalsha'],
] as const)
  test(`${what} that a Redis no longer allows: the error says where the rights are listed, and it is logged`, async (t) => {
    const { admin, store, logged } = await openLogged(t)
    await store.check()
    await admin.acl('SETUSER', 'default', forbid)
    await assert.rejects(store.check(), /docs\/operating\.md lists the commands and rights/)
    assert.match(logged.join(), /^Redis refuses writes; retrying/)
  })

test('a key of another program is an error that no retry cures, with the remedy', async (t) => {
  const { redis, close } = connectRedis({ url: url() })
  const prefix = `foreign-${process.pid}`
  const store = openRedisKeyValue({ url: url(), prefix })
  const limits = openRedisLimits({ url: url(), prefix })
  t.after(() => Promise.all([close(), store.close(), limits.close()]))
  const isFinal = (error: unknown): boolean => {
    assert.ok(error instanceof FlotillaError && error.code === 'STORE_UNAVAILABLE')
    assert.match(error.message, /another program has written a key of this fleet there: delete that key/)
    return !error.retryable
  }
  const claim = { form: 'budget', key: 'b', amount: 5, limit: 10, resetsAtMs: Date.now() + 60_000 } as const
  const ask = (id: string) => limits.reserve({ id, alternatives: [[claim]], ttlMs: 60_000 })
  await redis.lpush(`${prefix}:kv:key`, 'x')
  await assert.rejects(store.compareAndSet('key', null, 'value'), isFinal)
  await assert.rejects(store.get('key'), isFinal)
  await redis.set(`{${prefix}}:limits:taker:1`, 'no JSON')
  await assert.rejects(ask('1'), isFinal)
  await redis.lpush(`{${prefix}}:limits:budget:b`, 'x')
  await assert.rejects(ask('2'), isFinal)
  await redis.del(`{${prefix}}:limits:budget:b`)
  assert.ok((await ask('3')).granted)
})

test('a connection is given up after 5 s, kept alive, and replaced when a check after 30 s gets no answer', async (t) => {
  const { hostname, port } = new URL(url())
  let connections = 0
  let silent = false
  // Half-open: what is sent is taken, and nothing comes back.
  const proxy = createServer((socket) => {
    connections++
    const redis = connect(Number(port), hostname)
    socket.on('data', (bytes) => silent || redis.write(bytes))
    redis.on('data', (bytes) => silent || socket.write(bytes))
    socket.on('close', () => redis.destroy())
    for (const end of [socket, redis]) end.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { redis, close } = connectRedis({ url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}` })
  t.after(async () => {
    await close()
    proxy.close()
  })
  assert.equal(redis.options.connectTimeout, 5_000)
  assert.ok(Number(redis.options.keepAlive) > 0)
  await redis.ping()
  silent = true
  t.mock.timers.tick(29_999)
  assert.equal(connections, 1)
  t.mock.timers.tick(1)
  await eventually('it connects again', () => connections > 1)
})

test('a compare-and-set whose answer was lost is reported, not sent again', async (context) => {
  const { hostname, port } = new URL(url())
  let cut = false
  let sent = 0
  // Stands between store and Redis; while `cut` is set, the answer to a script breaks the connection instead.
  const proxy = createServer((socket) => {
    const redis = connect(Number(port), hostname)
    let scriptSent = false
    socket.on('data', (bytes) => {
      scriptSent ||= cut && bytes.toString('latin1').includes('evalsha')
      if (scriptSent) sent++
      redis.write(bytes)
    })
    redis.on('data', (bytes) => (scriptSent ? socket.destroy() : socket.write(bytes)))
    socket.on('close', () => redis.destroy())
    for (const end of [socket, redis]) end.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const through = `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const store = openRedisKeyValue({ url: through, prefix: `lost-${process.pid}` })
  context.after(async () => {
    await store.close()
    proxy.close()
  })
  assert.deepEqual(await store.compareAndSet('key', null, 'first'), { swapped: true })
  cut = true
  await assert.rejects(store.compareAndSet('key', 'first', 'second'), { code: 'STORE_UNAVAILABLE' })
  cut = false
  assert.equal(sent, 1)
  assert.equal(await store.get('key'), 'second')
})

test('commands of one tick are one write', async (t) => {
  const { hostname, port } = new URL(url())
  const sizes: number[] = []
  const proxy = createServer((socket) => {
    const redis = connect(Number(port), hostname)
    socket.on('data', (bytes) => void sizes.push(bytes.length))
    socket.pipe(redis).pipe(socket)
    socket.on('close', () => redis.destroy())
    for (const end of [socket, redis]) end.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const { redis, close } = connectRedis({ url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}` })
  t.after(async () => {
    await close()
    proxy.close()
  })
  await redis.ping()
  sizes.length = 0
  const text = 'a'.repeat(100)
  const echoed = await Promise.all(Array.from({ length: 20 }, (_, i) => redis.echo(`${text} ${i}`)))
  assert.deepEqual(echoed.at(-1), `${text} 19`)
  assert.equal(sizes.length, 1, `writes of ${sizes.join()} bytes`)
  assert.equal(await redis.ping(), 'PONG', 'the next tick has a write of its own')
})
