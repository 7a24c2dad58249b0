// Dead letters on a log: found by filters, replayed and purged many at once, whatever else is on the topic.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { DirectAlerts } from '../../../../../operator/direct/alerts.ts'
import { directBreakers } from '../../../../../operator/direct/breakers.ts'
import { DirectDeadLetters } from '../../../../../operator/direct/dead-letters/dead-letters.ts'
import type { TopicName } from '../../../../../schemas/topics.ts'
import { samples } from '../../../../golden/samples.ts'
import { writtenLog } from '../../../../support/written-log.ts'

const NOW = Date.UTC(2026, 0, 10)

async function opened(t: TestContext) {
  const { log, codec, put: putUnder } = await writtenLog(t, 2)
  const put = (topic: TopicName, partition: number, value: Uint8Array) =>
    putUnder(topic, partition, 'k', value)
  const letters = new DirectDeadLetters(log, codec)
  /** Letters about submissions, which are replayed without force. */
  const bury = async (partition: number, change: object) => {
    const letter = {
      ...samples.DeadLettered,
      ...{
        sourceTopic: 'tasks.submitted',
        partition: 0,
        originBlob: null,
        headers: {},
        code: 'UNDECODABLE_RECORD',
      },
      ...change,
    }
    await put('dead-letters', partition, codec.encode('DeadLettered', letter, 'dead-letters'))
  }
  return { log, codec, put, letters, bury }
}

const idsOf = (found: readonly { id: string }[]) => found.map(({ id }) => id)

test('letters are found by time, code, stage and text of the message', async (t) => {
  const { letters, bury } = await opened(t)
  await bury(0, { failedAtMs: NOW, code: 'HANDLER_FAILED', message: 'Boom in row 7' })
  await bury(0, { failedAtMs: NOW + 1, stage: 'planner' })
  await bury(1, { failedAtMs: NOW + 2 })
  assert.deepEqual(idsOf(await letters.list()), ['1:0', '0:1', '0:0'])
  assert.deepEqual(idsOf(await letters.list(2)), ['1:0', '0:1'])
  assert.deepEqual(idsOf(await letters.list(9, { sinceMs: NOW + 1 })), ['1:0', '0:1'])
  assert.deepEqual(idsOf(await letters.list(9, { code: 'HANDLER_FAILED' })), ['0:0'])
  assert.deepEqual(idsOf(await letters.list(9, { stage: 'planner' })), ['0:1'])
  assert.deepEqual(idsOf(await letters.list(9, { reason: 'boom' })), ['0:0'])
  assert.deepEqual(await letters.list(9, { reason: 'boom', stage: 'planner' }), [])
})

test('all that match are replayed once, the oldest first; a dry run does nothing; the limit is told', async (t) => {
  const { log, letters, bury } = await opened(t)
  for (let n = 0; n < 5; n++)
    await bury(n % 2, {
      failedAtMs: NOW + n,
      value: new Uint8Array([n]),
      code: n < 4 ? 'UNDECODABLE_RECORD' : 'OTHER',
    })
  const code = 'UNDECODABLE_RECORD'
  const replayed = async () => (await log.read('tasks.submitted', 0, 0, 100)).map(({ value }) => value?.[0])
  assert.deepEqual(await letters.replayAll({ code, dryRun: true, limit: 3 }), {
    matched: ['1:0', '0:1', '1:1'],
    refused: [],
    more: true,
  })
  assert.deepEqual(await replayed(), [])
  assert.equal((await letters.replayAll({ code, limit: 3 })).more, true)
  assert.deepEqual((await letters.replayAll({ code })).matched, ['0:0'])
  assert.deepEqual(await replayed(), [1, 2, 3, 0])
  assert.deepEqual((await letters.replayAll({ code })).matched, [], 'each once')
  const [again] = (await letters.replayAll({ ids: ['0:0', '0:99'] })).refused
  assert.match(again?.message ?? '', /was replayed at/)
  assert.deepEqual(
    (await letters.list()).map(({ id, replayedAtMs }) => [id, replayedAtMs !== null]),
    [
      ['0:2', false],
      ['1:1', true],
      ['0:1', true],
      ['1:0', true],
      ['0:0', true],
    ],
  )
})

