// A fleet with an MCP server that goes on with calls as tasks: pinned at the start, killed in the middle of a call,
// and started again; then a task that is cancelled.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { httpOperator } from '../../operator/http.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { startMcpServer } from '../support/mcp-server.ts'
import { startKillable, testDirectory } from '../support/killable-fleet.ts'

const report = (polls: number, asks = false) => ({
  toolCalls: [{ name: 'srv_report', arguments: { polls, asks } }],
})
const conversations = [
  {
    title: 'short',
    task: 'a short report',
    mode: 'tools' as const,
    turns: [report(3), { text: 'It is written.' }],
  },
  {
    title: 'asking',
    task: 'a report that asks',
    mode: 'tools' as const,
    turns: [report(0, true), { text: 'It is answered.' }],
  },
  {
    title: 'endless',
    task: 'an endless report',
    mode: 'tools' as const,
    turns: [report(100_000), { text: '' }],
  },
  {
    title: 'python',
    task: 'greet with python',
    mode: 'code' as const,
    turns: [
      { text: '```python\nfinal_answer(srv_greet(name="ann")["greeting"] + " " + srv_report(polls=1))\n```' },
    ],
  },
]

test('kill -9 while a server goes on with a call: it is asked on, and begun once; a cancel reaches it', async (t) => {
  const directory = testDirectory(t, 'mcp')
  await using server = await startMcpServer()
  const { state } = server
  const model = await startScriptedModel({ conversations })
  t.after(() => model.stop())
  const lock = join(directory, 'lock.json')
  const { url, client, killAndStart } = await startKillable(t, directory, {
    FLOTILLA_CONFIG: join(import.meta.dirname, '../support/mcp.config.ts'),
    FLOTILLA_MCP_LOCK: lock,
    FLOTILLA_SCRIPTED_URL: model.url,
    MCP_URL: server.url,
  })
  assert.ok(existsSync(lock), 'a start in development pins the tools')

  const { taskId } = await client.submit({ text: 'a short report' })
  const asking = await client.submit({ text: 'a report that asks' })
  await eventually('the server is asked', () => state.count('tasks/get') > 0)
  const { approvals } = httpOperator(url)
  const waiting = await eventually('the question waits', async () => (await approvals.list({}))[0])
  await killAndStart()
  const answer = { sure: true }
  await client.approve({ taskId: asking.taskId, callId: waiting.callId, approved: true, answer })
  const answered = await client.result(asking.taskId, { timeoutMs: 120_000 })
  assert.match(JSON.stringify(answered.steps[0]?.toolCalls), /accept.*sure/, JSON.stringify(answered.error))
  assert.equal(state.count('tasks/update'), 1)
  const result = await client.result(taskId, { timeoutMs: 120_000 })
  assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  assert.equal(state.count('report'), 2, 'each call was begun once')

  const python = await client.submit({ text: 'greet with python', mode: 'code' })
  const spoken = await client.result(python.taskId, { timeoutMs: 120_000 })
  assert.equal(spoken.output, 'hello ann a long report', JSON.stringify(spoken.error))

  const endless = await client.submit({ text: 'an endless report' })
  await eventually('it is begun', () => state.count('report') === 4)
  await client.cancel(endless.taskId)
  await eventually('the server is asked to stop', () => state.count('tasks/cancel') > 0)
})
