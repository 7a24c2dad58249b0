// Lists of tools on several pages: read whole, once for all that want them, and bounded in all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FlotillaError } from '../../../runtime/errors.ts'
import { connectTestServers } from '../../support/mcp-fleet.ts'
import { ServerState, startMcpServer } from '../../support/mcp-server.ts'

const many = (count: number, description = 'One of many.') =>
  Array.from({ length: count }, (_, at) => ({
    name: `tool-${at}`,
    description,
    inputSchema: { type: 'object' },
  }))
const lists: [string, ReturnType<typeof many>, RegExp][] = [
  ['tools', many(5_001), /^MCP server srv lists more than 5000 tools$/],
  [
    'bytes',
    many(600, 'x'.repeat(7_000)),
    /more than 4000000 bytes of tools \(mcpServers\.srv\.limits\.maxBytes\)/,
  ],
]
for (const [what, tools, message] of lists)
  test(`a list of too many ${what}, on pages that are small each, is refused`, async () => {
    const state = new ServerState()
    state.pageTools = 200
    state.tools = tools
    await using server = await startMcpServer(state)
    await using own = await connectTestServers({ srv: { url: server.url } })
    const [unread] = own.read.unread
    assert.equal((unread?.error as FlotillaError).code, 'TOOL_OUTPUT_TOO_LARGE')
    assert.match(unread?.error.message ?? '', message)
    assert.equal(state.count('tools/list'), Math.ceil(tools.length / 200))
  })

test('a list of several pages is read whole, and once for calls that want it at the same time', async () => {
  const state = new ServerState()
  state.pageTools = 5
  await using server = await startMcpServer(state)
  await using own = await connectTestServers({ srv: { url: server.url, limits: { checkMs: 1 } } })
  assert.deepEqual([own.read.unread, own.tools.length], [[], state.tools.length + 1])
  await own.run('srv_who_asks')
  const before = state.count('tools/list')
  await Promise.all(Array.from({ length: 8 }, () => own.run('srv_who_asks')))
  assert.ok(state.count('tools/list') - before <= 6, `${state.count('tools/list') - before} pages`)
})
