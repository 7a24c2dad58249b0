// A client over HTTP goes on by itself when its connection breaks, however it breaks, and misses nothing.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, connect as connectTo, type Socket } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import type { TaskUpdate } from '../../client/types.ts'
import { eventually } from '../conformance/waiting.ts'
import { freePort } from '../infra/port.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'

/** Collects what a stream gives, until it ends. */
function collect<T>(items: AsyncIterable<T>): { readonly items: T[]; readonly done: Promise<void> } {
  const seen: T[] = []
  const read = async () => {
    for await (const item of items) seen.push(item)
  }
  return { items: seen, done: read() }
}

const stepsIn = (updates: readonly TaskUpdate[]): number[] =>
  updates.flatMap((update) =>
    update.kind === 'progress' && update.event.kind === 'step_completed' ? [update.event.step ?? 0] : [],
  )

describe('a gateway that is killed or drained, and started again', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-reconnect-'))
  let fleet: ServiceProcess
  let start: () => Promise<ServiceProcess>

  before(async () => {
    const port = await freePort()
    start = async () => {
      const started = await startServices([], {
        port,
        env: { FLOTILLA_DATA: dataDir, FLOTILLA_PARTITIONS: '3' },
      })
      await started.ready()
      return started
    }
    fleet = await start()
  })
  after(async () => {
    await fleet.kill9()
    rmSync(dataDir, { recursive: true, force: true })
  })

  for (const [how, stop] of [
    ['killed', () => fleet.kill9()],
    ['drained', () => fleet.drain()],
  ] as const)
    test(`${how}: every result comes once, and a task is followed to its end`, async () => {
      const lost: Error[] = []
      const client = new HttpClient(fleet.url, { onReconnect: (reason) => lost.push(reason) })
      const submit = (name: string, more = '') =>
        client.submit({ text: `task=${name} ${more}`, taskId: name, mode: 'tools' })
      const results = collect(client.results())
      const other = new HttpClient(fleet.url)
      await eventually('the stream is open', async () => {
        await other.submit({ text: `task=${how}-probe`, mode: 'tools' })
        return results.items.length > 0
      })
      await submit(`${how}-slow`, 'latency=1000')
      const updates = collect(client.watch(`${how}-slow`))
      const waiting = client.result(`${how}-slow`, { timeoutMs: 120_000 })
      await eventually('the task has begun', () => updates.items.length > 0)
      await stop()
      fleet = await start()
      await submit(`${how}-after`)
      await updates.done
      assert.equal(updates.items.at(-1)?.kind, 'result')
      assert.deepEqual(stepsIn(updates.items), [1, 2])
      assert.equal((await waiting).output, `done ${how}-slow`)
      const names = () => results.items.map(({ taskId }) => taskId).filter((id) => id.startsWith(`${how}-`))
      await eventually('both results came', () => names().length >= 2)
      assert.deepEqual(names().toSorted(), [`${how}-after`, `${how}-slow`])
      assert.ok(lost.length > 0)
      await Promise.all([client.close(), other.close(), results.done])
    })
})

/** Passes bytes to the gateway. Connections that go quiet stay open, and pass nothing any more. */
async function startProxy(port: number) {
  const sockets = new Set<Socket>()
  const answered = new Set<Socket>()
  const quiet = new Set<Socket>()
  const server = createServer((near) => {
    const far = connectTo(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        sockets.delete(socket)
        answered.delete(socket)
      })
    }
    near.on('data', (bytes) => quiet.has(near) || far.write(bytes))
    far.on('data', (bytes) => {
      if (quiet.has(near)) return
      answered.add(near)
      near.write(bytes)
    })
    far.once('close', () => near.destroy())
    near.once('close', () => far.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Open connections that the gateway has answered on. */
    answered: () => answered.size,
    silence: () => sockets.forEach((socket) => quiet.add(socket)),
    cut: () => sockets.forEach((socket) => socket.destroy()),
    stop: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

describe('a connection that breaks or goes quiet', () => {
  let fleet: TestFleet
  let proxy: Awaited<ReturnType<typeof startProxy>>

  before(async () => {
    fleet = await startTestFleet({ http: true, env: { FLOTILLA_STREAM_HEARTBEAT_MS: '100' } })
    proxy = await startProxy(Number(new URL(fleet.process.url ?? '').port))
  })
  after(async () => {
    proxy.stop()
    await fleet.stop()
  })

  const run = async (name: string): Promise<void> => {
    await fleet.client.submit({ text: `task=${name}`, taskId: name })
    await fleet.client.result(name, { timeoutMs: 120_000 })
  }

  for (const [how, start] of [
    ['cut', () => proxy.cut()],
    ['quiet', () => proxy.silence()],
  ] as const)
    test(`${how}: what came meanwhile comes behind it, once; also if nothing had come before`, async () => {
      let reconnects = 0
      const client = new HttpClient(proxy.url, { quietMs: 500, onReconnect: () => reconnects++ })
      const results = collect(client.results())
      const updates = collect(client.watch(`${how}-watched`, { early: true }))
      await eventually('both streams are open', () => proxy.answered() >= 2)
      start()
      await run(`${how}-watched`)
      await run(`${how}-1`)
      await updates.done
      await eventually('the results came', () => results.items.length >= 2)
      await run(`${how}-2`)
      await eventually('the last one came', () => results.items.length >= 3)
      assert.deepEqual(results.items.map(({ taskId }) => taskId).toSorted(), [
        `${how}-1`,
        `${how}-2`,
        `${how}-watched`,
      ])
      assert.deepEqual(stepsIn(updates.items), [1, 2])
      assert.ok(reconnects > 0)
      await client.close()
      await results.done
    })

  test('a quiet day: heartbeats keep the stream, however long no result comes', async () => {
    let reconnects = 0
    // Many heartbeats, so that a process that stalls for a moment does not miss all of them.
    const client = new HttpClient(proxy.url, { quietMs: 4_000, onReconnect: () => reconnects++ })
    const results = collect(client.results())
    const until = Date.now() + 9_000
    await eventually('quiet for several times as long as a dead connection may be', () => Date.now() > until)
    await run('after-a-quiet-day')
    await eventually('it came', () => results.items.length === 1)
    assert.equal(reconnects, 0)
    await client.close()
  })

  test('no gateway comes back: GATEWAY_UNAVAILABLE, no raw error', async () => {
    const gone = await startProxy(Number(new URL(fleet.process.url ?? '').port))
    const client = new HttpClient(gone.url, { reconnectMs: 300 })
    const results = collect(client.results({ from: 'earliest' }))
    await run('before-it-goes')
    await eventually('it is connected', () => results.items.length > 0)
    gone.stop()
    await assert.rejects(results.done, { code: 'GATEWAY_UNAVAILABLE', message: /no gateway answers at/ })
    await client.close()
  })

  test('positions that are none are refused', async () => {
    const response = await fetch(`${fleet.process.url}/v1/results?after=banana`)
    assert.equal(response.status, 400)
    assert.match(await response.text(), /after must be positions such as/)
  })
})
