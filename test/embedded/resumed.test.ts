// A fleet is killed in the middle of steps: their history says that another owner went on with them, and no other
// step's does.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { StreamedEvent } from '../../client/types.ts'
import { Timeline } from '../../console/src/task/timeline.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import type { Conversation } from '../../runtime/scripted-model/conversations.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'
import { startToolServer } from '../support/tool-server.ts'

const call = (name: string, turn: number) => ({
  toolCalls: [{ name, arguments: { task: 't', turn, item: 0 } }],
})
const conversations: Conversation[] = [
  { title: 'quick', task: 'quick', mode: 'tools', turns: [{ text: 'at once' }] },
  {
    title: 'in the model',
    task: 'slow model',
    mode: 'tools',
    turns: [call('lookup', 1), { text: 'found, after a long thought' }],
  },
  { title: 'in a tool', task: 'slow tool', mode: 'tools', turns: [call('lookup', 7), { text: 'it came' }] },
]

type Client = Awaited<ReturnType<typeof startKillable>>['client']

async function historyOf(client: Client, taskId: string): Promise<StreamedEvent[]> {
  const events: StreamedEvent[] = []
  for await (const event of client.events(taskId)) events.push(event)
  return events
}

const resumedOf = (events: readonly StreamedEvent[]) =>
  events.flatMap((event) =>
    'resumedEpoch' in event && event.resumedEpoch !== undefined ? [[event.type, event.stage] as const] : [],
  )

/** Steps that the console marks. */
function markedSteps(events: readonly StreamedEvent[]): number[] {
  const timeline = new Timeline()
  for (const event of events) timeline.take(event as never)
  return timeline.steps.flatMap(({ number, marks }) =>
    marks.some(({ kind }) => kind === 'resumed') ? [number] : [],
  )
}

test('kill -9 in a model call and in a tool call: these steps are marked as resumed, and no others', async (t) => {
  const directory = testDirectory(t, 'resumed')
  let held = 0
  const released = Promise.withResolvers<void>()
  const tools = await startToolServer({
    log: join(directory, 'calls.jsonl'),
    latencyMs: () => 1,
    until: async ({ turn }) => {
      if (turn !== 7) return
      held++
      await released.promise
    },
  })
  t.after(() => tools.stop())
  const answered = Promise.withResolvers<void>()
  const until = async ({ task, turn }: Exchange) =>
    task.includes('slow model') && turn === 1 && answered.promise
  const model = await startScriptedModel({ conversations, until })
  t.after(() => model.stop())
  const fleet = await startKillable(t, directory, {
    FLOTILLA_SCRIPTED_URL: model.url,
    TOOL_SERVER_URL: tools.url,
  })
  const { client } = fleet
  await client.submit({ taskId: 'before', text: 'quick' })
  await client.submit({ taskId: 'thinks', text: 'slow model' })
  await client.result('before', { timeoutMs: 120_000 })

  await eventually('the model is asked for the second step', () => model.stats().received === 3)
  await fleet.killAndStart()
  answered.resolve()
  await client.result('thinks', { timeoutMs: 120_000 })

  await client.submit({ taskId: 'waits', text: 'slow tool' })
  await eventually('the tool is called', () => held > 0)
  await fleet.killAndStart()
  released.resolve()
  await client.result('waits', { timeoutMs: 120_000 })
  await client.submit({ taskId: 'after', text: 'quick' })
  await client.result('after', { timeoutMs: 120_000 })

  const thinks = await historyOf(client, 'thinks')
  assert.deepEqual(markedSteps(thinks), [2], JSON.stringify(resumedOf(thinks)))
  assert.ok(resumedOf(thinks).some(([type, stage]) => type === 'model.answered' && stage === 'planner'))
  const waits = await historyOf(client, 'waits')
  assert.deepEqual(markedSteps(waits), [1], JSON.stringify(resumedOf(waits)))
  assert.ok(resumedOf(waits).some(([type, stage]) => type === 'tool.completed' && stage === 'tool-executor'))
  for (const taskId of ['before', 'after'])
    assert.deepEqual(resumedOf(await historyOf(client, taskId)), [], taskId)
})
