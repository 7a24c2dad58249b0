// Server-sent events of the gateway, with clients nobody here wrote: the package `eventsource`, and curl.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { EventSource, type ErrorEvent } from 'eventsource'
import { taskEventTypes, type TaskEvent } from '../../api/task-events.ts'
import { HttpClient } from '../../client/http/client.ts'
import type { StreamedEvent } from '../../client/types.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { freePort } from '../infra/port.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'

const run = promisify(execFile)

/** A long answer, in pieces of 24 characters. */
const STORY = Array.from({ length: 40 }, (_, index) => `This is sentence ${index}.`).join(' ')
const storyteller = {
  script: ({ task }: { task: string }) => (task.includes('story') ? { text: STORY } : undefined),
}

/** What a page shows of the text: deltas, what was taken back, whole answers. */
function textOf(events: readonly StreamedEvent[]): { readonly done: string[]; readonly draft: string } {
  const done: string[] = []
  let draft = ''
  for (const event of events) {
    if (event.type === 'text.delta') draft += event.text
    if (event.type === 'text.retracted') draft = ''
    if (event.type === 'model.answered') {
      done.push(event.text)
      draft = ''
    }
  }
  return { done, draft }
}

const ids = (events: readonly StreamedEvent[]): string[] => events.flatMap(({ id }) => id ?? [])

async function all(events: AsyncIterable<StreamedEvent>): Promise<StreamedEvent[]> {
  const found: StreamedEvent[] = []
  for await (const event of events) found.push(event)
  return found
}

