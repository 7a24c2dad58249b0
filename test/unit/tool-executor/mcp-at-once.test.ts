// Calls of an MCP server that are under way at once while it forgets their session, or while their token expires.
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { eventually } from '../../conformance/waiting.ts'
import { connectTestServers } from '../../support/mcp-fleet.ts'
import { startMcpServer, startTestIssuer } from '../../support/mcp-server.ts'

const AT_ONCE = 8

/** A server of 2025-11-25 with sessions, whose tool `work` answers once `release` is called. */
class SessionServer {
  session = 's1'
  sessions = 0
  calls = 0
  /** Requests of an old session. Their answers wait, too, but for the first. */
  refused = 0
  readonly #held: (() => void)[] = []
  readonly #server = createServer((incoming, response) => void this.#answer(incoming, response))

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/mcp`
  }

  release(): void {
    for (const answer of this.#held.splice(0)) answer()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    if (incoming.method !== 'POST') return void response.writeHead(405).end()
    const { id, method } = JSON.parse(await text(incoming)) as { id?: number; method: string }
    const reply = (fields: object, headers = {}) =>
      response
        .writeHead(200, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify({ jsonrpc: '2.0', id, ...fields }))
    if (method === 'server/discover') return void reply({ error: { code: -32_601, message: 'unknown' } })
    if (method === 'initialize') {
      this.sessions++
      const serverInfo = { name: 'old', version: '1' }
      const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo }
      return void reply({ result }, { 'mcp-session-id': this.session })
    }
    if (incoming.headers['mcp-session-id'] !== this.session) {
      this.refused++
      if (method === 'tools/call' && this.refused > 1) await new Promise<void>((go) => this.#held.push(go))
      return void response.writeHead(404).end()
    }
    if (id === undefined) return void response.writeHead(202).end()
    const tool = { name: 'work', description: 'Works.', inputSchema: { type: 'object' } }
    if (method === 'tools/list') return void reply({ result: { tools: [tool] } })
    this.calls++
    await new Promise<void>((go) => this.#held.push(go))
    reply({ result: { content: [{ type: 'text', text: 'done' }] } })
  }
}

test('a session that is forgotten: running calls get their answers, refused ones are made once on a new one', async () => {
  await using server = new SessionServer()
  const url = await server.open()
  await using own = await connectTestServers({
    srv: { url, resources: false, limits: { connectMs: 60_000 } },
  })
  const run = () => own.run('srv_work', {}, { signal: AbortSignal.timeout(60_000) })
  const running = [run(), run()]
  await eventually('both run', () => server.calls === 2, 60_000)
  const before = server.sessions
  server.session = 's2'
  const refused = Array.from({ length: AT_ONCE }, run)
  // The first of them is refused and made again, while the others have no answer yet.
  const answers = Promise.all([...running, ...refused])
  await eventually('one is made again', () => server.refused === AT_ONCE && server.calls === 3, 60_000)
  server.release()
  const all = eventually('all are made', () => server.calls === 2 + AT_ONCE, 60_000)
  await Promise.race([all, answers])
  server.release()
  assert.deepEqual(await answers, Array<string>(2 + AT_ONCE).fill('done'))
  assert.equal(server.calls, 2 + AT_ONCE)
  assert.equal(server.sessions, before + 1)
})

test('a token that expires: calls share one renewal, and the refresh token is used once', async () => {
  await using server = await startMcpServer()
  await using issuer = await startTestIssuer()
  server.protectedBy = issuer
  const names = { clientSecretEnv: 'SRV_SECRET', refreshTokenEnv: 'SRV_REFRESH' }
  const auth = { type: 'refresh_token' as const, issuer: issuer.url, clientId: 'fleet', ...names }
  const kept = new Map<string, string>()
  const keyValue = {
    get: async (key: string) => kept.get(key) ?? null,
    set: async (key: string, value: string) => void kept.set(key, value),
  }
  const variables = { SRV_SECRET: 'client-secret-0', SRV_REFRESH: 'refresh-0000' }
  await using own = await connectTestServers({ srv: { url: server.url, auth } }, { variables, keyValue })
  await own.run('srv_who_asks')
  for (let expired = 0; expired < 3; expired++) {
    issuer.tokens.clear()
    const before = issuer.grants.length
    await Promise.all(Array.from({ length: AT_ONCE }, () => own.run('srv_who_asks')))
    assert.equal(issuer.grants.length, before + 1)
  }
  // Another process of the fleet, which has the token that was kept when it began.
  await using other = await connectTestServers({ srv: { url: server.url, auth } }, { variables, keyValue })
  for (const { run } of [other, own, other, own]) {
    issuer.tokens.clear()
    await run('srv_who_asks')
  }
  const used = issuer.grants.map((grant) => grant.get('refresh_token'))
  assert.equal(new Set(used).size, used.length)
})
