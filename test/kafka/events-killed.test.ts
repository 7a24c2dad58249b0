// Streams on Kafka, of events and of OpenAI's responses: a gateway is killed in mid-stream, and another goes on with it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import OpenAI from 'openai'
import { HttpClient } from '../../client/http/client.ts'
import type { StreamedEvent } from '../../client/types.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'

const STORY = Array.from({ length: 30 }, (_, index) => `This is sentence ${index}.`).join(' ')

let model: ScriptedModel
let env: Record<string, string>
const running = new Set<ServiceProcess>()

async function start(...names: string[]): Promise<ServiceProcess> {
  const started = await startServices(names, { env })
  running.add(started)
  await started.ready(180_000)
  return started
}

before(async () => {
  const script = ({ task }: { task: string }) => (task.includes('story') ? { text: STORY } : undefined)
  model = await startScriptedModel({ script })
  env = fleetEnvironment('events-killed', { FLOTILLA_SCRIPTED_URL: model.url })
})
after(async () => {
  await Promise.all([...running].map((process) => process.kill9()))
  await model?.stop()
})

/** The text of unfinished steps, as a page shows it. */
function draftOf(events: readonly StreamedEvent[]): string {
  let draft = ''
  for (const event of events) {
    if (event.type === 'text.delta') draft += event.text
    if (event.type === 'text.retracted' || event.type === 'model.answered') draft = ''
  }
  return draft
}

test('another gateway goes on behind the last id: every event once, and no half text twice', async () => {
  // The first one creates the topics.
  await start('router', 'tool-executor', 'metering')
  const [planner, gateway] = await Promise.all([start('planner'), start('gateway')])
  const first = new HttpClient(gateway.url)
  await first.submit({ text: 'tell a story pace=250', taskId: 'story', mode: 'tools', timeoutMs: 300_000 })
  const events: StreamedEvent[] = []
  const reading = (async () => {
    for await (const event of first.events('story')) events.push(event)
  })()
  await eventually('some of the story was shown', () => draftOf(events).length > 60)
  await Promise.all([gateway.kill9(), planner.kill9()])
  await first.close()
  await reading
  const [other] = await Promise.all([start('gateway'), start('planner')])
  const second = new HttpClient(other.url)
  const after = events.findLast(({ id }) => id !== null)?.id as string
  for await (const event of second.events('story', { after })) {
    events.push(event)
    assert.ok(STORY.startsWith(draftOf(events)), `shown: ${draftOf(events)}`)
  }
  assert.equal(events.at(-1)?.type, 'result')
  assert.ok(events.some(({ type }) => type === 'text.retracted'))
  const ids = events.flatMap(({ id }) => id ?? [])
  assert.equal(new Set(ids).size, ids.length)
  const whole: StreamedEvent[] = []
  for await (const event of second.events('story')) whole.push(event)
  assert.deepEqual(
    events.filter(({ id }) => id !== null),
    whole,
  )
  const answers = whole.flatMap((event) => (event.type === 'model.answered' ? [event.text] : []))
  assert.deepEqual(answers, [STORY])
  await second.close()
})

interface ResponseEvent {
  readonly type: string
  readonly sequence_number: number
}

test('OpenAI’s package: a chat, and a background response that another gateway goes on with', async () => {
  const [dying, other] = await Promise.all([start('gateway'), start('gateway')])
  const [first, second] = [dying, other].map(
    ({ url }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }),
  ) as [OpenAI, OpenAI]
  const { data } = await second.models.list()
  const chosen = data[0]?.id ?? ''
  let said = ''
  const messages = [{ role: 'user' as const, content: 'tell a story' }]
  for await (const { choices } of await second.chat.completions.create({
    model: chosen,
    messages,
    stream: true,
  }))
    said += choices[0]?.delta.content ?? ''
  assert.equal(said, STORY)

  const asked = { model: chosen, input: 'tell a story pace=250', background: true, stream: true } as const
  const read: ResponseEvent[] = []
  let id = ''
  const reading = (async () => {
    for await (const event of await first.responses.create(asked)) {
      if (event.type === 'response.created') id = event.response.id
      read.push(event)
    }
  })().catch(() => {})
  await eventually('the stream has begun', () => read.length >= 2)
  await dying.kill9()
  await reading
  const last = read.at(-1) as ResponseEvent
  const rest: ResponseEvent[] = []
  const resumed = { stream: true, starting_after: last.sequence_number } as const
  for await (const event of await second.responses.retrieve(id, resumed)) rest.push(event)
  assert.deepEqual(
    [rest[0]?.sequence_number, rest.at(-1)?.type],
    [last.sequence_number + 1, 'response.completed'],
  )
  const { status, output_text } = await second.responses.retrieve(id)
  assert.deepEqual([status, output_text], ['completed', STORY])
  const next = await second.responses.create({ model: chosen, input: 'say hi', previous_response_id: id })
  assert.equal(next.status, 'completed')
})
