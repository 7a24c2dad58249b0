// The client library: over HTTP against a running fleet, and on the log itself.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from '../../client/connect.ts'
import { LogClient } from '../../client/log/client.ts'
import type { Client, TaskInput, TaskResult, TaskUpdate } from '../../client/types.ts'
import type { Log } from '../../runtime/log/port.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { holdAnswers } from '../support/held-answers.ts'

let fleet: TestFleet
let http: Client
const answers = holdAnswers()

before(async () => {
  fleet = await startTestFleet({ http: true, model: { until: answers.until } })
  http = await connect({ url: fleet.process.url as string })
})
after(async () => {
  await http.close()
  await fleet.stop()
})

async function all(results: AsyncIterable<TaskResult>): Promise<TaskResult[]> {
  const seen: TaskResult[] = []
  for await (const result of results) seen.push(result)
  return seen
}
const outputs = (results: readonly TaskResult[]) => results.map(({ output }) => output)
const clients = (): [string, Client][] => [
  ['log', fleet.client],
  ['http', http],
]

test('submit, find, result: the same over HTTP and on the log', async () => {
  for (const [name, client] of clients()) {
    const taskId = `same-${name}`
    assert.equal(await client.find(taskId), null)
    await client.submit({ text: `task=${taskId}`, taskId })
    const result = await client.result(taskId, { timeoutMs: 120_000 })
    assert.equal(result.output, `done ${taskId}`)
    for (const [, other] of clients()) assert.deepEqual(await other.find(taskId), result)
  }
})

test('a result that does not come: TASK_TIMED_OUT, and the task continues', async () => {
  for (const [name, client] of clients()) {
    const { taskId } = await client.submit({ text: `task=slow-${name} latency=60000` })
    for (const timeoutMs of [1, 150])
      await assert.rejects(client.result(taskId, { timeoutMs }), {
        code: 'TASK_TIMED_OUT',
        message: /the task continues/,
      })
  }
})

test(
  'watch: a result that was committed before, and has not come by yet, is found',
  { timeout: 240_000 },
  async () => {
    const { log, codec, stores } = fleet.process
    const gate = Promise.withResolvers<void>()
    let tails = 0
    const tail: Log['tail'] = (options, handler) =>
      tails++ > 0
        ? log.tail(options, handler)
        : log.tail(options, async (records) => {
            await gate.promise
            await handler(records)
          })
    const client = new LogClient({ log: { ...log, tail }, codec, blobs: stores.blobs })
    // From now on it listens for results, and the first of them is late.
    await assert.rejects(client.result('nobody', { timeoutMs: 1 }))
    const { taskId } = await client.submit({ text: 'task=overtaken' })
    await fleet.client.result(taskId, { timeoutMs: 120_000 })
    const updates: TaskUpdate[] = []
    for await (const update of client.watch(taskId)) updates.push(update)
    assert.equal(updates.at(-1)?.kind, 'result')
    gate.resolve()
    await client.close()
  },
)

test('batch: in the order of the tasks, or as they complete; a time limit each', async () => {
  const tasks: TaskInput[] = ['one', 'two', 'three'].map((name) => ({ text: `task=${name}` }))
  for (const [, client] of clients()) {
    answers.hold('one')
    const answered = fleet.model.stats().answered
    const inOrder = all(client.batch(tasks))
    // Two calls each.
    await eventually('the others are through', () => fleet.model.stats().answered >= answered + 4)
    answers.release('one')
    assert.deepEqual(outputs(await inOrder), ['done one', 'done two', 'done three'])

    const next = ['two', 'one']
    for (const name of next) answers.hold(name)
    const completed: unknown[] = []
    for await (const { output } of client.batch(tasks, { ordered: false })) {
      completed.push(output)
      answers.release(next.shift() ?? '')
    }
    assert.deepEqual(completed, ['done three', 'done two', 'done one'])
  }
  const limited = [{ text: 'task=quick' }, { text: 'task=hangs fault=hang' }]
  const ended = clients().map(([, client]) => all(client.batch(limited, { timeoutMs: 10_000 })))
  for (const results of await Promise.all(ended))
    assert.deepEqual(
      results.map(({ status }) => status),
      ['succeeded', 'timed_out'],
    )
})

test('batch keeps at most maxWorkers in flight, and as many while there are tasks', async () => {
  let inFlight = 0
  let most = 0
  const counting: Client = Object.create(fleet.client, {
    submit: {
      value: async (task: TaskInput) => {
        most = Math.max(most, ++inFlight)
        return fleet.client.submit(task)
      },
    },
    result: {
      value: async (taskId: string) =>
        fleet.client.result(taskId, { timeoutMs: 120_000 }).finally(() => inFlight--),
    },
  }) as Client
  const { runBatch } = await import('../../client/batch.ts')
  for (const ordered of [true, false]) {
    most = 0
    const tasks = Array.from({ length: 12 }, (_, index) => ({ text: `task=w${index} latency=20` }))
    assert.equal((await all(runBatch(counting, tasks, { maxWorkers: 3, ordered }))).length, 12)
    assert.equal(most, 3)
  }
})

test('a task of a batch that can’t be submitted rejects the iteration and names the mistake', async () => {
  const tasks = [{ text: 'task=fine' }, { text: 'x', maxSteps: 0.5 }]
  for (const [, client] of clients())
    await assert.rejects(all(client.batch(tasks)), { code: 'TASK_INVALID', message: /maxSteps is 0.5/ })
})

