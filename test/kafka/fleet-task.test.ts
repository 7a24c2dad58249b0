// A whole fleet on real Kafka, registry, Redis and PostgreSQL: every way in, and every way out.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { connect, HttpClient } from '../../client/index.ts'
import type { Client, TaskResult } from '../../client/types.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { externalize } from '../../runtime/codec/claim-check.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Turn } from '../../runtime/scripted-model/conversations.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import type { TaskCompleted } from '../../schemas/generated/events.ts'
import { httpOperator } from '../../operator/http.ts'
import { eventually } from '../conformance/waiting.ts'
import { echo, startTestFleet, type TestFleet } from '../support/fleet.ts'
import { flotilla } from '../support/command.ts'
import { publish } from '../support/kcat.ts'
import { fleetEnvironment } from '../support/servers.ts'

const LIMIT = { timeoutMs: 120_000 }
const env = fleetEnvironment('fleet-task')
const broker = env['KAFKA_BROKERS'] as string
const topic = `${env['FLOTILLA_PREFIX']}.tasks.submitted`
const PARTITIONS = Number(env['FLOTILLA_PARTITIONS'])

const agents = {
  default: { mode: 'tools' as const },
  lead: { mode: 'tools' as const, delegates: ['default'] },
}
/** The lead asks for two at once; every other task is for the bench's script. */
const script = ({ task: text, observations, turn }: Exchange): Turn | undefined => {
  if (text.startsWith('remember'))
    return { text: `told ${text} ${observations}`.replaceAll(/\s+/g, ' ').trim() }
  if (text !== 'ask for two') return undefined
  const ask = (mark: string) => ({ name: 'ask_default', arguments: { task: `say hi task=${mark}` } })
  return turn === 0 ? { toolCalls: [ask('asked-1'), ask('asked-2')] } : { text: 'both answered' }
}
const paid: number[] = []
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({ amount: z.number() }),
  requiresApproval: { needed: 2 },
  run: ({ amount }) => paid.push(amount),
})
const python = 'done = [pay(amount=amount) for amount in (1, 2)]\nfinal_answer(len(done))'
const conversations = [
  {
    title: 'pay',
    task: 'pay two bills',
    mode: 'code' as const,
    turns: [{ text: `Both.\n\`\`\`python\n${python}\n\`\`\`` }],
  },
]

let fleet: TestFleet
let client: Client

before(async () => {
  const definition = { agents, tools: [echo, pay] }
  fleet = await startTestFleet({ env, http: true, definition, model: { script, conversations } })
  client = await connect({ env })
})
after(async () => {
  await client?.close()
  await fleet?.stop()
})

/** Names a task, and the answer that it must get. */
const task = (mark: string) => ({ taskId: `${mark}-${randomUUID()}`, text: `say hi task=${mark}` })
const succeeded = (result: TaskResult, mark: string): void => {
  assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  assert.equal(result.output, `done ${mark}`)
}

test('the process is ready, by every part of it', async () => {
  // A lane may close for a moment and open again while a busy broker settles: ready is what it comes to.
  await eventually('every part is ready', async () => {
    const served = await fetch(`${fleet.process.url}/ready`)
    const { ready, parts } = (await served.json()) as { ready: boolean; parts: { name: string }[] }
    assert.equal(served.status, ready ? 200 : 503)
    assert.ok(parts.length > 5)
    return ready
  })
})

test('by the client library', async () => {
  const { taskId } = await client.submit(task('library'))
  const result = await client.result(taskId, LIMIT)
  succeeded(result, 'library')
  assert.deepEqual(
    result.steps.flatMap(({ toolCalls }) =>
      toolCalls.map(({ tool, status, output }) => [tool, status, output]),
    ),
    [['echo', 'succeeded', 'hi']],
  )
  assert.deepEqual(await client.find(taskId), result)
})

