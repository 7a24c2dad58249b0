// A user of Redis with no more rights than docs/operating.md lists.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Redis } from 'ioredis'
import { openRedisLimits } from '../../runtime/limits/redis.ts'
import { openRedisKeyValue } from '../../runtime/store/redis/key-value.ts'
import { limitsSuite } from '../conformance/limits-suite.ts'
import { keyValueSuite } from '../conformance/store-suite.ts'
import { startRedis, type Redis as Server } from '../infra/redis.ts'

let server: Server
let admin: Redis
let url = ''

before(async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/operating.md'), 'utf8')
  const [, rights = ''] = /^ACL (SETUSER flotilla .*)$/m.exec(page) ?? []
  server = await startRedis()
  admin = new Redis(server.url)
  await admin.call('ACL', ...rights.replace('>PASSWORD', '>secret').split(' '))
  url = server.url.replace('//', '//flotilla:secret@')
})

after(async () => {
  await admin.quit()
  await server.stop()
})

keyValueSuite('Redis, with the rights that are documented', async () => {
  const open = () => openRedisKeyValue({ url, requireDurable: true, waitReplicas: 0 })
  const store = open()
  return { store, again: async () => open(), stop: () => store.close() }
})

limitsSuite('Redis, with the rights that are documented', async (clock) => {
  const open = () => openRedisLimits({ url, clock })
  const store = open()
  return { store, again: open, stop: () => store.close() }
})

test('a check finds out that scripts, leases or the keys of limits are refused', async () => {
  const store = openRedisKeyValue({ url })
  const limits = openRedisLimits({ url })
  await Promise.all([store.check(), limits.check()])
  for (const change of ['-evalsha', 'resetkeys ~flotilla:*']) {
    await admin.call('ACL', 'SETUSER', 'flotilla', ...change.split(' '))
    await assert.rejects(store.check(), /NOPERM/, change)
    await assert.rejects(limits.check(), /NOPERM/, change)
    await admin.call('ACL', 'SETUSER', 'flotilla', '+evalsha', '~{flotilla*')
  }
  await Promise.all([store.check(), limits.check()])
  await Promise.all([store.close(), limits.close()])
})
