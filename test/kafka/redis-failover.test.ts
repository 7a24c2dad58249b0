// A primary and a replica of Redis: failovers as managed services do them (the name leads to another server, and open
// connections stay with the old one), servers that answer and refuse, and what an asynchronous replica may not have.
import assert from 'node:assert/strict'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../../runtime/clock.ts'
import { openJournal } from '../../runtime/host/calls/journal.ts'
import type { Call } from '../../runtime/stage.ts'
import type { KeyValue } from '../../runtime/store/port.ts'
import { connectRedis } from '../../runtime/store/redis/connection.ts'
import { openRedisKeyValue, type RedisOptions } from '../../runtime/store/redis/key-value.ts'
import { eventually, succeeds } from '../conformance/waiting.ts'
import { startRedis, type Redis } from '../infra/redis.ts'
import { startTestFleet } from '../support/fleet.ts'

interface Node {
  readonly server: Redis
  say(command: string, ...args: string[]): Promise<unknown>
}

async function startNode(t: TestContext): Promise<Node> {
  const server = await startRedis({ mode: 'durable' })
  const { redis, close } = connectRedis({ url: server.url })
  t.after(async () => {
    await close()
    await server.stop()
  })
  return { server, say: (command, ...args) => redis.call(command, ...args) }
}

/** Two servers, and a name that leads to the first until `failOver`. */
async function startPair(t: TestContext) {
  const [first, second] = await Promise.all([startNode(t), startNode(t)])
  await follow(second, first)
  let port = first.server.port
  const open = new Set<Socket>()
  const name = createServer((socket) => {
    const redis = connect(port, '127.0.0.1')
    socket.pipe(redis).pipe(socket)
    for (const [end, other] of [
      [socket, redis],
      [redis, socket],
    ] as const) {
      open.add(end)
      end.on('error', () => undefined)
      end.on('close', () => {
        open.delete(end)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => name.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of open) socket.destroy()
    name.close()
  })
  const demote = async () => {
    await second.say('REPLICAOF', 'NO', 'ONE')
    await first.say('REPLICAOF', '127.0.0.1', String(second.server.port))
  }
  return {
    first,
    second,
    url: `redis://127.0.0.1:${(name.address() as AddressInfo).port}`,
    /** From now on the name leads to the second; whoever is connected stays with the first. */
    point: () => (port = second.server.port),
    /** The second is the primary and the first its replica; the name leads to the first still. */
    demote,
    /** As a managed service does. */
    failOver: async () => {
      port = second.server.port
      await demote()
    },
  }
}

async function follow(replica: Node, primary: Node): Promise<void> {
  await replica.say('REPLICAOF', '127.0.0.1', String(primary.server.port))
  await eventually('the replica has caught up', async () =>
    String(await replica.say('INFO', 'replication')).includes('master_link_status:up'),
  )
}

function open(t: TestContext, options: RedisOptions): KeyValue & { readonly logged: string[] } {
  const logged: string[] = []
  const note = (level: string) => (_: unknown, text?: string) => void logged.push(`${level}: ${text}`)
  const log = { error: note('error'), info: note('info') } as unknown as NonNullable<RedisOptions['log']>
  const store = openRedisKeyValue({ ...options, log })
  t.after(() => store.close())
  return { ...store, logged }
}

const refused = (promise: Promise<unknown>, reason: RegExp) =>
  assert.rejects(promise, (error: unknown) => {
    assert.match(String(error), reason)
    assert.equal((error as { code?: string }).code, 'STORE_UNAVAILABLE')
    return true
  })

test('after a failover the connection to the old primary is left, and the new one is written', async (t) => {
  const pair = await startPair(t)
  const store = open(t, { url: pair.url, requireDurable: true })
  assert.deepEqual(await store.compareAndSet('key', null, 'one'), { swapped: true })
  await eventually(
    'the replica has it',
    async () => (await pair.second.say('GET', 'flotilla:kv:key')) === 'one',
  )
  await pair.failOver()
  await refused(store.check(), /READONLY/)
  const swapped = () => store.compareAndSet('key', 'one', 'two').then((result) => result.swapped)
  await eventually('it is written again', () => swapped().catch(() => false))
  await store.check()
  assert.equal(await pair.second.say('GET', 'flotilla:kv:key'), 'two')
  assert.deepEqual(
    store.logged.map((line) => line.split(';')[0]),
    ['error: Redis refuses writes', 'info: Redis takes writes again'],
  )
})

test('a primary without memory or without its replicas refuses writes, and is asked until it takes them', async (t) => {
  const { server, say } = await startNode(t)
  const store = open(t, { url: server.url })
  await store.set('key', 'one')
  for (const [name, bad, good, reason] of [
    ['maxmemory', '1', '0', /OOM/],
    ['min-replicas-to-write', '1', '0', /NOREPLICAS/],
  ] as const) {
    await say('CONFIG', 'SET', name, bad)
    await refused(store.compareAndSet('key', 'one', 'two'), reason)
    await refused(store.check(), reason)
    assert.equal(await store.get('key'), 'one')
    await say('CONFIG', 'SET', name, good)
    await store.check()
  }
  assert.deepEqual(await store.compareAndSet('key', 'one', 'two'), { swapped: true })
})

test('durability is asked of every server that a connection leads to', async (t) => {
  const pair = await startPair(t)
  const store = open(t, { url: pair.url, requireDurable: true })
  await store.compareAndSet('key', null, 'one')
  await pair.second.say('CONFIG', 'SET', 'appendfsync', 'everysec')
  await pair.failOver()
  const reason = () => store.compareAndSet('other', null, 'x').then(() => '', String)
  await eventually('it is refused', async () =>
    /appendfsync everysec.*needs yes, always/.test(await reason()),
  )
  await refused(store.check(), /needs yes, always, noeviction/)
  await pair.second.say('CONFIG', 'SET', 'appendfsync', 'always')
  assert.deepEqual(await store.compareAndSet('other', null, 'x'), { swapped: true })
})

const call = (id: number): Call => ({
  kind: 'tool',
  target: 'pay',
  request: { id },
  timeoutMs: 60_000,
  idempotent: false,
})
const options = { leaseMs: 5_000, keepMs: 60_000, forgottenMs: 60_000 }
const outcome = { ok: true, value: 'paid', startedMs: 1, endedMs: 2, callId: 'c' } as const

test('a primary that is lost with what its replica had not got yet: WAIT keeps what counts', async (t) => {
  const duplicates: Record<string, number> = {}
  for (const waitReplicas of [0, 1]) {
    const pair = await startPair(t)
    const store = open(t, { url: pair.url, requireDurable: true, waitReplicas })
    const owner = openJournal(store, systemClock, options)
    await owner.begin('before', 'p1', 1, call(0))
    // The replica gets nothing from here on, and is what is left in the end.
    await pair.second.say('REPLICAOF', 'NO', 'ONE')
    const begun = async (id: number) => {
      const beginning = await owner.begin(`call ${id}`, 'p1', 1, call(id)).catch(() => null)
      return beginning?.do === 'call' && (await owner.finish(`call ${id}`, 1, outcome).catch(() => false))
    }
    const made = await Promise.all(Array.from({ length: 50 }, (_, id) => begun(id).then((was) => was && id)))
    pair.point()
    await pair.first.server.kill9()
    const next = open(t, { url: pair.second.server.url })
    const later = openJournal(next, systemClock, options)
    let again = 0
    for (const id of made.filter((id) => id !== false))
      if ((await later.begin(`call ${id}`, 'p2', 2, call(id))).do === 'call') again++
    duplicates[`waiting for ${waitReplicas}`] = again
    // Its owner lives, and what it had begun before is recorded at the new primary.
    const finished = () => owner.finish('before', 1, outcome).catch(() => false)
    await eventually('it is recorded', waitReplicas === 0 ? finished : async () => true)
  }
  assert.deepEqual(duplicates, { 'waiting for 0': 50, 'waiting for 1': 0 })
})

test('an entry that the replica did not acknowledge is repeated, and counts when it did', async (t) => {
  const pair = await startPair(t)
  const store = open(t, { url: pair.url, waitReplicas: 1 })
  const journal = openJournal(store, systemClock, options)
  assert.equal((await journal.begin('c1', 'p1', 1, call(1))).do, 'call')
  await pair.second.say('REPLICAOF', 'NO', 'ONE')
  await refused(journal.finish('c1', 1, outcome), /0 of 1 replicas.*FLOTILLA_REDIS_WAIT_REPLICAS/)
  await refused(journal.begin('c2', 'p1', 1, call(2)), /0 of 1 replicas/)
  await refused(store.check(), /0 of 1 replicas/)
  await follow(pair.second, pair.first)
  const isWell = () => succeeds(store.check())
  await eventually('the replica keeps up', isWell)
  assert.equal(await journal.finish('c1', 1, outcome), true)
  assert.deepEqual(await journal.begin('c2', 'p1', 1, call(2)), { do: 'call', inDoubt: false })
})

test('a fleet goes on after a failover, and is not ready meanwhile', async (t) => {
  const pair = await startPair(t)
  const fleet = await startTestFleet({ http: true, env: { REDIS_URL: pair.url } })
  t.after(() => fleet.stop())
  const run = async () => {
    const { taskId } = await fleet.client.submit({ text: 'say hi' })
    return fleet.client.result(taskId, { timeoutMs: 120_000 })
  }
  assert.equal((await run()).status, 'succeeded')
  await pair.demote()
  await eventually('it is not ready', async () => !(await fleet.process.readiness()).ready)
  pair.point()
  assert.equal((await run()).status, 'succeeded')
  await eventually('it is ready', async () => (await fleet.process.readiness()).ready)
})