describe('a gateway', () => {
  let fleet: TestFleet
  let url: string
  let client: HttpClient
  before(async () => {
    const env = { FLOTILLA_STREAM_HEARTBEAT_MS: '100', FLOTILLA_MAX_STREAMS_PER_CLIENT: '50' }
    fleet = await startTestFleet({ http: true, model: storyteller, env })
    url = fleet.process.url as string
    client = new HttpClient(url)
  })
  after(async () => {
    await client?.close()
    await fleet?.stop()
  })

  const submit = (taskId: string, more: object = {}) =>
    fleet.client.submit({ text: `say hi task=${taskId}`, taskId, ...more })

  const open = (path: string, headers = {}): Promise<IncomingMessage> => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    get(url + path, { agent: false, headers }, resolve).on('error', reject)
    return promise
  }

  test('EventSource: every event by its name, to the result; then it is answered 204 and asks no more', async () => {
    const source = new EventSource(`${url}/v1/tasks/es/events?early=true`)
    const events: TaskEvent[] = []
    for (const type of taskEventTypes)
      source.addEventListener(type, ({ data }) => events.push(JSON.parse(String(data)) as TaskEvent))
    const over = Promise.withResolvers<number | undefined>()
    source.addEventListener('error', ({ code }: ErrorEvent) => {
      if (source.readyState === source.CLOSED) over.resolve(code)
    })
    await eventually('it is open', () => source.readyState === source.OPEN)
    await submit('es')
    assert.equal(await over.promise, 204)
    const types = events.map(({ type }) => type)
    assert.equal(types.at(-1), 'result')
    assert.equal(types.filter((type) => type === 'model.answered').length, 2)
    assert.equal(types.filter((type) => type === 'result').length, 1)
  })

  test('curl: the headers at once, comments while nothing happens, and a close behind the result', async () => {
    const asked = run('curl', ['-sSNi', '--max-time', '60', `${url}/v1/tasks/curl/events?early=true`])
    let read = ''
    asked.child.stdout?.on('data', (piece: string) => (read += piece))
    await eventually('a comment', () => read.includes('\n: alive\n\n'))
    await submit('curl')
    const { stdout } = await asked
    const [head = '', ...body] = stdout.split('\r\n\r\n')
    assert.match(head, /^HTTP\/1.1 200/)
    assert.match(head, /content-type: text\/event-stream/i)
    assert.match(head, /cache-control: no-store/i)
    assert.match(head, /x-accel-buffering: no/i)
    const text = body.join('\r\n\r\n')
    assert.match(text, /^retry: \d+\n\n/)
    assert.match(text, /\n: alive\n\n/)
    assert.match(text, /\nid: \d+:\d+\nevent: result\ndata: \{.*\}\n\n$/)
    const last = /id: (\S+)\nevent: result/.exec(text)?.[1] as string
    const again = ['-sS', '-o', '-', '-w', '%{http_code}', '-H', `Last-Event-ID: ${last}`]
    assert.equal((await run('curl', [...again, `${url}/v1/tasks/curl/events`])).stdout, '204')
    const head2 = await run('curl', ['-sSI', `${url}/v1/tasks/curl/events`])
    assert.match(head2.stdout, /^HTTP\/1.1 404/, 'HEAD gets no stream')
  })

  test('the same events over HTTP and over the log, from any id on', async () => {
    await submit('same', { text: 'write Python task=same', mode: 'code' })
    const live = await all(client.events('same'))
    const [overHttp, overLog] = await Promise.all([
      all(client.events('same')),
      all(fleet.client.events('same')),
    ])
    assert.deepEqual(overHttp, overLog)
    assert.deepEqual(
      live.filter(({ id }) => id !== null),
      overLog,
    )
    const types = overLog.map(({ type }) => type)
    for (const type of ['code', 'tool.requested', 'tool.completed', 'code.output'] as const)
      assert.ok(types.includes(type), `${type} among ${types.join()}`)
    const after = overLog[4]?.id as string
    const rest = await all(client.events('same', { after }))
    assert.deepEqual(
      rest.filter(({ id }) => id !== null),
      overLog.slice(5),
    )
  })

  test('what can’t be is refused: an id of another stream, a task that nobody submitted', async () => {
    await submit('bad')
    await fleet.client.result('bad', { timeoutMs: 120_000 })
    const home = homeOf('bad', 4)
    for (const after of ['banana', `${(home + 1) % 4}:1`, '-']) {
      const answer = await fetch(`${url}/v1/tasks/bad/events?after=${after}`)
      assert.equal(answer.status, 400)
      assert.match(await answer.text(), /REQUEST_INVALID.*must be the id of an event/)
    }
    assert.equal((await fetch(`${url}/v1/tasks/nobody/events`)).status, 404)
    assert.equal((await fetch(`${url}/v1/events?type=nothing`)).status, 400)
    assert.equal((await fetch(`${url}/v1/events?after=banana`)).status, 400)
  })

  test('a feed: all tasks, by user, agent, type and the beginning of the id', async () => {
    const seen = new Map<string, StreamedEvent[]>()
    const feeds = {
      all: {},
      ana: { user: 'ana' },
      ends: { type: 'task.completed' },
      task: { task: 'feed-b' },
      agent: { agent: 'nobody' },
    }
    const streams = Object.entries(feeds).map(([name, filter]) => {
      const events: StreamedEvent[] = []
      seen.set(name, events)
      const stream = client.feed(filter)
      void (async () => {
        for await (const event of stream) events.push(event)
      })()
      return stream
    })
    const of = (name: string) => (seen.get(name) ?? []).filter(({ type }) => type !== 'feed.position')
    await eventually('all are open', () => [...seen.values()].every(({ length }) => length > 0))
    await submit('feed-a', { userId: 'ana' })
    await submit('feed-b', { userId: 'ben' })
    const tasks = (name: string) => [...new Set(of(name).map((event) => 'taskId' in event && event.taskId))]
    // Each stream comes by itself.
    const hasEnd = (name: string, count: number) =>
      of(name).filter(({ type }) => type === 'task.completed').length === count
    await eventually('each stream has its ends', () =>
      [hasEnd('all', 2), hasEnd('ends', 2), hasEnd('ana', 1), hasEnd('task', 1)].every(Boolean),
    )
    assert.ok(of('all').length >= 20)
    assert.deepEqual(tasks('all').toSorted(), ['feed-a', 'feed-b'])
    assert.deepEqual(tasks('ana'), ['feed-a'])
    assert.deepEqual(tasks('task'), ['feed-b'])
    assert.deepEqual(tasks('agent'), [])
    assert.ok(!of('all').some(({ type }) => type === 'result' || type === 'text.delta'))
    for (const stream of streams) await stream[Symbol.asyncDispose]()
  })

  test('a reader that takes nothing is dropped, and another of the same task misses nothing', async () => {
    const slow = await open('/v1/tasks/slow/events?early=true')
    slow.pause()
    const gone = Promise.withResolvers<void>()
    slow.once('close', gone.resolve).once('error', () => {})
    const quick = all(client.events('slow', { early: true }))
    const { log, codec } = fleet.process
    const large = 'x'.repeat(100_000)
    // More than the buffers of both kernels, and those of both processes.
    const COUNT = 200
    const home = homeOf('slow', 4)
    const publish = async (kind: 'admitted' | 'tool_called') => {
      const detail = { callId: 'c', tool: 'echo', output: large }
      const data = { taskId: 'slow', stage: 'router', kind, step: 1, atMs: Date.now(), detail }
      const value = codec.encode('TaskProgressed', data, 'tasks.history')
      const headers = { 'flotilla-schema': 'TaskProgressed' }
      await log.publish([{ topic: 'tasks.history', partition: home, key: 'slow', value, headers }])
    }
    await publish('admitted')
    for (let sent = 0; sent < COUNT; sent++) await publish('tool_called')
    await submit('slow')
    const events = await quick
    assert.equal(events.filter(({ type }) => type === 'tool.completed').length, COUNT + 1)
    assert.equal(new Set(ids(events)).size, ids(events).length)
    slow.resume()
    await gone.promise
    assert.equal(slow.complete, false, 'it was cut off')
  })
})

