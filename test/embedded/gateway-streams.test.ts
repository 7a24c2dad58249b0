// Streams of the HTTP API: a client that leaves, however it leaves, leaves nothing behind; one that stays gets the state.
import assert from 'node:assert/strict'
import { get, type IncomingMessage } from 'node:http'
import { after, before, test } from 'node:test'
import { connect } from '../../client/connect.ts'
import type { TaskUpdate } from '../../client/types.ts'
import { gateway } from '../../services/gateway/main.ts'
import type { Log } from '../../runtime/log/port.ts'
import { loadServices } from '../../services/index.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
/** Tails of the gateway that are open. */
let tails = 0
let opened = 0

function counting(log: Log): Log {
  const tail: Log['tail'] = (options, handler) => {
    const inner = log.tail(options, handler)
    tails++
    opened++
    let isOpen = true
    const close = () => {
      if (isOpen) tails--
      isOpen = false
      return inner.close()
    }
    return { ready: inner.ready, close }
  }
  return { ...log, tail }
}

before(async () => {
  const counted = {
    ...gateway,
    routes: (...[app, context]: Parameters<NonNullable<typeof gateway.routes>>) =>
      gateway.routes?.(app, { ...context, log: counting(context.log) }) ?? Promise.resolve(),
  }
  const services = (await loadServices()).map((service) => (service.name === 'gateway' ? counted : service))
  const env = {
    FLOTILLA_STREAM_HEARTBEAT_MS: '100',
    FLOTILLA_STREAM_SILENT_MS: '1000',
    FLOTILLA_MAX_STREAMS: '40',
    FLOTILLA_MAX_STREAMS_PER_CLIENT: '30',
  }
  fleet = await startTestFleet({ http: true, services, env })
})
after(() => fleet.stop())

const headers = { 'content-type': 'application/json' }

async function open(path: string): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  get(`${fleet.process.url}${path}`, { headers, agent: false }, resolve).on('error', reject)
  return promise
}

test('streams that are dropped close their tails at once, also where nothing ever comes', async () => {
  const paths = [
    '/v1/tasks/none/updates?early=true',
    '/v1/results',
    '/v1/results?from=earliest',
    '/v1/results?group=dropped',
  ]
  for (const path of paths) {
    const streams = await Promise.all(Array.from({ length: 10 }, () => open(path)))
    await eventually(`tails of ${path} are open`, () => tails > 0)
    for (const stream of streams) stream.destroy()
    await eventually(`no tail of ${path} is left`, () => tails === 0)
  }
})

test('all who follow tasks share one tail, and all who follow results another', async () => {
  const before = opened
  const streams = await Promise.all([
    ...Array.from({ length: 10 }, (_, index) => open(`/v1/tasks/none-${index}/updates?early=true`)),
    ...Array.from({ length: 10 }, () => open('/v1/results')),
  ])
  await eventually('both are open', () => opened - before >= 2)
  assert.equal(opened - before, 2)
  for (const stream of streams) stream.destroy()
  await eventually('no tail is left', () => tails === 0)
})

test('a stream that has ended by itself leaves nothing either', async () => {
  const { taskId } = await fleet.client.submit({ text: 'task=ended' })
  await fleet.client.result(taskId, { timeoutMs: 120_000 })
  await (await open(`/v1/tasks/${taskId}/updates`)).toArray()
  await eventually('no tail is left', () => tails === 0)
})

test('more streams than one address, or the process, may open: 503 with Retry-After; then there is room again', async () => {
  const streams = await Promise.all(Array.from({ length: 30 }, () => open('/v1/results')))
  const refused = await open('/v1/results')
  assert.deepEqual([refused.statusCode, refused.headers['retry-after']], [503, '5'])
  const { error } = JSON.parse(Buffer.concat(await refused.toArray()).toString()) as {
    error: { code: string }
  }
  assert.equal(error.code, 'TOO_MANY_STREAMS')
  for (const stream of streams) stream.destroy()
  await eventually('there is room', async () => {
    const next = await open('/v1/results')
    next.destroy()
    return next.statusCode === 200
  })
})

test('empty lines come while nothing happens', async () => {
  const stream = await open('/v1/results')
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await eventually('three came', () => text.length >= 3)
  assert.match(text, /^\n+$/)
  stream.destroy()
})

test('a stream of a task that nobody has heard of ends, and says why', async () => {
  const text = Buffer.concat(await (await open('/v1/tasks/unheard/updates?early=true')).toArray()).toString()
  const { error } = JSON.parse(text) as { error: { code: string; message: string } }
  assert.equal(error.code, 'STREAM_SILENT')
  assert.match(error.message, /for 1 s/)
})

test('a client follows a task that begins later than a stream stays silent', async () => {
  const client = await connect({ url: fleet.process.url as string })
  const kinds: TaskUpdate['kind'][] = []
  const following = (async () => {
    for await (const { kind } of client.watch('late', { early: true })) kinds.push(kind)
  })()
  const before = opened
  await eventually('its stream was ended and opened again', () => opened > before)
  await client.submit({ text: 'task=late', taskId: 'late' })
  await following
  assert.equal(kinds.at(-1), 'result')
  await client.close()
})

test('500 requests may wait for results: others are told to come again, and those that go make room', async () => {
  const stop = new AbortController()
  await fetch(`${fleet.process.url}/v1/tasks`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ text: 'task=slow latency=3600000', taskId: 'slow', timeoutMs: 3_600_000 }),
  })
  const wait = () => {
    const { promise, resolve } = Promise.withResolvers<IncomingMessage | null>()
    const url = `${fleet.process.url}/v1/tasks/slow/result?wait=30`
    get(url, { agent: false, signal: stop.signal }, resolve).on('error', () => resolve(null))
    return promise
  }
  // The requests that ask how it stands may take slots too.
  const waiting = Array.from({ length: 520 }, wait)
  await eventually('no more may wait', async () => {
    const answer = await fetch(`${fleet.process.url}/v1/tasks/slow/result?wait=0.01`)
    return answer.status === 503 && answer.headers.get('retry-after') === '5'
  })
  const submitted = await fetch(`${fleet.process.url}/v1/tasks?wait=20`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ text: 'task=unwaited' }),
  })
  assert.equal(submitted.status, 202, 'a task is taken all the same')
  stop.abort()
  await Promise.all(waiting)
  await eventually('there is room', async () => {
    const answer = await fetch(`${fleet.process.url}/v1/tasks/slow/result?wait=0.01`)
    return answer.status === 204
  })
})