test('results() with a group goes on where it stopped, also after another process took over', async () => {
  const group = `reader-${Date.now()}`
  const taken: string[] = []
  /** Reads until the given results are there; leaves while it waits for the next one. */
  const readUntil = async (wanted: readonly string[]) => {
    const results = fleet.client.results({ group, from: 'latest' })
    const reading = (async () => {
      for await (const { taskId } of results) taken.push(taskId)
    })()
    await eventually(`${wanted.join()} came`, () => wanted.every((id) => taken.includes(id)))
    // The position moves once the reader asks for more; then nothing is in hand.
    await eventually('the position moved', async () => (await positions()) >= wanted.length)
    await results[Symbol.asyncDispose]()
    await reading
  }
  const start = async () =>
    (await fleet.process.log.positions(group, 'readers')).reduce((sum, { offset }) => sum + offset, 0)
  const first = fleet.client.results({ group, from: 'latest' })
  await eventually(
    'the group has positions',
    async () => (await fleet.process.log.positions(group, 'readers')).length > 0,
  )
  await first[Symbol.asyncDispose]()
  const base = await start()
  const positions = async () => (await start()) - base
  const run = async (ids: readonly string[]) => {
    for (const taskId of ids) {
      await fleet.client.submit({ text: `task=${taskId}`, taskId })
      await fleet.client.result(taskId, { timeoutMs: 120_000 })
    }
  }
  await run(['g1', 'g2'])
  await readUntil(['g1', 'g2'])
  await run(['g3', 'g4'])
  await readUntil(['g1', 'g2', 'g3', 'g4'])
  assert.deepEqual(taken.toSorted(), ['g1', 'g2', 'g3', 'g4'], 'nothing twice, nothing missing')
})

test('results() with a group: what was in hand when the loop was left comes again', async () => {
  const group = `careless-${Date.now()}`
  const from = 'earliest'
  await fleet.client.submit({ text: 'task=careless', taskId: 'careless' })
  await fleet.client.result('careless', { timeoutMs: 120_000 })
  const take = async (wanted: (id: string) => boolean) => {
    for await (const { taskId } of fleet.client.results({ group, from })) if (wanted(taskId)) return taskId
    return null
  }
  assert.equal(await take((id) => id === 'careless'), 'careless')
  assert.equal(await take((id) => id === 'careless'), 'careless')
})

test('results() with a group: its position does not pass a result that its reader still has in hand', async () => {
  const group = `slow-${Date.now()}`
  const { log } = fleet.process
  const sum = async () =>
    (await log.positions(group, 'readers')).reduce((total, { offset }) => total + offset, 0)
  const results = fleet.client.results({ group })[Symbol.asyncIterator]()
  const first = results.next()
  await eventually('the group has positions', async () => (await log.positions(group, 'readers')).length > 0)
  const base = await sum()
  await fleet.client.submit({ text: 'task=slow', taskId: 'slow' })
  assert.equal((await first).value?.taskId, 'slow')
  // Other groups (metering) have passed it by the time another task is through.
  await fleet.client.submit({ text: 'task=slow2', taskId: 'slow2' })
  await fleet.client.result('slow2', { timeoutMs: 120_000 })
  assert.equal(await sum(), base)
  assert.equal((await results.next()).value?.taskId, 'slow2')
  await eventually('the position moved', async () => (await sum()) > base)
  await results.return?.()
})

test('garbage on tasks.completed stops no reader', async () => {
  const { log } = fleet.process
  const seen: string[] = []
  const results = fleet.client.results()
  const reading = (async () => {
    for await (const { taskId } of results) seen.push(taskId)
  })()
  const garbage = {
    topic: 'tasks.completed',
    key: 'after',
    value: Buffer.from('not avro'),
    headers: {},
  } as const
  await log.publish([0, 1, 2, 3].map((partition) => ({ ...garbage, partition })))
  assert.equal(await fleet.client.find('after'), null)
  await fleet.client.submit({ text: 'task=after', taskId: 'after' })
  assert.equal((await fleet.client.result('after', { timeoutMs: 120_000 })).output, 'done after')
  await eventually('the reader saw it', () => seen.includes('after'))
  await results[Symbol.asyncDispose]()
  await reading
})

test('watch: steps as they happen, then the result; leaving it early is fine', async () => {
  for (const [name, client] of clients()) {
    const taskId = `watched-${name}`
    const kinds: string[] = []
    const watching = (async () => {
      for await (const update of client.watch(taskId)) {
        kinds.push(update.kind)
        if (update.kind === 'result') return update.result
      }
      return null
    })()
    await fleet.client.submit({ text: `task=${taskId} latency=100`, taskId })
    assert.equal((await watching)?.output, `done ${taskId}`)
    assert.equal(kinds.at(-1), 'result')
  }
})

test('no gateway, or something else there: an error that says so', async () => {
  const nobody = await connect({ url: 'http://127.0.0.1:9' })
  await assert.rejects(nobody.submit({ text: 'x' }), {
    code: 'GATEWAY_UNAVAILABLE',
    message: /127\.0\.0\.1:9/,
  })
  const model = await connect({ url: fleet.model.url })
  await assert.rejects(model.submit({ text: 'x' }), {
    code: 'GATEWAY_UNAVAILABLE',
    message: /not a fleet.s gateway/,
  })
  const closed = await connect({ url: fleet.process.url as string })
  await closed.close()
  await assert.rejects(closed.find('x'), { code: 'GATEWAY_UNAVAILABLE', message: /the client was closed/ })
})
