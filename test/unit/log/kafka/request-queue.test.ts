import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, Socket, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import {
  beginFromScratch,
  checkOnlyIfWaiting,
  checkTogether,
  endWhenUnanswered,
  noteThrottling,
  type Connection,
  type RequestQueue,
} from '../../../../runtime/log/kafka/connection/request-queue.ts'
import { eventually } from '../../../conformance/waiting.ts'

const still = {
  pending: [] as unknown[],
  inflight: new Map(),
  throttledUntil: -1,
  throttleCheckTimeoutId: null,
  requestTimeout: 10_000,
  logger: { error: () => {} },
  broker: 'kafka:9092',
  maybeThrottle: () => {},
  isConnected: () => true,
  checkPendingRequests: () => {},
  scheduleCheckPendingRequests: () => assert.fail('it was not replaced'),
  scheduleRequestTimeoutCheck: () => assert.fail('it was not replaced'),
  destroy: () => {},
}

function queueOf(pending: unknown[], throttledUntil: number): RequestQueue & { checks: number } {
  const queue = {
    ...still,
    pending,
    throttledUntil,
    checks: 0,
    checkPendingRequests: () => void queue.checks++,
  }
  checkOnlyIfWaiting(queue)
  return queue
}

test('nothing is set for an empty queue', () => {
  const queue = queueOf([], -1)
  queue.scheduleCheckPendingRequests()
  assert.equal(queue.throttleCheckTimeoutId, null)
})

test('a queue in which something waits is checked soon, and once; a throttled one when its pause ends', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 })
  const full = queueOf([{}], -1)
  full.scheduleCheckPendingRequests()
  full.scheduleCheckPendingRequests()
  t.mock.timers.tick(10)
  assert.deepEqual([full.checks, full.throttleCheckTimeoutId], [1, null])
  const throttled = queueOf([{}], 1_000_510)
  throttled.scheduleCheckPendingRequests()
  t.mock.timers.tick(499)
  assert.equal(throttled.checks, 0)
  t.mock.timers.tick(1)
  assert.equal(throttled.checks, 1)
})

/** Connections with requests sent so long ago, each of which may take 10 s; those that were given up. */
function connections(agesMs: readonly number[]): { queues: RequestQueue[]; late: number[]; ended: number[] } {
  const late: number[] = []
  const ended: number[] = []
  const now = Date.now()
  const queues = agesMs.map((ageMs, index) => {
    const request = { sentAt: now - ageMs, requestTimeout: 10_000, timeoutRequest: () => late.push(index) }
    const destroy = () => ended.push(index)
    const queue: RequestQueue = { ...still, inflight: new Map([[1, request]]), destroy }
    checkTogether(queue)
    return queue
  })
  return { queues, late, ended }
}

/** They look once everything that has arrived is read. */
async function look(t: TestContext, afterMs: number): Promise<void> {
  t.mock.timers.tick(afterMs)
  await new Promise(setImmediate)
}

test('requests of all connections are looked at once a second, and given up after their time', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000_000 })
  const { queues, late } = connections([0, 9_500, 0])
  for (const queue of queues) queue.scheduleRequestTimeoutCheck()
  await look(t, 999)
  assert.deepEqual(late, [])
  await look(t, 1)
  assert.deepEqual(late, [1])
  queues[2]?.destroy()
  await look(t, 10_000)
  assert.deepEqual([...new Set(late)].sort(), [0, 1])
  for (const queue of queues) queue.destroy()
})

test('a request that goes unanswered ends its connection, if there still is one', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000_000 })
  const { queues, late } = connections([9_500, 9_500])
  const reasons: string[] = []
  const [open, gone] = queues
  assert.ok(open && gone)
  open.breakOff = (sinceMs, { message }) => reasons.push(`${Date.now() - sinceMs} ms: ${message}`) > 0
  gone.breakOff = () => false
  for (const queue of queues) queue.scheduleRequestTimeoutCheck()
  await look(t, 1_000)
  assert.deepEqual(reasons, ['10500 ms: no answer within 10000 ms'])
  assert.deepEqual(late, [1])
  for (const queue of queues) queue.destroy()
})

