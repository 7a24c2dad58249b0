// What anyone may have written to a topic by mistake takes no view from operators and no result from readers.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import type { TaskResult } from '../../client/types.ts'
import type { AlertView } from '../../operator/index.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { headers as names, type TopicName } from '../../schemas/topics.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

let fleet: TestFleet
before(async () => {
  fleet = await startTestFleet({ http: true })
})
after(() => fleet.stop())

const values = [Buffer.from('{"x":1}'), Buffer.from([0, 0xde, 0xad, 0xbe, 0xef, 1]), Buffer.alloc(0), null]

/** Every kind of garbage in every partition, also under a header that says what it is not. */
async function litter(topic: TopicName): Promise<void> {
  const { log } = fleet.process
  const headers = { [names.schema]: 'TaskCompleted' }
  for (let partition = 0; partition < log.partitions; partition++)
    await log.publish(values.map((value) => ({ topic, partition, key: 'x', value, headers })))
}

test('alerts are listed and silenced although their topics hold garbage', async () => {
  await litter('alerts.raised')
  await litter('alerts.control')
  const list = async () => {
    const response = await fetch(`${fleet.process.url}/v1/alerts`)
    assert.equal(response.status, 200)
    return (await response.json()) as AlertView[]
  }
  const [first] = await list()
  assert.ok(first)
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ untilMs: Date.now() + 60_000 })
  await fetch(`${fleet.process.url}/v1/alerts/${first.rule}/silence`, { method: 'POST', headers, body })
  await eventually('the silence shows', async () => (await list())[0]?.silence !== null)
})

for (const name of ['log', 'http', 'group'] as const)
  test(`results go on behind garbage on their topics: ${name}`, async () => {
    const client = name === 'http' ? new HttpClient(fleet.process.url ?? '') : fleet.client
    await litter('tasks.completed')
    const seen: TaskResult[] = []
    const results = client.results(
      name === 'group' ? { group: 'garbage', from: 'earliest' } : { from: 'earliest' },
    )
    const reading = (async () => {
      for await (const result of results) {
        seen.push(result)
        if (result.taskId === `behind-${name}`) return
      }
    })()
    await litter('tasks.completed')
    await litter('tasks.history')
    await fleet.client.submit({ text: 'task=behind', taskId: `behind-${name}` })
    await reading
    const kinds: string[] = []
    for await (const { kind } of client.watch(`behind-${name}`)) kinds.push(kind)
    assert.equal(kinds.at(-1), 'result')
    if (client !== fleet.client) await client.close()
  })

const littered = {
  '/v1/dead-letters': 'dead-letters',
  '/v1/alerts': 'alerts.raised',
  '/v1/breakers': 'ops.health',
  '/v1/fleet/pauses': 'ops.control',
  '/v1/fleet/lanes': 'ops.control',
} as const

for (const [path, topic] of Object.entries(littered))
  test(`${path} says how many records of ${topic} it goes without`, async () => {
    const omitted = async () => (await fetch(fleet.process.url + path)).headers.get('flotilla-omitted') ?? ''
    const countOf = (header: string) =>
      Number(new RegExp(`${topic.replace('.', '\\.')};undecodable=(\\d+)`).exec(header)?.[1] ?? 0)
    const before = countOf(await omitted())
    await litter(topic)
    const perPartition = topic === 'ops.control' ? 1 : fleet.process.log.partitions
    assert.equal(countOf(await omitted()) - before, values.length * perPartition)
  })

test('a task says how many records of its own could not be read', async () => {
  const { log } = fleet.process
  await fleet.client.submit({ text: 'task=own', taskId: 'littered', timeoutMs: 60_000 })
  await fleet.client.result('littered', { timeoutMs: 120_000 })
  const of = async (path: string) =>
    (await fetch(`${fleet.process.url}${path}`)).headers.get('flotilla-omitted')
  assert.equal(await of('/v1/tasks/littered'), null, 'an ended task is read from the ledger')
  const partition = homeOf('littered', log.partitions)
  await log.publish([
    { topic: 'tasks.history', partition, key: 'littered', value: Buffer.from('{}'), headers: {} },
  ])
  assert.equal(await of('/v1/tasks/littered/replay'), 'tasks.history;undecodable=1')
})

test('the command says on stderr what its list goes without, and keeps stdout whole', async () => {
  await litter('dead-letters')
  const { code, out, err } = await flotilla(['dead-letters', 'list', '--json'], {
    env: { FLOTILLA_URL: fleet.process.url ?? '' },
  })
  assert.equal(code, 0, err)
  assert.ok(Array.isArray(JSON.parse(out)))
  assert.match(err, /^Not shown of dead-letters: \d+ records that another program wrote/)
})
