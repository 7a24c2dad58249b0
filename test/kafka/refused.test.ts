// What a broker refuses, or would refuse: records, ids and messages that are too large. Each concerns one task at most; the
// lanes go on, and what could not be processed can be read.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Kafka, logLevel, Partitioners, type Producer } from 'kafkajs'
import { z } from 'zod'
import { DirectDeadLetters, type DeadLetterView } from '../../operator/direct/dead-letters/dead-letters.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { MESSAGE_CHARS } from '../../runtime/text/bounded-text.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { fleetEnvironment } from '../support/servers.ts'

const env = fleetEnvironment('refused')
const broker = env['KAFKA_BROKERS'] as string
const PARTITIONS = Number(env['FLOTILLA_PARTITIONS'])
const LIMIT_MS = 120_000

const echo = defineTool({
  name: 'echo',
  description: 'Answers, or throws a whole page.',
  input: z.object({ text: z.string() }),
  output: z.string(),
  idempotent: true,
  run: async (_input, { taskId }) => {
    if (taskId.startsWith('page')) throw new Error(`HTTP 502 ${'<p>'.repeat(500_000)} the end`)
    return 'hi'
  },
})

let fleet: TestFleet
let producer: Producer
before(async () => {
  fleet = await startTestFleet({ env, definition: { tools: [echo] } })
  const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })
  producer = kafka.producer({ createPartitioner: Partitioners.LegacyPartitioner })
  await producer.connect()
  await goesOn('start')
})
after(async () => {
  await producer?.disconnect()
  await fleet?.stop()
})

/** An id whose home is this partition. */
const idAt = (partition: number, mark: string): string => {
  for (let i = 0; ; i++) if (homeOf(`${mark}-${i}`, PARTITIONS) === partition) return `${mark}-${i}`
}

/** A task of every lane gets its result. */
async function goesOn(mark: string): Promise<void> {
  const ids = Array.from({ length: PARTITIONS }, (_, lane) => idAt(lane, mark))
  await Promise.all(ids.map((taskId) => fleet.client.submit({ taskId, text: `say hi task=${mark}` })))
  for (const taskId of ids) {
    const { status, error } = await fleet.client.result(taskId, { timeoutMs: LIMIT_MS })
    assert.equal(status, 'succeeded', JSON.stringify(error))
  }
}

const operator = () =>
  new DirectDeadLetters(fleet.process.log, fleet.process.codec, fleet.process.stores.blobs)

const lettersOf = (topic: string, stage: string): Promise<DeadLetterView> =>
  eventually(`${stage} has given a record of ${topic} up`, async () =>
    (await operator().list(1_000)).find((letter) => letter.sourceTopic === topic && letter.stage === stage),
  )

const send = (topic: string, value: Buffer, headers: Record<string, string> = {}) =>
  producer.send({
    topic: `${env['FLOTILLA_PREFIX']}.${topic}`,
    messages: [{ partition: 0, key: null, value, headers }],
  })

test('garbage as large as the broker takes: a small dead letter, its bytes in the blob store; replay says why not', async () => {
  const garbage = Buffer.alloc(1_048_450, 1)
  await send('tasks.submitted', garbage)
  await goesOn('garbage')
  const letter = await lettersOf('tasks.submitted', 'router')
  assert.deepEqual([letter.code, letter.bytes], ['RECORD_TOO_LARGE', garbage.length])
  const { value } = await operator().get(letter.id)
  assert.match(value, /^(01)+ … 1,044,354 more bytes$/)
  await assert.rejects(operator().replay(letter.id), { code: 'RECORD_TOO_LARGE' })
})

test('a cancel whose id has 600,000 characters, away from its home, is not forwarded', async () => {
  let taskId = 'x'.repeat(600_000)
  while (homeOf(taskId, PARTITIONS) === 0) taskId += 'y'
  const data = { taskId, reason: null, requestedBy: null }
  await send('tasks.control', Buffer.from(fleet.process.codec.encode('TaskCancelled', data, 'tasks.control')))
  await goesOn('cancel')
  const letter = await lettersOf('tasks.control', 'router')
  assert.equal(letter.code, 'RECORD_TOO_LARGE')
})

test('a header of half a megabyte beside what can not be decoded: the letter keeps it in the blob store, and is replayed', async () => {
  const headers = { traceparent: '0'.repeat(500_000), mine: 'kept' }
  await send('tasks.admitted', Buffer.from('garbage'), headers)
  await goesOn('header')
  const letter = await lettersOf('tasks.admitted', 'planner')
  assert.equal(letter.code, 'UNDECODABLE_RECORD')
  const content = await operator().get(letter.id)
  assert.deepEqual([content.headers, content.value], [headers, 'garbage'])
  const { topic, partition, offset } = await operator().replay(letter.id, { force: true })
  assert.equal(topic, 'tasks.admitted')
  const [again] = await fleet.process.log.read('tasks.admitted', partition, offset, 1)
  assert.equal(again?.headers['traceparent']?.length, 500_000)
})

test('a tool that throws 1.5 MB: its task goes on, with a message of a size that can be read', async () => {
  const taskId = idAt(0, 'page')
  await fleet.client.submit({ taskId, text: 'say hi task=page' })
  await goesOn('page-beside')
  const { steps } = await fleet.client.result(taskId, { timeoutMs: LIMIT_MS })
  const error = steps[0]?.toolCalls[0]?.error
  assert.equal(error?.code, 'TOOL_FAILED')
  assert.ok((error?.message.length ?? 0) <= MESSAGE_CHARS)
  assert.match(error?.message ?? '', /HTTP 502 .*characters cut.* the end$/)
})

test('a task of 700,000 bytes is rejected, by name', async () => {
  const taskId = idAt(0, 'large')
  await fleet.client.submit({ taskId, text: 'x'.repeat(700_000) })
  const { status, error } = await fleet.client.result(taskId, { timeoutMs: LIMIT_MS })
  assert.deepEqual([status, error?.code], ['rejected', 'TASK_INVALID'])
  assert.match(error?.message ?? '', /a record of 700\d+ bytes .*at most 524288/)
})

test('no lane was lost to any of it', async () => {
  // A lane may close for a moment and open again while a busy broker settles.
  await eventually('every stage is well', async () => {
    const { parts } = await fleet.process.readiness()
    return parts.every(({ name, problem }) => !name.startsWith('stage') || problem === null)
  })
})