describe('kill -9 of gateway and planner, which are one process, in mid-stream', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-events-'))
  let model: ScriptedModel
  let fleet: ServiceProcess
  let start: () => Promise<ServiceProcess>
  before(async () => {
    model = await startScriptedModel(storyteller)
    const port = await freePort()
    start = async () => {
      const env = { FLOTILLA_DATA: dataDir, FLOTILLA_PARTITIONS: '3', FLOTILLA_SCRIPTED_URL: model.url }
      const started = await startServices([], { port, env })
      await started.ready()
      return started
    }
    fleet = await start()
  })
  after(async () => {
    await fleet?.kill9()
    await model?.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  test('every event of the log comes once, and the half of the story that was shown is taken back', async () => {
    const breaks: Error[] = []
    const client = new HttpClient(fleet.url, { onReconnect: (reason) => breaks.push(reason) })
    await client.submit({ text: 'tell a story pace=150', taskId: 'story', mode: 'tools' })
    const events: StreamedEvent[] = []
    const feed: StreamedEvent[] = []
    const stories = client.feed()
    void (async () => {
      for await (const event of stories) feed.push(event)
    })()
    const reading = (async () => {
      for await (const event of client.events('story')) events.push(event)
    })()
    await eventually('some of the story was shown', () => textOf(events).draft.length > 60)
    await fleet.kill9()
    const shownBefore = textOf(events).draft
    assert.ok(STORY.startsWith(shownBefore) && shownBefore.length < STORY.length)
    fleet = await start()
    await eventually('the story begins again', () => {
      const { draft } = textOf(events)
      assert.ok(STORY.startsWith(draft), `shown: ${draft}`)
      return breaks.length > 0 && draft.length > 60
    })
    await reading
    assert.deepEqual(textOf(events), { done: [STORY], draft: '' })
    const retracted = events.findIndex(({ type }) => type === 'text.retracted')
    assert.ok(retracted > 0)
    assert.equal(new Set(ids(events)).size, ids(events).length)
    const whole = await all(client.events('story'))
    assert.deepEqual(ids(events), ids(whole))
    await eventually('the feed has its end', () => feed.some(({ type }) => type === 'task.completed'))
    const ends = feed.filter(({ type }) => type !== 'feed.position').map(({ type }) => type)
    assert.deepEqual(ends.filter((type) => type === 'task.completed').length, 1)
    await client.close()
  })
})
