// Trees of tasks in an embedded fleet that is killed again and again: each call is one task, each effect happens once,
// and what a task that ends was waiting for ends with it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { httpOperator } from '../../operator/http.ts'
import type { Turn } from '../../runtime/scripted-model/conversations.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'
import { startToolServer, type ToolEvent } from '../support/tool-server.ts'

const KILLS = 2
const LIMIT = { timeoutMs: 120_000 }

/** The text of a task says what to do, and where it is in its tree: `charge:1.0`. */
function script({ task, turn, mode, toolNames }: Exchange): Turn {
  const part = (index: number) => `${task}.${index}`
  if (mode === 'code')
    return {
      text: `\`\`\`python\nseen = [ask_worker(f'${task}.{n}') for n in range(2)]\nfinal_answer(seen)\n\`\`\``,
    }
  if (turn > 0) return { text: `done ${task}` }
  if (toolNames.includes('ask_branch'))
    return { toolCalls: [0, 1].map((index) => ({ name: 'ask_branch', arguments: { task: part(index) } })) }
  const [name = 'charge'] = task.split(':')
  return { toolCalls: [{ name, arguments: { task } }] }
}

test('kill -9 in the middle of trees: one task for each call, each charge once, and cancel and deadline reach the leaves', async (t) => {
  const directory = testDirectory(t, 'trees')
  const log = join(directory, 'calls.jsonl')
  const tools = await startToolServer({ log, latencyMs: () => 5 })
  t.after(() => tools.stop())
  const model = await startScriptedModel({ script, latencyMs: 100 })
  t.after(() => model.stop())
  const { url, client, killAndStart } = await startKillable(t, directory, {
    FLOTILLA_CONFIG: join(import.meta.dirname, '../support/trees.config.ts'),
    FLOTILLA_SCRIPTED_URL: model.url,
    TOOL_SERVER_URL: tools.url,
  })
  const { tasks } = httpOperator(url)
  const events = (): ToolEvent[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as ToolEvent)
  const whole = (taskId: string, count: number) =>
    eventually(`${taskId} has ${count} tasks below it`, async () => {
      const found = (await tasks.tree(taskId)).tasks
      assert.ok(found.length <= count + 1, `${found.length} tasks in the tree of ${taskId}`)
      return found.length === count + 1 && found
    })

  const roots = ['a', 'b']
  for (const taskId of roots) await client.submit({ taskId, text: `charge:${taskId}`, timeoutMs: 600_000 })
  for (let kill = 0, asked = 0; kill < KILLS; kill++) {
    await eventually('the model is asked again', () => model.stats().received > asked + kill)
    // Not once it is ready: its tasks go on before that.
    asked = model.stats().received
    await killAndStart()
  }
  for (const taskId of roots) {
    const result = await client.result(taskId, LIMIT)
    assert.equal(result.output, `done charge:${taskId}`, JSON.stringify(result.error))
    const below = await whole(taskId, 6)
    for (const { taskId: id } of below) assert.equal((await client.result(id, LIMIT)).status, 'succeeded')
    const cost = below.slice(1).reduce((sum, task) => sum + task.cost, 0)
    assert.ok(
      cost > 0 && Math.abs((result.childrenCost ?? 0) - cost) < 1e-9,
      `${result.childrenCost} and ${cost}`,
    )
  }
  const charged = Map.groupBy(
    events().filter(({ event, tool }) => event === 'arrived' && tool === 'charge'),
    ({ task }) => task,
  )
  for (const [task, calls] of charged)
    assert.equal(calls.length, 1, `${task} was charged ${calls.length} times`)
  assert.ok(charged.size <= 8)

  // A cancel, and a deadline, of trees whose leaves hang, with a kill in between.
  await client.submit({ taskId: 'c', text: 'linger:c', timeoutMs: 600_000 })
  await client.submit({ taskId: 'd', text: 'linger:d', timeoutMs: 20_000 })
  const hanging = await whole('c', 4)
  const late = await whole('d', 4)
  await client.cancel('c')
  await killAndStart()
  for (const { taskId } of hanging) assert.equal((await client.result(taskId, LIMIT)).status, 'cancelled')
  const endOf = await client.result('d', LIMIT)
  assert.equal(endOf.status, 'timed_out')
  for (const { taskId } of late.slice(1)) {
    const { status, completedAtMs, submittedAtMs } = await client.result(taskId, LIMIT)
    assert.match(status, /^(timed_out|cancelled)$/)
    assert.ok(submittedAtMs <= endOf.submittedAtMs + 20_000 && completedAtMs > 0)
  }
})
