import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { openRedisLimits } from '../../runtime/limits/redis.ts'
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
