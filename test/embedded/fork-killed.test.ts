// An embedded fleet that is killed in the middle of forks: each has its result, and the tool server is not asked.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { httpOperator } from '../../operator/http.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import type { Conversation } from '../../runtime/scripted-model/conversations.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'
import { startToolServer } from '../support/tool-server.ts'

const KILLS = 1
const charge = (turn: number) => ({
  toolCalls: [{ name: 'charge', arguments: { task: 't', turn, item: 0 } }],
})
const python = (code: string) => ({ text: `Next.\n\`\`\`python\n${code}\n\`\`\`` })
const conversations: Conversation[] = [
  {
    title: 'tools',
    task: 'charge with tools',
    mode: 'tools',
    turns: [charge(1), charge(2), charge(3), { text: 'charged' }],
  },
  {
    title: 'code',
    task: 'charge with python',
    mode: 'code',
    turns: [
      python('seen = [charge(task="p", turn=1, item=n) for n in range(3)]\nprint(len(seen))'),
      python('seen += [charge(task="p", turn=2, item=n) for n in range(3)]\nprint(len(seen))'),
      python('final_answer(len(seen))'),
    ],
  },
]

test('kill -9 in the middle of forks, in both modes: the tool server is not asked again', async (t) => {
  const directory = testDirectory(t, 'forks')
  const log = join(directory, 'calls.jsonl')
  const tools = await startToolServer({ log, latencyMs: () => 1 })
  t.after(() => tools.stop())
  const model = await startScriptedModel({ conversations, latencyMs: 150 })
  t.after(() => model.stop())
  const { url, client, killAndStart } = await startKillable(t, directory, {
    FLOTILLA_SCRIPTED_URL: model.url,
    TOOL_SERVER_URL: tools.url,
  })
  const { forks } = httpOperator(url)

  const arrived = () =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"arrived"')).length
  const origins = []
  for (const task of [
    { text: 'charge with tools', mode: 'tools' as const },
    { text: 'charge with python', mode: 'code' as const },
  ]) {
    const { taskId } = await client.submit(task)
    origins.push(await client.result(taskId, { timeoutMs: 120_000 }))
  }
  const before = arrived()
  assert.equal(before, 9)

  const ids: string[] = []
  for (const { taskId } of origins)
    for (const fromStep of [1, 2]) ids.push((await forks.fork(taskId, { fromStep })).taskId)
  for (let kill = 0; kill < KILLS; kill++) {
    const asked = model.stats().received
    await eventually('the model is asked again', () => model.stats().received > asked)
    await killAndStart()
  }
  const results = await Promise.all(ids.map((id) => client.result(id, { timeoutMs: 120_000 })))
  for (const [index, result] of results.entries()) {
    assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
    assert.deepEqual(result.output, origins[Math.floor(index / 2)]?.output)
    assert.deepEqual(result.refusedCalls, [])
  }
  assert.equal(arrived(), before)
})
