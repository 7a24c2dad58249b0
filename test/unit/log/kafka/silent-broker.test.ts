// Brokers that say nothing, on loopback: whose connections are closed, which are refused, and when that is over.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { BrokerSockets, giveUp } from '../../../../runtime/log/kafka/connection/silent-broker.ts'
import { Sockets } from '../../../../runtime/log/kafka/connection/socket.ts'
import { eventually } from '../../../conformance/waiting.ts'

const PATIENT_MS = 60_000

/** `open` resolves with a connection once it stands; `accepted` has the other sides of all. */
async function broker(t: TestContext, limitMs = PATIENT_MS) {
  const accepted: Socket[] = []
  const server = createServer((socket) => void accepted.push(socket.on('error', () => {})))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const sockets = new BrokerSockets('kafka:9092', limitMs)
  t.after(() => {
    sockets.close(new Error('the test is over'))
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  const begin = (): Socket => {
    const opening = { connect: (on: () => void) => connect(port, '127.0.0.1', on), onConnect: () => {} }
    return sockets.open(opening).on('error', () => {})
  }
  const open = async (): Promise<Socket> => {
    const count = accepted.length + 1
    const socket = begin()
    await once(socket, 'connect')
    await eventually('it is accepted', () => accepted.length === count)
    return socket
  }
  const fallSilent = async (): Promise<void> => giveUp(await open(), Date.now(), new Error('no answer'))
  return { accepted, port, server, begin, open, fallSilent }
}

const REFUSED = 'kafka:9092 does not answer'

async function reasonOf(socket: Socket): Promise<string> {
  const [error] = (await once(socket, 'error')) as [Error]
  return error.message
}

test('nothing has come since the request: every connection to the broker is closed', async (t) => {
  const { open } = await broker(t)
  const [asked, other] = [await open(), await open()]
  const reasons = Promise.all([reasonOf(asked), reasonOf(other)])
  giveUp(asked, Date.now(), new Error('no answer'))
  assert.deepEqual(await reasons, ['no answer', 'no answer'])
})

test('something has come since on another connection: only that one is closed', async (t) => {
  const { open, accepted } = await broker(t)
  const [asked, other] = [await open(), await open()]
  const sentMs = Date.now() - 1
  accepted[1]?.write('x')
  await once(other, 'data')
  const reason = reasonOf(asked)
  giveUp(asked, sentMs, new Error('no answer'))
  assert.equal(await reason, 'no answer')
  assert.equal(other.destroyed, false)
  await open()
})

test('connections to a silent broker are refused while one probe waits; its answer ends that', async (t) => {
  const { accepted, begin, open, fallSilent } = await broker(t)
  await fallSilent()
  assert.equal(await reasonOf(begin()), REFUSED)
  assert.equal(await reasonOf(begin()), REFUSED)
  await eventually('it is probed', () => accepted.length === 2)
  const [probe] = accepted.slice(-1)
  assert.ok(probe)
  const [asked] = (await once(probe, 'data')) as [Buffer]
  assert.deepEqual([asked.readInt32BE(0), asked.readInt16BE(4)], [asked.length - 4, 18])
  assert.equal(await reasonOf(begin()), REFUSED)
  assert.equal(accepted.length, 2)
  const closed = once(probe, 'close')
  probe.write('x')
  await closed
  await open()
})

test('a probe that is not answered is closed after its time, and made again', async (t) => {
  const { accepted, begin, fallSilent } = await broker(t, 200)
  await fallSilent()
  assert.equal(await reasonOf(begin()), REFUSED)
  await eventually('it is probed', () => accepted.length === 2)
  const [probe] = accepted.slice(-1)
  assert.ok(probe)
  await once(probe.resume(), 'close')
  await eventually('it is probed again', () => {
    begin()
    return accepted.length > 2
  })
  await eventually('a greeting comes', () => (accepted[2]?.resume().bytesRead ?? 0) > 0)
})

test('a broker that refuses the probe is not silent', async (t) => {
  const { server, begin, fallSilent } = await broker(t)
  await fallSilent()
  server.close()
  await eventually('it is refused by the system', async () =>
    (await reasonOf(begin())).includes('ECONNREFUSED'),
  )
})

test('a broker that does not finish a connection in time is silent', async (t) => {
  const { port } = await broker(t)
  const sockets = new BrokerSockets('kafka:9092', 50)
  t.after(() => sockets.close(new Error('the test is over')))
  const opening = { connect: () => connect(port, '127.0.0.1'), onConnect: () => {} }
  assert.match(await reasonOf(sockets.open(opening)), /no connection within 50 ms/)
  assert.equal(await reasonOf(sockets.open(opening)), REFUSED)
})

test('of several brokers to begin with, the one that was heard from last comes first', async (t) => {
  const { port, accepted } = await broker(t)
  const sockets = new Sockets(PATIENT_MS, undefined)
  t.after(() => sockets.close())
  const names = ['kafka-1:9092', 'kafka-2:9092', `127.0.0.1:${port}`]
  assert.deepEqual(sockets.byLastHeard(names), names)
  const socket = sockets.open({ host: '127.0.0.1', port, onConnect: () => {} }).on('error', () => {})
  await eventually('it is accepted', () => accepted.length === 1)
  accepted[0]?.write('x')
  await once(socket, 'data')
  assert.deepEqual(sockets.byLastHeard(names), [`127.0.0.1:${port}`, 'kafka-1:9092', 'kafka-2:9092'])
})

/** Nothing is read meanwhile, as in a process that is stopped, or waits for a processor. */
function standStill(forMs: number): void {
  const untilMs = performance.now() + forMs
  while (performance.now() < untilMs);
}

test('a process that stood still reads what came meanwhile before it gives a connection up', async (t) => {
  const { open, begin } = await broker(t, 400)
  const other = await open()
  const opening = begin()
  standStill(900)
  await once(opening, 'connect')
  assert.equal(other.destroyed, false)
  await open()
})
