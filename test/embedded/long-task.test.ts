// A task of 300 steps in a fleet of its own, which is killed while it waits for its first summary: it goes on, no step is
// lost or made twice, and no prompt passes the limit.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import { freePort } from '../infra/port.ts'
import { startServices } from '../support/service-process.ts'
import { completion, json, startProvider } from '../unit/planner/model/provider-server.ts'

const STEPS = 300
const LIMIT_TOKENS = 4_000

test('300 steps, compacted, over a kill -9 in the middle of a summary', async (t) => {
  const asked = Promise.withResolvers<void>()
  const steps = new Map<string, number>()
  const summaries: string[] = []
  let largest = 0
  const provider = await startProvider(t, ({ headers, body }, response) => {
    const id = String(headers['idempotency-key'])
    const tokens = Math.ceil(JSON.stringify(body['messages']).length / 4)
    const reply = (message: Record<string, unknown>, finish: string) => {
      const usage = { prompt_tokens: tokens, completion_tokens: 20, total_tokens: tokens + 20 }
      json(response, 200, { ...completion(message, finish), usage })
    }
    largest = Math.max(largest, tokens)
    if (body['tools'] === undefined) {
      summaries.push(id)
      // The first one is never answered: its fleet dies.
      if (summaries.length === 1) return asked.resolve()
      return reply({ content: `NOTES ${summaries.length}` }, 'stop')
    }
    const record = steps.get(id) ?? steps.size + 1
    steps.set(id, record)
    if (record > STEPS) return reply({ content: `done after ${STEPS}` }, 'stop')
    const call = { name: 'lookup', arguments: JSON.stringify({ record }) }
    reply(
      { content: null, tool_calls: [{ id: `c${record}`, type: 'function', function: call }] },
      'tool_calls',
    )
  })
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-long-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const env = {
    FLOTILLA_CONFIG: join(import.meta.dirname, '../support/long.config.ts'),
    FLOTILLA_DATA: dataDir,
    FLOTILLA_MODEL: '',
    TEST_MODEL_URL: provider.url,
  }
  const options = { env, port: await freePort() }
  const first = await startServices([], options)
  t.after(() => first.kill9())
  await first.ready()
  const client = new HttpClient(first.url)
  await client.submit({
    taskId: 'long',
    text: 'Look every record up.',
    maxSteps: STEPS + 1,
    timeoutMs: 3_600_000,
  })
  await asked.promise
  await first.kill9()
  const second = await startServices([], options)
  t.after(() => second.kill9())
  await second.ready()
  const result = await client.result('long', { timeoutMs: 300_000 })
  assert.deepEqual(
    [result.status, result.output],
    ['succeeded', `done after ${STEPS}`],
    result.error?.message,
  )
  const made = result.steps.flatMap(({ toolCalls = [] }) => toolCalls)
  assert.deepEqual(
    made.map(({ status, arguments: given }) => [status, (given as { record: number }).record]),
    Array.from({ length: STEPS }, (_, index) => ['succeeded', index + 1]),
  )
  assert.equal(summaries[1], summaries[0], 'the summary in doubt is asked for again, under its own id')
  assert.ok(summaries.length > 3 && summaries.length < STEPS / 4, `${summaries.length} summaries`)
  assert.ok(largest < LIMIT_TOKENS * 1.2, `a prompt had ${largest} tokens`)
  const paid = provider.received.filter(({ body }) => body['tools'] !== undefined).length + summaries.length
  assert.ok(result.usage.modelCalls >= paid - 2 && result.usage.modelCalls <= paid)
  assert.equal(await second.drain(), 0)
})