const fresh = () => ({
  requestQueue: { ...still },
  chunks: [] as Buffer[],
  bytesBuffered: 0,
  bytesNeeded: 4,
  isConnected: () => false,
  connect: async () => true,
  processData: () => {},
})

test('a connection that was cut in the middle of an answer begins from scratch; bytes that are no answer end it alone', async () => {
  const socket = new Socket().on('error', () => {})
  const cut = { chunks: [Buffer.from('part')], bytesBuffered: 4, bytesNeeded: 100 }
  const noAnswer = new RangeError('no answer')
  const processData = () => {
    throw noAnswer
  }
  const connection: Connection = { ...fresh(), ...cut, processData, socket }
  beginFromScratch(connection)
  await connection.connect()
  const { chunks, bytesBuffered, bytesNeeded } = connection
  assert.deepEqual({ chunks, bytesBuffered, bytesNeeded }, { chunks: [], bytesBuffered: 0, bytesNeeded: 4 })
  const open: Connection = { ...fresh(), ...cut, isConnected: () => true }
  beginFromScratch(open)
  await open.connect()
  assert.equal(open.bytesNeeded, 100, 'a connection that is there keeps what has come')
  connection.processData(Buffer.from('what is no answer'))
  assert.equal(socket.errored, noAnswer)
})

test('the socket of a connection is what is ended', async () => {
  const socket = new Socket().on('error', () => {})
  const connection: Connection = { ...fresh(), socket }
  endWhenUnanswered(connection)
  await connection.connect()
  assert.equal(connection.requestQueue.breakOff?.(0, new Error('late')), true)
  assert.equal(socket.errored?.message, 'late')
  assert.equal(connection.requestQueue.breakOff?.(0, new Error('late again')), false)
})

test('a connection that is closed is not looked at any more once its requests have ended', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000_000 })
  const { queues, late, ended } = connections([0])
  const [queue] = queues
  assert.ok(queue)
  queue.scheduleRequestTimeoutCheck()
  assert.deepEqual(ended, [0])
  queue.isConnected = () => false
  await look(t, 11_000)
  assert.deepEqual([late.length > 0, ended], [true, [0]])
  ;(queue.inflight as Map<number, unknown>).clear()
  await look(t, 1_000)
  assert.deepEqual(ended, [0, 0])
  await look(t, 10_000)
  assert.deepEqual(ended, [0, 0])
})

test('an answer that came while the process stood still is read before its request is given up', async (t) => {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [broker] = (await once(server, 'connection')) as [Socket]
  const late: string[] = []
  const request = {
    sentAt: Date.now(),
    requestTimeout: 100,
    timeoutRequest: () => void late.push('given up'),
  }
  const inflight = new Map([[1, request]])
  const queue: RequestQueue = { ...still, requestTimeout: 100, inflight }
  checkTogether(queue)
  t.after(() => {
    queue.destroy()
    for (const each of [socket, broker]) each.destroy()
    server.close()
  })
  broker.write('the connection is read')
  await once(socket, 'data')
  queue.scheduleRequestTimeoutCheck()
  socket.once('data', () => inflight.clear())
  broker.write('an answer')
  // Nothing is read meanwhile.
  const untilMs = performance.now() + 300
  while (performance.now() < untilMs);
  await once(socket, 'data')
  await new Promise(setImmediate)
  assert.deepEqual(late, [])
  inflight.set(2, request)
  await eventually('one that is not answered is given up', () => late.length > 0)
})

test('a pause that a quota makes is logged if it is long, and once a minute', () => {
  const [logged, paused]: [object[], unknown[]] = [[], []]
  const queue: RequestQueue = {
    ...still,
    logger: { error: (_, fields) => void logged.push(fields) },
    maybeThrottle: (throttleMs) => void paused.push(throttleMs),
  }
  noteThrottling(queue)
  const pauses = [undefined, null, 0, 999, 1_000, 30_000]
  for (const throttleMs of pauses) queue.maybeThrottle(throttleMs)
  assert.deepEqual(paused, pauses)
  assert.deepEqual(logged, [{ broker: 'kafka:9092', throttleMs: 1_000 }])
})
