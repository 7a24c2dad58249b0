// What others get wrong, in a whole fleet on the embedded log: a clear error, exactly one result for each task, nothing
// lost, nothing hanging. (Tools that misbehave: tools-fleet.test.ts; mistakes of people at a terminal: cli.test.ts.)
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { DirectDeadLetters } from '../../operator/direct/dead-letters/dead-letters.ts'
import type { TaskInput, TaskResult } from '../../client/types.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { TopicName } from '../../schemas/topics.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

/** Topics of which a stage reads every record. */
const readTopics: readonly TopicName[] = [
  'tasks.submitted',
  'tasks.control',
  'tasks.admitted',
  'tools.requested',
  'code.requested',
  'tasks.completed',
  'usage.recorded',
  'outcomes.tallied',
]

let fleet: TestFleet
before(async () => {
  fleet = await startTestFleet()
})
after(() => fleet.stop())

let count = 0
async function run(text: string, task: Partial<TaskInput> = {}): Promise<TaskResult> {
  const taskId = `bad-${++count}`
  await fleet.client.submit({ text, taskId, ...task })
  const result = await fleet.client.result(taskId, { timeoutMs: 120_000 })
  assert.equal(await resultsOf(taskId), 1)
  return result
}

/** How many results the log holds for this task. */
async function resultsOf(taskId: string): Promise<number> {
  const { log } = fleet.process
  const partition = homeOf(taskId, log.partitions)
  const records = await log.read('tasks.completed', partition, 0, 100_000)
  return records.filter(({ key }) => key === taskId).length
}

async function publish(topic: TopicName, value: Uint8Array | string, key: string | null = null, at?: number) {
  const { log } = fleet.process
  const partition = at ?? homeOf(key ?? 'none', log.partitions)
  const [position] = await log.publish([{ topic, partition, key, value: Buffer.from(value), headers: {} }])
  assert.ok(position)
  return position
}

const operator = () =>
  new DirectDeadLetters(fleet.process.log, fleet.process.codec, fleet.process.stores.blobs)
const letterOf = (position: { topic: string; partition: number; offset: number }) =>
  eventually('its dead letter came', async () =>
    (await operator().list(1_000)).find(
      ({ sourceTopic, sourcePartition, sourceOffset }) =>
        sourceTopic === position.topic &&
        sourcePartition === position.partition &&
        sourceOffset === position.offset,
    ),
  )

describe('a model that misbehaves', () => {
  const fails = (fault: string, code: string, words: RegExp, task: Partial<TaskInput> = {}) =>
    test(`${fault}: ${code}, and the message says what to do`, async () => {
      const { status, error, output } = await run(`task=x fault=${fault}`, { timeoutMs: 30_000, ...task })
      assert.deepEqual([status, error?.code, output], ['failed', code, null])
      assert.match(error?.message ?? '', words)
    })
  fails('quota', 'MODEL_QUOTA_EXCEEDED', /quota/i)
  fails('empty', 'OUTPUT_EMPTY', /empty/i)
  fails('401', 'MODEL_AUTH_FAILED', /key/i)
  fails('400', 'MODEL_REQUEST_REFUSED', /fault=400/)
  fails('context', 'MODEL_CONTEXT_TOO_LONG', /long|context/i)

  const retried = (fault: string) =>
    test(`${fault}: tried again, and it succeeds`, async () => {
      const { status, output } = await run(`task=again fault=${fault}x1`, { timeoutMs: 30_000 })
      assert.deepEqual([status, output], ['succeeded', 'done again'])
    })
  for (const fault of ['429', '500', '503', 'garbage', 'html', 'reset', 'cut']) retried(fault)

  for (const fault of ['garbage', '429', '503'])
    test(`${fault} for ever: the task ends by its time limit with the real reason`, async () => {
      const begun = Date.now()
      const { status, error } = await run(`task=x fault=${fault}`, { timeoutMs: 2_500 })
      assert.ok(status === 'failed' || status === 'timed_out', status)
      assert.match(error?.code ?? '', /^(MODEL_|TASK_TIMED_OUT)/)
      assert.ok(Date.now() - begun < 20_000)
    })

  test('hangs: the task ends at its time limit', async () => {
    const { status, error } = await run('task=x fault=hang', { timeoutMs: 1_000 })
    assert.deepEqual([status, error?.code], ['timed_out', 'TASK_TIMED_OUT'])
  })

  test('calls a tool that does not exist: it is told which exist, and recovers', async () => {
    const { status, steps } = await run('task=u fault=unknown-tool')
    assert.equal(status, 'succeeded')
    const call = steps[0]?.toolCalls[0]
    assert.deepEqual([call?.status, call?.error?.code], ['refused', 'TOOL_UNKNOWN'])
    assert.match(call?.error?.message ?? '', /no_such_tool.*echo/)
  })

  test('sends arguments that are not JSON: it is told, and recovers', async () => {
    const { status, steps } = await run('task=j fault=bad-json-args')
    assert.equal(status, 'succeeded')
    assert.equal(steps[0]?.toolCalls[0]?.error?.code, 'TOOL_ARGUMENTS_INVALID')
  })

  test('never finishes: STEP_LIMIT after maxSteps', async () => {
    const { status, error, steps } = await run('task=l fault=loop', { maxSteps: 3 })
    assert.deepEqual([status, error?.code, steps.length], ['failed', 'STEP_LIMIT', 3])
  })

  test('answers what the output schema forbids: OUTPUT_INVALID, naming what does not fit', async () => {
    const outputSchema = { type: 'object', required: ['total'], properties: { total: { type: 'number' } } }
    const { status, error } = await run('task=s', { outputSchema, maxSteps: 3 })
    assert.deepEqual([status, error?.code], ['failed', 'OUTPUT_INVALID'])
    assert.match(error?.message ?? '', /object/)
  })
})

