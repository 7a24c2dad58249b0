// MCP servers that answer what MCP does not allow: they work all the same.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { connectTestServers } from '../../support/mcp-fleet.ts'
import { startMcpServer } from '../../support/mcp-server.ts'

const program = fileURLToPath(new URL('../../support/mcp-server.ts', import.meta.url))
const fails = (code: string, message: RegExp) => ({ code, message })

test('over HTTP it is not taken for a server that is down', async () => {
  await using server = await startMcpServer()
  await using own = await connectTestServers({ srv: { url: server.url } })
  for (const tool of ['srv_nothing', 'srv_no_json'])
    await assert.rejects(
      own.run(tool),
      fails('TOOL_OUTPUT_INVALID', /MCP server srv answered what MCP does not allow/),
    )
  assert.deepEqual(await own.run('srv_greet', { name: 'ann' }), { greeting: 'hello ann' })
})

test('a program’s answer without a result ends its call; one that dies later is down all the same', async () => {
  const args = ['--disable-warning=ExperimentalWarning', program]
  await using own = await connectTestServers({ srv: { command: process.execPath, args } })
  await assert.rejects(own.run('srv_nothing'), fails('TOOL_OUTPUT_INVALID', /neither a result nor an error/))
  assert.deepEqual(await own.run('srv_greet', { name: 'ann' }), { greeting: 'hello ann' })
  await assert.rejects(own.run('srv_nothing'), fails('TOOL_OUTPUT_INVALID', /neither a result/))
  await assert.rejects(own.run('srv_die'), fails('TOOL_UNAVAILABLE', /can't be reached/))
})