test('Python waits at two calls for two people, who decide by a record and over HTTP', async () => {
  const { taskId } = await client.submit({
    taskId: `bills-${randomUUID()}`,
    text: 'pay two bills',
    mode: 'code',
    timeoutMs: 120_000,
  })
  const { approvals } = httpOperator(fleet.process.url as string)
  const http = new HttpClient(fleet.process.url as string)
  for (const index of [0, 1]) {
    const call = await eventually('it waits for a person', async () =>
      // The ledger may still show the call before as waiting.
      (await approvals.list({ task: taskId })).find(
        ({ status, callId }) => status === 'waiting' && callId.endsWith(`.${index}`),
      ),
    )
    const decision = { taskId, callId: call.callId, approved: true }
    await client.approve({ ...decision, decidedBy: 'ann' })
    await client.approve({ ...decision, decidedBy: 'ann' })
    await eventually('one of two has agreed', async () => {
      const [found] = await approvals.list({ task: taskId })
      return found?.callId === call.callId && (found.votes as unknown[]).length === 1
    })
    assert.equal(paid.length, index)
    await http.approve({ ...decision, decidedBy: 'bo' })
    await eventually('it is paid', () => paid.length === index + 1)
  }
  const result = await client.result(taskId, LIMIT)
  assert.deepEqual([result.status, result.output, paid], ['succeeded', 2, [1, 2]])
  http.close()
})

test('two messages of a session: one after the other, and the second is given what was said before', async () => {
  const sessionId = `talk-${randomUUID()}`
  const first = await client.submit({ text: 'remember one latency=500', sessionId, userId: 'ann' })
  const second = await client.submit({ text: 'two', sessionId, userId: 'ann' })
  const [one, two] = await Promise.all([first, second].map(({ taskId }) => client.result(taskId, LIMIT)))
  assert.deepEqual(
    [one?.output, two?.output],
    ['told remember one latency=500', 'told remember one latency=500 two'],
  )
  assert.ok((two?.steps[0]?.startedAtMs ?? 0) >= (one?.completedAtMs ?? Infinity))
  const { sessions } = httpOperator(fleet.process.url as string)
  await eventually('the ledger has both turns', async () =>
    sessions.get(sessionId).then(
      ({ list }) => list.length === 2 && list.every(({ turn }, index) => turn === index + 1),
      () => false,
    ),
  )
})

test('the same id twice is one task', async () => {
  const twice = task('twice')
  await Promise.all([client.submit(twice), client.submit(twice)])
  succeeded(await client.result(twice.taskId, LIMIT), 'twice')
  await client.submit(twice)
  // Behind it in its partition: once this one is through, a second result of the first would be there.
  const home = homeOf(twice.taskId, PARTITIONS)
  const behind = Array.from({ length: 100 }, () => task('behind')).find(
    ({ taskId }) => homeOf(taskId, PARTITIONS) === home,
  )
  assert.ok(behind)
  await client.submit(behind)
  succeeded(await client.result(behind.taskId, LIMIT), 'behind')
  const records = await fleet.process.log.read('tasks.completed', home, 0, 1_000)
  assert.equal(records.filter(({ key }) => key === twice.taskId).length, 1)
})

test('by HTTP through the gateway', async () => {
  const http = new HttpClient(fleet.process.url as string)
  const { taskId } = await http.submit(task('http'))
  succeeded(await http.result(taskId, LIMIT), 'http')
  await http.close()
})

test('an agent asks another one twice at once: two tasks of their own, which answer it', async () => {
  const { taskId } = await client.submit({ text: 'ask for two', agent: 'lead' })
  const result = await client.result(taskId, LIMIT)
  assert.equal(result.output, 'both answered', JSON.stringify(result.error))
  const calls = result.steps.flatMap(({ toolCalls }) => toolCalls)
  assert.deepEqual(
    calls.map(({ tool, output }) => [tool, output]),
    [
      ['ask_default', 'done asked-1'],
      ['ask_default', 'done asked-2'],
    ],
  )
  for (const [index, { child }] of calls.entries()) {
    const answered = await client.result(child?.taskId ?? '', LIMIT)
    succeeded(answered, `asked-${index + 1}`)
    assert.equal(answered.traceId, result.traceId)
  }
  const { tasks } = httpOperator(fleet.process.url as string)
  await eventually('the tree is in the ledger', async () => (await tasks.tree(taskId)).tasks.length === 3)
})