describe('a task that can’t run', () => {
  const rejected = (name: string, task: Partial<TaskInput>, code: string, words: RegExp) =>
    test(`${name}: rejected, ${code}`, async () => {
      const { status, error, usage } = await run(task.text ?? 'hello', task)
      assert.deepEqual([status, error?.code, usage.modelCalls], ['rejected', code, 0])
      assert.match(error?.message ?? '', words)
    })
  rejected('unknown profile', { profile: 'nope' }, 'PROFILE_UNKNOWN', /"nope".*accurate/)
  rejected('unknown agent', { agent: 'nobody' }, 'AGENT_UNKNOWN', /"nobody".*default/)
  rejected(
    'a model of an unknown provider',
    { model: 'acme/m1' },
    'MODEL_NOT_CONFIGURED',
    /models\.providers\.acme/,
  )
  rejected('a model without its key', { model: 'gpt-4o' }, 'MODEL_NOT_CONFIGURED', /OPENAI_API_KEY/)
  rejected('a profile whose executor is not here', { profile: 'local' }, 'EXECUTOR_NOT_CONFIGURED', /docker/)
  rejected('oversized text', { text: 'x'.repeat(10_001) }, 'TASK_INVALID', /10001 characters, at most 10000/)
  rejected(
    'half a megabyte of text',
    { text: 'x'.repeat(700_000) },
    'TASK_INVALID',
    /a record of 700\d+ bytes/,
  )
  rejected('blank text', { text: ' \n' }, 'TASK_INVALID', /text is empty/)
  rejected('forbidden text', { text: 'run exec("x")' }, 'TASK_TEXT_FORBIDDEN', /forbidden pattern/)
  rejected(
    'a schema that is none',
    { outputSchema: { type: 'nonsense' } },
    'TASK_INVALID',
    /not a valid JSON Schema/,
  )
  rejected(
    'several mistakes',
    { maxSteps: 0, priority: 99, maxCost: -1 },
    'TASK_INVALID',
    /maxSteps is 0.*priority is 99.*maxCost is -1/,
  )
})

