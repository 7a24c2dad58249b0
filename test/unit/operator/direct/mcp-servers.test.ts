// MCP servers as operators see them: pins, calls of the last day, states; and nothing of their secrets.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { directMcpServers } from '../../../../operator/direct/mcp-servers.ts'
import type { BreakerView } from '../../../../operator/direct/breakers.ts'
import { completeMcpServers, type McpServerDefinition } from '../../../../runtime/config/mcp/servers.ts'
import { mcpTools } from '../../../../runtime/config/mcp/tools.ts'
import { pinHash, type DescribedTool } from '../../../../runtime/config/mcp/lock.ts'
import type { Fleet } from '../../../../runtime/config/fleet.ts'
import type { Tables } from '../../../../runtime/store/sql.ts'
import { openSqliteSql } from '../../../../runtime/store/sql-sqlite.ts'

const described = (description: string): DescribedTool => ({
  description,
  input: { type: 'object', properties: {} },
  output: null,
  hints: { readOnlyHint: true },
})

const pinned = (...names: string[]) => ({
  server: 'crm 1.2',
  protocol: '2026-07-28',
  resources: true,
  tools: Object.fromEntries(
    names.map((name) => [
      name,
      { ...described(`Does ${name}.`), hash: pinHash(name, described(`Does ${name}.`)) },
    ]),
  ),
})

const definitions: Record<string, McpServerDefinition> = {
  crm: {
    url: 'https://crm.example:8443/s/secret-in-path/mcp?token=secret-in-query',
    headers: { authorization: 'Bearer secret-in-header' },
    tools: { deny: ['wipe'] },
    trust: ['readOnlyHint'],
  },
  files: { command: 'npx', args: ['--key', 'secret-in-arguments'] },
}

type Row = Partial<Tables['usage_ledger']>

async function view(t: TestContext, rows: readonly Row[], breakers: readonly BreakerView[] = []) {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-mcp-view-'))
  const sql = await openSqliteSql({ dataDir })
  t.after(async () => {
    await sql.destroy()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const known = mcpTools(completeMcpServers(definitions), {
    servers: { crm: pinned('find', 'wipe'), files: pinned('read') },
  })
  const fleet = {
    tools: known.tools,
    mcpServers: known.servers,
    agents: { default: { mode: 'tools' }, other: { mode: 'tools', tools: ['crm_find'] } },
  } as unknown as Fleet
  const nowMs = Date.now()
  for (const [at, row] of rows.entries())
    await sql
      .insertInto('usage_ledger')
      .values({
        ...{
          event_id: `e${at}`,
          task_id: `t${at}`,
          call_id: `c${at}`,
          kind: 'tool',
          user_id: 'ana',
          agent: null,
        },
        ...{ model: null, provider: null, tool: 'crm_find', input_tokens: 0, output_tokens: 0, cost: 0 },
        ...{ cost_is_guess: 0, duration_ms: 100, succeeded: 1, error_code: null, cached: 0 },
        at_ms: nowMs - 10_000 + at,
        ...row,
      })
      .execute()
  return directMcpServers({ fleet, sql, breakers: { list: async () => [...breakers] } }).list()
}

test('pins and rules of every tool, those that the filter leaves out too, and no secret', async (t) => {
  const [crm, files] = await view(t, [])
  assert.deepEqual(
    [crm?.address, crm?.transport, files?.address, files?.transport],
    ['https://crm.example:8443', 'http', 'npx', 'program'],
  )
  assert.deepEqual([crm?.trust, files?.trust, crm?.state], [['readOnlyHint'], [], 'unused'])
  assert.deepEqual(
    crm?.tools.map(({ name, nameThere, idempotent, agents, hash }) => [
      name,
      nameThere,
      idempotent,
      agents,
      hash?.slice(0, 7) ?? null,
    ]),
    [
      ['crm_find', 'find', true, ['default', 'other'], 'sha256-'],
      ['crm_read_resource', null, true, ['default'], null],
      [null, 'wipe', false, [], 'sha256-'],
    ],
  )
  assert.doesNotMatch(JSON.stringify([crm, files]), /secret/)
})

test('calls of the last day are counted, those of other tools and of models are not', async (t) => {
  const [crm, files] = await view(t, [
    { at_ms: Date.now() - 2 * 86_400_000 },
    { kind: 'model', tool: null },
    { tool: 'echo', succeeded: 0 },
    { duration_ms: 300, cached: 1 },
    { succeeded: 0, error_code: 'TOOL_FAILED', task_id: 'early' },
    { succeeded: 0, error_code: 'TOOL_FAILED', task_id: 'late' },
    { tool: 'crm_read_resource' },
  ])
  const { lastAtMs, lastFailure, ...sums } = crm?.calls ?? {}
  assert.deepEqual(sums, { made: 4, failed: 2, cached: 1, meanMs: 150 })
  assert.ok(lastAtMs !== null && lastFailure)
  assert.deepEqual(
    [lastFailure.code, lastFailure.tool, lastFailure.taskId],
    ['TOOL_FAILED', 'crm_find', 'late'],
  )
  assert.equal(crm?.state, 'works')
  assert.deepEqual([files?.calls.made, files?.state], [0, 'unused'])
})

test('a server fails by its last call, by a changed tool until it is called with success, by a breaker', async (t) => {
  const failed = (error_code: string) => ({ succeeded: 0, error_code })
  const stateAfter = async (rows: readonly Row[], breakers?: readonly BreakerView[]) =>
    (await view(t, rows, breakers))[0]?.state
  assert.equal(await stateAfter([{}, failed('TOOL_UNAVAILABLE')]), 'failing')
  assert.equal(await stateAfter([failed('TOOL_UNAVAILABLE'), {}]), 'works')
  assert.equal(await stateAfter([{}, failed('TOOL_DENIED')]), 'works')
  const changed = failed('MCP_TOOL_CHANGED')
  assert.equal(await stateAfter([changed, { tool: 'crm_read_resource' }]), 'changed')
  assert.equal(await stateAfter([changed, {}]), 'works')
  const breaker = {
    ...{ breaker: 'mcp:crm', stage: 'tool-executor', instance: 'host-1', state: 'open' as const },
    ...{ sinceMs: 1, reason: 'no answer', stale: false },
  }
  assert.equal(await stateAfter([{}], [breaker]), 'open')
  assert.equal(await stateAfter([{}], [{ ...breaker, stale: true }]), 'works')
  assert.equal(await stateAfter([{}], [{ ...breaker, breaker: 'mcp:files' }]), 'works')
})
