// A stream of events on Kafka: gateway and planner are killed in mid-stream, and another gateway goes on with it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
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
  await eventually('some of the story was shown', () => draftOf(events).length > 60, 60_000)
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