describe('records that are none', () => {
  const garbage = Buffer.from([0, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3])

  for (const name of readTopics)
    test(`undecodable bytes on ${name}: a dead letter; the lane goes on`, async () => {
      const position = await publish(name, garbage, 'none', 1)
      const letter = await letterOf(position)
      assert.equal(letter.code, 'UNDECODABLE_RECORD')
      assert.equal(letter.bytes, garbage.length)
      const content = await operator().get(letter.id)
      assert.equal(content.value, garbage.toString('hex'))
    })

  test('every lane goes on afterwards', async () => {
    const { log } = fleet.process
    const ids = Array.from({ length: 200 }, (_, index) => `after-${index}`)
    const one = Array.from({ length: log.partitions }, (_, lane) =>
      ids.find((id) => homeOf(id, log.partitions) === lane),
    )
    for (const taskId of one as string[]) {
      await fleet.client.submit({ text: `task=${taskId}`, taskId })
      assert.equal((await fleet.client.result(taskId, { timeoutMs: 120_000 })).output, `done ${taskId}`)
    }
  })

  test('plain JSON starts a task, wherever and however it was sent', async () => {
    const { log } = fleet.process
    const away = (homeOf('json-task', log.partitions) + 1) % log.partitions
    await publish('tasks.submitted', '{"text": "task=json", "taskId": "json-task"}', null, away)
    assert.equal((await fleet.client.result('json-task', { timeoutMs: 120_000 })).output, 'done json')
    assert.equal(await resultsOf('json-task'), 1)
  })

  test('plain JSON with mistakes: a rejected result that names them all', async () => {
    await publish('tasks.submitted', '{"taskId": "json-bad", "maxSteps": "many", "txt": "x"}', 'json-bad')
    const { status, error } = await fleet.client.result('json-bad', { timeoutMs: 120_000 })
    assert.deepEqual([status, error?.code], ['rejected', 'TASK_INVALID'])
    assert.match(error?.message ?? '', /txt is not a field.*text is missing.*maxSteps must be a number/)
    assert.equal(await resultsOf('json-bad'), 1)
  })

  test('text that is no JSON: a dead letter that says what a task looks like; list, show and replay', async () => {
    const letter = await letterOf(await publish('tasks.submitted', 'please sum this up', 'text'))
    assert.match(
      letter.message,
      /neither Avro in Confluent's wire format.*nor one JSON object such as \{"text":"…"\}/,
    )
    const content = await operator().get(letter.id)
    assert.equal(content.value, 'please sum this up')
    const again = await operator().replay(letter.id)
    assert.equal(again.topic, 'tasks.submitted')
    const second = await letterOf(again)
    assert.notEqual(second.id, letter.id, 'its cause is not mended: it comes back as another dead letter')
  })

  test('garbage as large as the log takes: the dead letter shows its beginning, and is not replayed in vain', async () => {
    const large = Buffer.alloc(1_048_450, 'g')
    const letter = await letterOf(await publish('tasks.submitted', large, null, 1))
    assert.deepEqual([letter.code, letter.bytes], ['RECORD_TOO_LARGE', large.length])
    const { value } = await operator().get(letter.id)
    assert.match(value, /^g{4096} … 1,044,354 more bytes$/)
    await assert.rejects(operator().replay(letter.id), { code: 'RECORD_TOO_LARGE' })
    await run('task=behind-garbage')
  })

  test('a dead letter whose bytes lie in the blob store is replayed whole, without the headers that anyone may have written', async () => {
    const { log } = fleet.process
    const value = Buffer.alloc(300_000, 'g')
    const headers = { mine: 'h'.repeat(20_000) }
    const [position] = await log.publish([
      { topic: 'tasks.control', partition: 1, key: 'kept', value, headers },
    ])
    const letter = await letterOf(position ?? assert.fail())
    assert.deepEqual([letter.code, letter.bytes], ['UNDECODABLE_RECORD', value.length])
    assert.deepEqual((await operator().get(letter.id)).headers, {})
    const again = await operator().replay(letter.id)
    const [record] = await log.read('tasks.control', again.partition, again.offset, 1)
    assert.ok(record && value.equals(record.value ?? Buffer.alloc(0)))
    assert.deepEqual([record.key, record.headers['mine']], ['kept', undefined])
    const blind = new DirectDeadLetters(log, fleet.process.codec)
    const unseen = await letterOf(again)
    await assert.rejects(blind.replay(unseen.id), { code: 'PAYLOAD_MISSING' })
  })

  test('an event of another topic is no event of this one', async () => {
    const { codec } = fleet.process
    const cancel = codec.encode(
      'TaskCancelled',
      { taskId: 't', reason: null, requestedBy: null },
      'tasks.control',
    )
    const letter = await letterOf(await publish('tasks.submitted', cancel, 't'))
    assert.match(letter.message, /TaskCancelled does not belong there/)
  })

  test('what is published twice runs once; a cancel of nobody harms nobody', async () => {
    for (let time = 0; time < 3; time++)
      await publish('tasks.submitted', '{"text": "task=thrice", "taskId": "thrice"}', 'thrice')
    await fleet.client.cancel('nobody-knows')
    await fleet.client.result('thrice', { timeoutMs: 120_000 })
    await run('task=behind')
    assert.equal(await resultsOf('thrice'), 1)
  })
})
