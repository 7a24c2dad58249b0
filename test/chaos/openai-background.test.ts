// A background response and the kill of everything: the one process of an embedded fleet, by kill -9, in the middle of
// the response. Started again, the fleet completes it; its stream goes on behind the last event that was read.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import OpenAI from 'openai'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { startServices } from '../support/service-process.ts'

type Event = { type: string; sequence_number: number }

async function eventsOf(stream: AsyncIterable<unknown>): Promise<Event[]> {
  const events: Event[] = []
  for await (const event of stream) events.push(event as Event)
  return events
}

test('a background response survives kill -9 of the whole fleet; its stream is resumed without loss', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-openai-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const model = await startScriptedModel({ script: ({ taskMark }) => ({ text: `done ${taskMark}` }) })
  t.after(() => model.stop())
  const env = {
    FLOTILLA_SCRIPTED_URL: model.url,
    FLOTILLA_DATA: join(directory, 'data'),
    FLOTILLA_PARTITIONS: '4',
    TOOL_SERVER_URL: model.url,
  }
  const first = await startServices([], { env })
  t.after(() => first.kill9())
  await first.ready()
  const clientOf = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })

  const before = clientOf(first.url)
  const agent = (await before.models.list()).data[0]?.id ?? ''
  const asked = { model: agent, input: 'task=survivor latency=4000', background: true } as const
  const done = await before.responses.create({ model: agent, input: 'task=before', background: true })
  const read: Event[] = []
  const reading = (async () => {
    for await (const event of await before.responses.create({ ...asked, stream: true }))
      read.push(event as Event)
  })().catch(() => {})
  await eventually('the stream has begun', () => read.length >= 2)
  await eventually(
    'the model is asked',
    () => model.stats().received > model.stats().answered + model.stats().aborted,
  )
  await first.kill9()
  await reading
  const { id } = (read[0] as unknown as { response: { id: string } }).response

  const second = await startServices([], { env })
  t.after(() => second.kill9())
  await second.ready()
  const after = clientOf(second.url)
  const last = read.length - 1
  const rest = await eventsOf(await after.responses.retrieve(id, { stream: true, starting_after: last }))
  assert.deepEqual([rest[0]?.sequence_number, rest.at(-1)?.type], [last + 1, 'response.completed'])
  const whole = await eventsOf(await after.responses.retrieve(id, { stream: true }))
  assert.deepEqual(whole, [...read, ...rest], 'read before the kill and after it: the stream without a gap')
  const response = await after.responses.retrieve(id)
  assert.deepEqual([response.status, response.output_text], ['completed', 'done survivor'])
  await eventually('the other one has ended too', async () => {
    const { status } = await after.responses.retrieve(done.id)
    return status === 'completed'
  })
})
