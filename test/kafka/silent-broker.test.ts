// Brokers that take connections and say nothing: one that is stopped and goes on, one that is gone behind connections that
// nobody closes, one of several to begin with. Whatever is asked ends in time, and everything goes on when it can.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createKafkaLog, type KafkaLogOptions } from '../../runtime/log/kafka/log.ts'
import type { Log } from '../../runtime/log/port.ts'
import { commitOf, mark, numbered, outgoing, TestMember, textOf } from '../conformance/member.ts'
import { eventually, succeeds } from '../conformance/waiting.ts'
import { startKafka } from '../infra/kafka.ts'
import { freePort } from '../infra/port.ts'
import { PARTITIONS, uniquePrefix } from './brokers.ts'

const TIMES = { requestTimeoutMs: 5_000, deliveryTimeoutMs: 5_000, startTimeoutMs: 5_000 }
/** Less than kafkajs takes to repeat one request to a broker that is silent. */
const ENDED_MS = 20_000

const logOn = (brokers: readonly string[], options: Partial<KafkaLogOptions> = {}): Log =>
  createKafkaLog({
    brokers,
    prefix: uniquePrefix('silent'),
    partitions: PARTITIONS,
    clientId: 'test',
    ...TIMES,
    ...options,
  })

/** A server on loopback for the time of the test. */
async function serve(t: TestContext, port: number, onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    onConnection(socket)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server.listen(port, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

test('a broker that is stopped: whatever is asked ends in time; it goes on, and so does everything', async (t) => {
  const kafka = await startKafka()
  t.after(() => kafka.stop())
  const prefix = uniquePrefix('silent')
  // Topics are made without haste.
  const patient = createKafkaLog({
    brokers: [kafka.url],
    prefix,
    partitions: PARTITIONS,
    clientId: 'test',
    startTimeoutMs: 60_000,
  })
  t.after(() => patient.close())
  await patient.ensureTopics(['router'])
  const log = logOn([kafka.url], { prefix })
  t.after(() => log.close())
  const member = new TestMember(log, 'router', ['tasks.submitted'])
  await member.holds(PARTITIONS)
  const heard: string[] = []
  const tail = log.tail({ topics: ['tasks.submitted'], from: 'earliest' }, (records) => {
    heard.push(...records.map(textOf))
  })
  await tail.ready
  const key = mark()
  await log.publish(numbered('tasks.submitted', 1, key, 1))
  await eventually('the lane has it', () => member.values('tasks.submitted', 1, key).length === 1)
  const lane = await member.lane(1)
  const find = { topic: 'tasks.completed', partition: 0, key, wanted: () => true, sinceMs: 0 } as const
  const asked: Readonly<Record<string, () => Promise<unknown>>> = {
    publish: () => log.publish(numbered('tasks.submitted', 2, key, 1)),
    commit: () => lane.commit(commitOf({ records: [outgoing('tasks.history', 1, key, 'x')] })),
    read: () => log.read('tasks.submitted', 1, 0, 10),
    find: () => log.find(find),
    ranges: () => log.ranges(['tasks.submitted']),
    positions: () => log.positions('router'),
    members: () => log.members('router'),
    topicIds: () => log.topicIds(['tasks.submitted']),
    advice: () => log.advice(),
    check: () => log.check(),
    ensureTopics: () => log.ensureTopics(['router']),
  }
  const late: string[] = []
  process.kill(kafka.pid, 'SIGSTOP')
  try {
    await Promise.all(
      Object.entries(asked).map(async ([name, ask]) => {
        const begunMs = performance.now()
        await assert.rejects(ask(), name)
        if (performance.now() - begunMs > ENDED_MS) late.push(`${name}: ${performance.now() - begunMs} ms`)
      }),
    )
  } finally {
    process.kill(kafka.pid, 'SIGCONT')
  }
  assert.deepEqual(late, [])
  await eventually('it answers again', () => succeeds(log.check()))
  const again = mark()
  await eventually('records are taken again', () =>
    succeeds(log.publish(numbered('tasks.submitted', 1, again, 3))),
  )
  await eventually('the lane has them', () => member.values('tasks.submitted', 1, again).length >= 3)
  await eventually('so has the tail', () => heard.length >= 4)
  await eventually('a lane commits again', async () => {
    const open = await member.open(1).catch(() => null)
    const commit = commitOf({ records: [outgoing('tasks.history', 1, again, 'y')] })
    return open !== null && succeeds(open.commit(commit))
  })
  await tail.close()
  await member.leave()
})

test('connections whose other side is gone without a word are given up, and new ones take their place', async (t) => {
  const port = await freePort()
  const kafka = await startKafka({ advertisedPort: port })
  t.after(() => kafka.stop())
  const through = new Set<Socket>()
  await serve(t, port, (socket) => {
    const on = connect(kafka.port, '127.0.0.1').on('error', () => socket.destroy())
    for (const side of [socket, on]) through.add(side)
    socket.pipe(on).pipe(socket)
  })
  const log = logOn([`127.0.0.1:${port}`], { startTimeoutMs: 60_000 })
  t.after(() => log.close())
  await log.ensureTopics(['router'])
  const member = new TestMember(log, 'router', ['tasks.submitted'])
  await member.holds(PARTITIONS)
  for (const side of through) side.unpipe().pause()
  const key = mark()
  await eventually('records are taken again', () =>
    succeeds(log.publish(numbered('tasks.submitted', 1, key, 3))),
  )
  await eventually('the lane has them', () => member.values('tasks.submitted', 1, key).length >= 3)
  await member.leave()
})

/** Bytes of a probe: ApiVersions in its oldest version, without a client id. */
const PROBE_BYTES = 14

test('of several brokers to begin with, the first is silent: the others are asked, and it is asked for nothing more', async (t) => {
  const asked: number[] = []
  const silent = await serve(t, 0, (socket) => socket.on('data', ({ length }) => void asked.push(length)))
  const kafka = await startKafka()
  t.after(() => kafka.stop())
  const patient = { startTimeoutMs: 60_000, deliveryTimeoutMs: 60_000, transactionTimeoutMs: 120_000 }
  const log = logOn([`127.0.0.1:${silent}`, kafka.url], patient)
  t.after(() => log.close())
  await log.ensureTopics(['router'])
  await log.publish(numbered('tasks.submitted', 1, mark(), 1))
  const before = asked.length
  assert.ok(before > 0)
  // On connections of their own, which begin with the first broker.
  for (let times = 0; times < 3; times++) await log.check()
  assert.deepEqual(
    asked.slice(before).filter((length) => length !== PROBE_BYTES),
    [],
  )
})
