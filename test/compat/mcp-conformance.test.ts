// The MCP server, and the client of servers, with programs that nobody here wrote: the protocol's conformance suite, and its inspector.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runTool } from '../infra/tool.ts'
import type { TestFleet } from '../support/fleet.ts'
import type { Outcome } from './mcp-conformance/suite.ts'
import type { Revision } from './mcp-conformance/expected.ts'
import { command, passed } from './mcp-conformance/client.ts'
import { startFixtureFleet } from './mcp-conformance/fixture.ts'
import { REPORT, reportOf } from './mcp-conformance/report.ts'
import { INSPECTOR, npmProgram, runScenario, runSuite } from './mcp-conformance/suite.ts'

const TIME_MS = 120_000

let fleet: TestFleet
let url = ''
const outcomes: Outcome[] = []
before(async () => {
  fleet = await startFixtureFleet()
  url = `${fleet.process.url}/mcp`
})
after(() => fleet.stop())

const revisions: readonly Revision[] = ['2026-07-28', '2025-11-25']
for (const revision of revisions)
  test(`a server of ${revision} fails what is expected, and nothing else`, async () => {
    const outcome = await runSuite({ url }, revision)
    outcomes.push(outcome)
    assert.ok(outcome.isAsExpected, outcome.output)
    assert.ok(outcome.scenarios.length > 30)
  })

for (const { name, revision } of passed)
  test(`as a client: ${name}, ${revision ?? 'an extension'}`, async () => {
    const { isPassed, output } = await runScenario(command, name, revision)
    assert.ok(isPassed, output)
  })

test('the report says what came out', () => {
  const page = readFileSync(join(import.meta.dirname, '../..', REPORT), 'utf8')
  assert.equal(page, reportOf(outcomes), `write it again: node test/compat/mcp-conformance/main.ts`)
})

test('the inspector lists the agents and calls one', async () => {
  const program = await npmProgram(INSPECTOR, '.bin/mcp-inspector')
  const inspect = async (...args: string[]) => {
    const given = [program, '--cli', url, '--transport', 'http', ...args]
    return JSON.parse(await runTool(process.execPath, given, { timeoutMs: TIME_MS })) as Record<
      string,
      unknown
    >
  }
  const { tools } = await inspect('--method', 'tools/list')
  assert.ok((tools as { name: string }[]).some(({ name }) => name === 'test_simple_text'))
  const called = await inspect('--method', 'tools/call', '--tool-name', 'greet', '--tool-arg', 'name=Ann')
  assert.deepEqual(called['content'], [{ type: 'text', text: 'Hello, Ann!' }])
})
