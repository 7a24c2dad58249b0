import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { openRedisLimits } from '../../runtime/limits/redis.ts'
import { openStores } from '../../runtime/store/open.ts'
import { openRedisKeyValue } from '../../runtime/store/redis/key-value.ts'
import { connectRedis } from '../../runtime/store/redis/connection.ts'
import { limitsSuite } from '../conformance/limits-suite.ts'
import { mark } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { startRedis } from '../infra/redis.ts'

const url = (): string => {
  assert.ok(process.env['REDIS_URL'], 'REDIS_URL names the Redis of this run')
  return process.env['REDIS_URL']
}

limitsSuite('Redis', async (clock) => {
  const options = { url: url(), prefix: `limits-${process.pid}`, clock }
  const store = openRedisLimits(options)
  return { store, again: () => openRedisLimits(options), stop: () => store.close() }
})

limitsSuite('a node of a Redis Cluster that serves one slot', async (clock) => {
  const prefix = 'fleet'
  const server = await startRedis({ cluster: true })
  const admin = new Redis(server.url)
  await admin.cluster('ADDSLOTS', await admin.cluster('KEYSLOT', prefix))
  await eventually('it serves the slot', async () => (await admin.cluster('INFO')).includes('state:ok'))
  await admin.quit()
  const options = { url: server.url, prefix, clock }
  const store = openRedisLimits(options)
  const stop = async () => {
    await store.close()
    await server.stop()
  }
  return { store, again: () => openRedisLimits(options), stop }
})

test('without a clock of ours the time is that of Redis, whatever the processes believe', async () => {
  const limits = openRedisLimits({ url: url(), prefix: `limits-time-${process.pid}` })
  const key = mark()
  const claims = [{ form: 'window', key, amount: 1, limit: 1, windowMs: 60_000 }] as const
  assert.ok((await limits.reserve({ id: `${key}1`, alternatives: [claims], ttlMs: 1_000 })).granted)
  const refused = await limits.reserve({ id: `${key}2`, alternatives: [claims], ttlMs: 1_000 })
  assert.ok(!refused.granted)
  const { retryAfterMs = 0 } = refused.refusals[0] ?? {}
  assert.ok(retryAfterMs > 30_000 && retryAfterMs <= 60_000, String(retryAfterMs))
  await limits.close()
})

test('a Redis that is away is STORE_UNAVAILABLE, and the figures are there when it returns', async () => {
  const server = await startRedis({ mode: 'durable' })
  const limits = openRedisLimits({ url: server.url })
  const claim = { form: 'budget', key: 'b', amount: 5, limit: 10, resetsAtMs: Date.now() + 60_000 } as const
  const ask = (id: string) => limits.reserve({ id, alternatives: [[claim]], ttlMs: 60_000 })
  assert.ok((await ask('1')).granted)
  await server.kill9()
  await assert.rejects(ask('2'), { code: 'STORE_UNAVAILABLE' })
  await server.restart()
  assert.ok((await ask('2')).granted)
  assert.ok(!(await ask('3')).granted)
  await limits.close()
  await server.stop()
})

const outcome = { key: 'journal:c', begins: '{"state":"done","epoch":1,' }

/** The key-value store and the limits on one connection. */
function together(server: string, prefix: string) {
  const connection = connectRedis({ url: server })
  const options = { url: server, prefix, connection }
  return { keyValue: openRedisKeyValue(options), limits: openRedisLimits(options) }
}

const fiveTokens = () =>
  ({ form: 'budget', key: 'b', amount: 5, limit: 10, resetsAtMs: Date.now() + 60_000 }) as const

test('settled with the outcome that it depends on, and not without it', async (t) => {
  const { keyValue, limits } = together(url(), `settle-${mark()}`)
  t.after(() => Promise.all([keyValue.close(), limits.close()]))
  const settleIf = async () =>
    limits.settleIf?.({ id: 'c', claims: [fiveTokens()], atMs: Date.now() }, outcome)
  const standing = async () => (await limits.budgets('b')).map(({ settled, reserved }) => [settled, reserved])
  assert.ok((await limits.reserve({ id: 'c', alternatives: [[fiveTokens()]], ttlMs: 60_000 })).granted)
  assert.equal(await settleIf(), null, 'there is no outcome')
  await keyValue.set('journal:c', '{"state":"done","epoch":12,"hash":""}')
  assert.equal(await settleIf(), null, 'it is another owner’s')
  assert.deepEqual(await standing(), [[0, 5]])
  let settling: Promise<unknown> | null = null
  const written = keyValue.compareAndSet(
    'journal:c',
    '{"state":"done","epoch":12,"hash":""}',
    '{"state":"done","epoch":1,"hash":""}',
    60_000,
    () => (settling = settleIf()),
  )
  assert.deepEqual(await written, { swapped: true })
  assert.ok(settling)
  assert.deepEqual(await settling, [], 'asked for before it was known that the outcome is written')
  assert.deepEqual(await standing(), [[5, 0]])
})

test('a server of the limits that does not have the journal’s keys settles by itself', async (t) => {
  const server = await startRedis({ cluster: true })
  t.after(() => server.stop())
  const admin = new Redis(server.url)
  await admin.cluster('ADDSLOTS', await admin.cluster('KEYSLOT', 'fleet'))
  await eventually('it serves the slot', async () => (await admin.cluster('INFO')).includes('state:ok'))
  await admin.quit()
  const { limits } = together(server.url, 'fleet')
  t.after(() => limits.close())
  const request = { id: 'c', claims: [fiveTokens()], atMs: Date.now() }
  for (let times = 0; times < 2; times++) assert.equal(await limits.settleIf?.(request, outcome), null)
  assert.deepEqual(await limits.settle(request), [])
})

test('one connection for both, but not where a write waits for replicas', async () => {
  const settings = {
    kafkaBrokers: ['localhost:9092'],
    databaseUrl: null,
    dataDir: mkdtempSync(join(tmpdir(), 'limits-redis-')),
    prefix: 'fleet',
    allowVolatileStore: true,
  }
  const shares = async (redisWaitReplicas: number): Promise<boolean> => {
    const stores = await openStores({ ...settings, redisUrl: url(), redisWaitReplicas })
    await stores.close()
    return stores.limits.settleIf !== undefined
  }
  assert.deepEqual([await shares(0), await shares(1)], [true, false])
  rmSync(settings.dataDir, { recursive: true })
})
