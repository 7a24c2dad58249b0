// A fleet with an MCP server that goes on with calls as tasks: pinned at the start, killed in the middle of a call,
// and started again; then a task that is cancelled.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { eventually } from '../conformance/waiting.ts'
import { freePort } from '../infra/port.ts'
import { startMcpServer } from '../support/mcp-server.ts'
import { startServices } from '../support/service-process.ts'

const report = (polls: number) => ({ toolCalls: [{ name: 'srv_report', arguments: { polls } }] })
const conversations = [
  {
    title: 'short',
    task: 'a short report',
    mode: 'tools' as const,
    turns: [report(3), { text: 'It is written.' }],
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
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-mcp-'))
  t.after(() => rmSync(directory, { recursive: true }))
  await using server = await startMcpServer()
  const { state } = server
  const model = await startScriptedModel({ conversations })
  t.after(() => model.stop())
  const port = await freePort()
  const env = {
    FLOTILLA_CONFIG: join(import.meta.dirname, '../support/mcp.config.ts'),
    FLOTILLA_DATA: join(directory, 'data'),
    FLOTILLA_MCP_LOCK: join(directory, 'lock.json'),
    FLOTILLA_PARTITIONS: '4',
    FLOTILLA_SCRIPTED_URL: model.url,
    MCP_URL: server.url,
  }
  let fleet = await startServices([], { env, port })
  t.after(() => fleet.kill9())
  await fleet.ready(120_000)
  assert.ok(existsSync(env.FLOTILLA_MCP_LOCK), 'a start in development pins the tools')
  const client = new HttpClient(fleet.url)
  t.after(() => client.close())

  const { taskId } = await client.submit({ text: 'a short report' })
  await eventually('the server is asked', () => state.count('tasks/get') > 0, 60_000)
  await fleet.kill9()
  fleet = await startServices([], { env, port })
  await fleet.ready(120_000)
  const result = await client.result(taskId, { timeoutMs: 60_000 })
  assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  assert.equal(state.count('report'), 1, 'the call was begun once')

  const python = await client.submit({ text: 'greet with python', mode: 'code' })
  const spoken = await client.result(python.taskId, { timeoutMs: 60_000 })
  assert.equal(spoken.output, 'hello ann a long report', JSON.stringify(spoken.error))

  const endless = await client.submit({ text: 'an endless report' })
  await eventually('it is begun', () => state.count('report') === 3, 60_000)
  await client.cancel(endless.taskId)
  await eventually('the server is asked to stop', () => state.count('tasks/cancel') === 1, 30_000)
})
