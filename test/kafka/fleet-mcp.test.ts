// Tools of an MCP server, and Python variables of a session, on real Kafka, registry, Redis and PostgreSQL.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from '../../client/index.ts'
import type { Client } from '../../client/types.ts'
import { httpOperator } from '../../operator/http.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'
import { startMcpServer, type TestServer } from '../support/mcp-server.ts'
import { fleetEnvironment } from '../support/servers.ts'

const LIMIT = { timeoutMs: 120_000 }
const directory = mkdtempSync(join(tmpdir(), 'flotilla-fleet-mcp-'))
const lock = { FLOTILLA_MCP_LOCK: join(directory, 'lock.json') }
const env = { ...fleetEnvironment('fleet-mcp'), ...lock }

const python = (...lines: string[]) => ({ text: `\`\`\`python\n${lines.join('\n')}\n\`\`\`` })
const greeting = python(
  'greetings = [srv_greet(name=name)["greeting"] for name in ("ann", "bo")]',
  'final_answer(greetings + [srv_report(polls=2, asks=True)])',
)
/** The newest message says what to do; those before it are of the session. */
const script: Script = ({ task, observations }) =>
  `${task} ${observations}`.includes('greet again') ? python('final_answer(greetings)') : greeting

let server: TestServer
let fleet: TestFleet
let client: Client

before(async () => {
  server = await startMcpServer()
  const config = join(import.meta.dirname, '../support/mcp.config.ts')
  const synced = await flotilla(['mcp', 'sync'], {
    env: { ...lock, FLOTILLA_CONFIG: config, MCP_URL: server.url, FLOTILLA_DATA: join(directory, 'data') },
  })
  assert.equal(synced.code, 0, synced.err)
  const settings = { report: { requiresApproval: { needed: 2 } } }
  const definition = {
    mcpServers: {
      srv: { url: server.url, resources: false, tools: { allow: ['greet', 'report'], settings } },
    },
    agents: { default: { mode: 'code' as const } },
    sessions: { keepVariables: true },
  }
  fleet = await startTestFleet({ env, http: true, definition, model: { script } })
  client = await connect({ env })
})
after(async () => {
  await client?.close()
  await fleet?.stop()
  await server?.[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

test('Python loops over a server’s tools: two people approve one call, its server asks, and its variables stay', async () => {
  const session = { sessionId: `mcp-${randomUUID()}`, userId: 'ann' }
  const { taskId } = await client.submit({ ...session, text: 'greet everybody' })
  const { approvals, sessions } = httpOperator(fleet.process.url as string)
  const waiting = (why: string) =>
    eventually(`a person is asked: ${why}`, async () =>
      (await approvals.list({ task: taskId })).find((call) => call.why === why),
    )
  const { callId, heldAtMs } = await waiting('approval')
  for (const decidedBy of ['bo', 'Bo', 'cy'])
    await client.approve({ taskId, callId, heldAtMs, approved: true, decidedBy })
  const question = await waiting('question')
  assert.equal(question.callId, callId, 'the call waits once more')
  // What was sent for the approval comes again, late: it answers nothing.
  const answer = { sure: true }
  await client.approve({ taskId, callId, approved: true, answer, decidedBy: 'cy' })
  await client.approve({ taskId, callId, heldAtMs, approved: true, answer, decidedBy: 'dee' })
  for (const decidedBy of ['bo', 'cy'])
    await client.approve({ taskId, callId, heldAtMs: question.heldAtMs, approved: true, answer, decidedBy })
  const result = await client.result(taskId, LIMIT)
  assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  const [ann, bo, report] = result.output as string[]
  assert.deepEqual([ann, bo], ['hello ann', 'hello bo'])
  assert.match(report ?? '', /accept.*sure/)
  assert.equal(server.state.count('report'), 1, 'the call was begun once')
  const { approval } = result.steps[0]?.toolCalls.at(-1) as unknown as {
    approval: { decisions: { by: string }[] }
  }
  assert.deepEqual(
    approval.decisions.map(({ by }) => by),
    ['bo', 'cy'],
  )

  const again = await client.submit({ ...session, text: 'greet again' })
  assert.deepEqual((await client.result(again.taskId, LIMIT)).output, ['hello ann', 'hello bo'])
  assert.equal(server.state.count('greet'), 2, 'no tool is called again')
  const shown = await eventually('the ledger has the sizes', async () => {
    const { list, variables } = await sessions
      .get(session.sessionId)
      .catch(() => ({ list: [], variables: null }))
    return list.length === 2 ? variables : null
  })
  assert.ok((shown.owners[0]?.steps ?? 0) >= 1)
})