test('by one line of JSON from kcat, with a key, in a partition that is not its home', async () => {
  const { taskId, text } = task('kcat-key')
  const partition = (homeOf(taskId, PARTITIONS) + 1) % PARTITIONS
  await publish(broker, topic, JSON.stringify({ taskId, text }), { key: taskId, partition })
  succeeded(await client.result(taskId, LIMIT), 'kcat-key')
})

test('by kcat without key or id: named by its place, and answered', async () => {
  await publish(broker, topic, JSON.stringify({ text: 'say hi task=kcat-bare' }))
  for await (const result of client.results({ group: 'bare', from: 'earliest' })) {
    if (result.output !== 'done kcat-bare') continue
    assert.match(result.taskId, /^[0-9a-f]{32}$/)
    break
  }
})

test('what is not a task goes to dead-letters, and the next task runs', async () => {
  await publish(broker, topic, 'anything but a task', { key: 'not-a-task', partition: 0 })
  const letters = () => fetch(`${fleet.process.url}/v1/dead-letters`).then((response) => response.text())
  await eventually('it is among the dead letters', async () => (await letters()).includes('not-a-task'))
  const { taskId } = await client.submit(task('next'))
  succeeded(await client.result(taskId, LIMIT), 'next')
})

test('results() of a consumer group: its members share them, and a later member goes on', async () => {
  const group = 'readers'
  const seen = new Map<string, number>()
  const read = async (results: AsyncIterable<TaskResult>): Promise<void> => {
    for await (const { taskId } of results) seen.set(taskId, (seen.get(taskId) ?? 0) + 1)
  }
  const first = client.results({ group, from: 'earliest' })
  const reading = read(first)
  const wave = async (mark: string): Promise<string[]> =>
    Promise.all(Array.from({ length: 8 }, async () => (await client.submit(task(mark))).taskId))
  const ids = await wave('wave-one')
  await eventually('the first member has its wave', () => ids.every((id) => seen.has(id)))
  await first[Symbol.asyncDispose]()
  await reading
  const later = await wave('wave-two')
  await Promise.all(later.map((id) => client.result(id, LIMIT)))
  await using second = client.results({ group, from: 'earliest' })
  void read(second)
  await eventually('the later member has the second wave', () => later.every((id) => seen.has(id)))
  assert.deepEqual(
    ids.map((id) => seen.get(id)),
    ids.map(() => 1),
    'the position of the group was kept',
  )
})

test('streams that are dropped leave no connection to the brokers behind', async () => {
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  const headers = { 'content-type': 'application/json' }
  const paths = [0, 1, 2, 3, 4].flatMap((n) => [
    `/v1/tasks/none-${n}/updates?early=true`,
    '/v1/results',
    `/v1/results?group=left-${n}`,
  ])
  const before = sockets()
  for (let round = 0; round < 4; round++) {
    const stop = new AbortController()
    const open = async (path: string): Promise<void> => {
      const response = await fetch(`${fleet.process.url}${path}`, { headers, signal: stop.signal })
      assert.equal(response.status, 200)
    }
    await Promise.all(paths.map(open))
    // Five groups with two connections each, and two tails that all share.
    await eventually('all are connected', () => sockets() >= before + 12)
    stop.abort()
    // The first round opens what the process keeps, such as that for searches; four would have left 48 and more.
    await eventually('nothing is left', () => sockets() <= before + 8)
  }
})

test('a result that is too large for the log reaches users whole', async () => {
  const { log, codec, stores } = fleet.process
  const { taskId } = await client.submit(task('large'))
  await client.result(taskId, LIMIT)
  const partition = homeOf(taskId, PARTITIONS)
  const search = { topic: 'tasks.completed', partition, key: taskId, wanted: () => true, sinceMs: 0 } as const
  const record = await log.find(search)
  assert.ok(record?.value)
  const { data } = await codec.decode(record.value, 'tasks.completed')
  const output = 'x'.repeat(500_000)
  const small = await externalize(
    'TaskCompleted',
    { ...(data as TaskCompleted), taskId: `${taskId}-large`, output },
    stores.blobs,
  )
  const value = codec.encode('TaskCompleted', small, 'tasks.completed')
  const key = `${taskId}-large`
  await log.publish([{ ...record, key, partition: homeOf(key, PARTITIONS), value }])
  assert.equal((await client.find(key))?.output, output)
  const bare = await connect({ env: { ...env, DATABASE_URL: '' } })
  await assert.rejects(bare.find(key), { code: 'CONFIG_INVALID', message: /DATABASE_URL/ })
  await bare.close()
})

