// Servers of 2025-11-25 that keep a process busy: streams that break off again and again, pings without end.
import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { boundedFetch } from '../../../services/tool-executor/tools/mcp/bounded-fetch.ts'
import { connectTestServers } from '../../support/mcp-fleet.ts'

const event = (message: object, id = ''): string =>
  `${id === '' ? '' : `id: ${id}\nretry: 0\n`}data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`

/** `answer` gets the call of its tool `work`; every stream that is continued breaks off once more. */
async function startServer(answer: (response: ServerResponse) => void) {
  const counts = { continued: 0, answered: 0 }
  const server = createServer(async (incoming, response) => {
    const stream = () => response.writeHead(200, { 'content-type': 'text/event-stream' })
    if (incoming.method === 'GET') {
      counts.continued++
      return void stream().end('id: 9\nretry: 0\ndata: \n\n')
    }
    const { id, method } = JSON.parse(await text(incoming)) as { id?: number; method?: string }
    if (method === undefined) counts.answered++
    const reply = (result: object) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id, ...result }))
    const serverInfo = { name: 'odd', version: '1' }
    if (method === 'initialize')
      reply({ result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo } })
    else if (method === 'tools/list')
      reply({ result: { tools: [{ name: 'work', description: 'Works.', inputSchema: { type: 'object' } }] } })
    else if (method === 'tools/call') answer(stream())
    else if (id === undefined || method === undefined) response.writeHead(202).end()
    else reply({ error: { code: -32_601, message: 'unknown' } })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${port}/mcp`, counts, [Symbol.asyncDispose]: stop }
}

test('a stream that breaks off again and again is continued at a pace', async () => {
  await using server = await startServer((response) => {
    response.write(event({ method: 'notifications/message', params: { level: 'info', data: 1 } }, '7'))
    setImmediate(() => response.destroy())
  })
  await using own = await connectTestServers({ srv: { url: server.url } })
  await assert.rejects(own.run('srv_work', {}, { signal: AbortSignal.timeout(1_000) }))
  const { continued } = server.counts
  assert.ok(continued <= 6, `${continued} times in a second`)
})

test('no stream is continued once nothing waits for its end', async () => {
  await using server = await startServer(() => {})
  const headers = { accept: 'text/event-stream', 'last-event-id': '7' }
  for (const [isAwaited, status] of [
    [false, 405],
    [true, 200],
  ] as const) {
    const ask = boundedFetch({ maxBytes: 1_000, shown: 'srv', isAwaited: () => isAwaited })
    const response = await ask(server.url, { headers })
    await response.text()
    assert.equal(response.status, status)
  }
  assert.equal(server.counts.continued, 1)
})

test('pings without end close the connection: answering them is no work of ours', async () => {
  await using server = await startServer((response) => {
    let sent = 0
    const timer = setInterval(() => {
      for (let each = 0; each < 100; each++) response.write(event({ id: `p${sent++}`, method: 'ping' }))
    }, 1)
    response.once('close', () => clearInterval(timer))
  })
  await using own = await connectTestServers({ srv: { url: server.url } })
  await assert.rejects(own.run('srv_work'), /it sent 2000 messages that nobody asked for/)
  assert.ok(server.counts.answered <= 2_000)
})