test('what is purged is listed and replayed no more, unless by its id', async (t) => {
  const { letters, bury } = await opened(t)
  for (let n = 0; n < 3; n++) await bury(0, { failedAtMs: NOW + n, stage: n === 1 ? 'planner' : 'router' })
  assert.deepEqual((await letters.purge({ stage: 'router', dryRun: true })).matched, ['0:0', '0:2'])
  assert.equal((await letters.list()).length, 3)
  assert.deepEqual((await letters.purge({ stage: 'router' })).refused, [])
  assert.deepEqual(idsOf(await letters.list()), ['0:1'])
  assert.deepEqual((await letters.replayAll({ sinceMs: 1 })).matched, ['0:1'])
  assert.equal((await letters.get('0:0')).id, '0:0')
  for (const none of [{}, { limit: 5 }, { dryRun: true }]) {
    await assert.rejects(letters.purge(none), { code: 'REQUEST_INVALID', message: /by id, or by since/ })
    await assert.rejects(letters.replayAll(none), { code: 'REQUEST_INVALID' })
  }
})

test('bytes that are no event blind no view', async (t) => {
  const { log, codec, put, letters, bury } = await opened(t)
  const alerts = new DirectAlerts(log, codec, { rules: [], silences: [], channels: {} })
  await bury(0, { failedAtMs: NOW })
  await put(
    'ops.health',
    0,
    codec.encode('BreakerChanged', { ...samples.BreakerChanged, atMs: Date.now() }, 'ops.health'),
  )
  for (const topic of ['dead-letters', 'ops.health', 'alerts.raised', 'alerts.control'] as const)
    for (const bytes of ['{"x":1}', '\u0000', ''])
      for (const partition of [0, 1]) await put(topic, partition, Buffer.from(bytes))
  await bury(0, { failedAtMs: NOW + 1 })
  assert.equal((await letters.list()).length, 2)
  assert.equal((await directBreakers(log, codec).list()).length, 1)
  assert.deepEqual(await alerts.list(), [])
  assert.equal((await letters.replay('0:0')).topic, 'tasks.submitted')
})

test('a letter shows the event that its bytes are, if they are one', async (t) => {
  const { letters, bury } = await opened(t)
  await bury(0, { value: Buffer.from('{"taskId":"t7","text":"hello"}'), valueBytes: null, valueBlob: null })
  await bury(0, { value: Buffer.from('{"text":'), valueBytes: null, valueBlob: null })
  await bury(0, { value: Buffer.from('{"text":"be'), valueBytes: 4_000, valueBlob: 'x' })
  const { event } = await letters.get('0:0')
  assert.equal(event?.type, 'TaskSubmitted')
  assert.equal((event?.data as { text: string }).text, 'hello')
  assert.equal((await letters.get('0:1')).event, null)
  assert.equal((await letters.get('0:2')).event, null)
})

test('a dry run of a replay says which ones would be refused, and does nothing', async (t) => {
  const { letters, bury } = await opened(t)
  await bury(0, { value: Buffer.from('{"text":"hello"}'), valueBytes: null, valueBlob: null })
  await bury(0, { sourceTopic: 'tools.completed', stage: 'planner' })
  const { matched, refused } = await letters.replayAll({ ids: ['0:0', '0:1'], dryRun: true })
  assert.deepEqual(matched, ['0:0', '0:1'])
  assert.deepEqual(idsOf(refused), ['0:1'])
  assert.deepEqual((await letters.replayAll({ ids: ['0:1'], dryRun: true, force: true })).refused, [])
  assert.ok((await letters.list()).every(({ replayedAtMs }) => replayedAtMs === null))
})