test('cancel ends a task in the middle of a model call', async () => {
  const { taskId } = await client.submit({ text: 'wait task=cancel latency=60000' })
  await eventually('the model is asked', () => fleet.model.stats().received > fleet.model.stats().answered)
  await client.cancel(taskId, 'no longer needed')
  const result = await client.result(taskId, LIMIT)
  assert.equal(result.status, 'cancelled')
})

test('a batch comes back in the order of its tasks', async () => {
  const tasks = Array.from({ length: 24 }, (_, index) => task(`batch-${index}`))
  const ids: string[] = []
  for await (const result of client.batch(tasks, { maxWorkers: 8 })) {
    succeeded(result, `batch-${ids.length}`)
    ids.push(result.taskId)
  }
  assert.deepEqual(
    ids,
    tasks.map(({ taskId }) => taskId),
  )
})

test('code mode: Python that calls a tool', async () => {
  const { taskId } = await client.submit({ ...task('code'), mode: 'code' })
  const result = await client.result(taskId, { timeoutMs: 120_000 })
  succeeded(result, 'code')
  assert.deepEqual(
    result.steps.flatMap(({ toolCalls }) => toolCalls.map(({ tool }) => tool)),
    ['echo'],
  )
})

test('watch shows the steps and ends with the result', async () => {
  const { taskId, text } = task('watch')
  const updates = client.watch(taskId)
  const kinds: string[] = []
  const watching = (async () => {
    for await (const update of updates) {
      kinds.push(update.kind === 'progress' ? update.event.kind : update.kind)
      if (update.kind === 'result') succeeded(update.result, 'watch')
    }
  })()
  await client.submit({ taskId, text: `${text} latency=1000` })
  await watching
  assert.equal(kinds.at(-1), 'result')
})

test('replay, fork and compare by the command, on Kafka', async () => {
  const { taskId, text } = task('forked')
  await client.submit({ taskId, text, mode: 'tools' })
  const origin = await client.result(taskId, LIMIT)
  // The stages decide again where the fleet's own configuration is: in its gateway.
  const replayed = await flotilla(['replay', taskId, '--json'], {
    env: { FLOTILLA_URL: fleet.process.url ?? '' },
  })
  assert.equal(replayed.code, 0, replayed.out + replayed.err)
  const { out, err, code } = await flotilla(['fork', taskId, '--json'], { env })
  assert.equal(code, 0, err)
  const fork = JSON.parse(out) as TaskResult
  assert.deepEqual([fork.forkedFrom, fork.toolPolicy, fork.output], [taskId, 'recorded', origin.output])
  const calls = fork.steps.flatMap(({ toolCalls }) => toolCalls)
  assert.deepEqual(
    calls.map(({ tool, output, recorded }) => [tool, output, recorded]),
    [['echo', 'hi', true]],
  )
  assert.equal((await flotilla(['compare', taskId, fork.taskId], { env })).code, 0)
})

test('where the prefix is mistyped, the topics are missing, and the error says so', async () => {
  const mistyped = { ...env, FLOTILLA_PREFIX: `${env['FLOTILLA_PREFIX']}-mistyped` }
  const away = await connect({ env: mistyped })
  await assert.rejects(away.submit({ text: 'say hi' }), {
    code: 'TOPICS_MISSING',
    message: /the broker lacks topics of this fleet, which are called like .*-mistyped\.tasks\.submitted/,
  })
  await away.close()
  const { err, code } = await flotilla(['topics'], { env: mistyped })
  assert.equal(code, 69)
  assert.match(err, /TOPICS_MISSING.*-mistyped[^]*flotilla topics --create/)
})
