// Calls of an MCP server that are under way at once while it forgets their session, or while their token expires.
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { memoryKeyValue } from '../../../runtime/testing/memory/store.ts'
import { alone } from '../../../services/tool-executor/tools/mcp/renewal-lease.ts'
import { eventually } from '../../conformance/waiting.ts'
import { connectTestServers } from '../../support/mcp-fleet.ts'
import { startMcpServer, startTestIssuer } from '../../support/mcp-server.ts'

const AT_ONCE = 8

type Issuer = Awaited<ReturnType<typeof startTestIssuer>>

/** Tokens renewed at this issuer, by the refresh token in SRV. */
const renewedAt = ({ url }: Pick<Issuer, 'url'>) => ({
  type: 'refresh_token' as const,
  issuer: url,
  clientId: 'fleet',
  refreshTokenEnv: 'SRV',
})

function assertUsedOnce({ grants }: Pick<Issuer, 'grants'>): void {
  const used = grants.map((grant) => grant.get('refresh_token'))
  assert.equal(new Set(used).size, used.length)
}

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
  await eventually('both run', () => server.calls === 2)
  const before = server.sessions
  server.session = 's2'
  const refused = Array.from({ length: AT_ONCE }, run)
  // The first of them is refused and made again, while the others have no answer yet.
  const answers = Promise.all([...running, ...refused])
  await eventually('one is made again', () => server.refused === AT_ONCE && server.calls === 3)
  server.release()
  const all = eventually('all are made', () => server.calls === 2 + AT_ONCE)
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
  const keyValue = memoryKeyValue()
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
  assertUsedOnce(issuer)
})

test('processes whose tokens expire at once renew one after the other, also for servers of the same issuer', async () => {
  await using server = await startMcpServer()
  await using issuer = await startTestIssuer()
  server.protectedBy = issuer
  const auth = renewedAt(issuer)
  const servers = { one: { url: server.url, auth }, two: { url: server.url, auth } }
  const options = { variables: { SRV: 'refresh-0000' }, keyValue: memoryKeyValue() }
  await using first = await connectTestServers(servers, options)
  await using second = await connectTestServers(servers, options)
  await using third = await connectTestServers(servers, options)
  for (let expired = 0; expired < 3; expired++) {
    issuer.tokens.clear()
    const calls = [first, second, third].flatMap(({ run }) => [run('one_who_asks'), run('two_who_asks')])
    assert.equal((await Promise.all(calls)).length, 6)
  }
  assertUsedOnce(issuer)
})

test('a process that died in a renewal holds the others back until its lease ends', async () => {
  const keyValue = memoryKeyValue()
  const lease = { keyValue, key: 'renewal', leaseMs: 10_000 }
  const beganMs = performance.now()
  assert.ok((await keyValue.compareAndSet('renewal', null, 'of a dead process', 300)).swapped)
  let working = 0
  const work = () =>
    alone(lease, async () => {
      assert.equal(++working, 1)
      await Promise.resolve()
      working--
    })
  await Promise.all([work(), work(), work()])
  assert.ok(performance.now() - beganMs >= 250)
})

test('an issuer that never answers ends a renewal, and the next one begins', async () => {
  await using server = await startMcpServer()
  await using issuer = await startTestIssuer()
  server.protectedBy = issuer
  const auth = renewedAt(issuer)
  const limits = { connectMs: 6_000 }
  const options = { variables: { SRV: 'refresh-0000' }, keyValue: memoryKeyValue() }
  await using own = await connectTestServers({ srv: { url: server.url, auth, limits } }, options)
  await own.run('srv_who_asks')
  issuer.tokens.clear()
  issuer.isSilent = true
  await assert.rejects(own.run('srv_who_asks'), {
    code: 'TOOL_UNAVAILABLE',
    message: /issuer of tokens for MCP server srv did not answer within 6 s/,
  })
  issuer.isSilent = false
  await own.run('srv_who_asks')
})

test('a kept refresh token lasts from its last renewal, also if its issuer does not replace it any more', async () => {
  await using server = await startMcpServer()
  await using issuer = await startTestIssuer()
  server.protectedBy = issuer
  const auth = renewedAt(issuer)
  const store = memoryKeyValue()
  const kept: string[] = []
  const keyValue: typeof store = {
    ...store,
    compareAndSet: (key, expected, next, lifetime) => {
      if (!key.endsWith(':renewal')) kept.push(`${expected} to ${next} for ${JSON.stringify(lifetime)}`)
      return store.compareAndSet(key, expected, next, lifetime)
    },
  }
  const options = { variables: { SRV: 'refresh-0000' }, keyValue }
  await using own = await connectTestServers({ srv: { url: server.url, auth } }, options)
  await own.run('srv_who_asks')
  issuer.rotates = false
  issuer.tokens.clear()
  await own.run('srv_who_asks')
  assert.match(kept.at(-1) ?? '', /^(refresh-\d+) to \1 for 7776000000$/)
})

test('client credentials: calls that find the token expired share one request for another', async () => {
  await using server = await startMcpServer()
  await using issuer = await startTestIssuer()
  server.protectedBy = issuer
  const auth = {
    type: 'client_credentials' as const,
    ...{ issuer: issuer.url, clientId: 'fleet', clientSecretEnv: 'SRV_SECRET' },
  }
  const variables = { SRV_SECRET: 'client-secret-0' }
  await using own = await connectTestServers({ srv: { url: server.url, auth } }, { variables })
  await own.run('srv_who_asks')
  for (let expired = 0; expired < 3; expired++) {
    issuer.tokens.clear()
    const before = issuer.grants.length
    await Promise.all(Array.from({ length: AT_ONCE }, () => own.run('srv_who_asks')))
    assert.equal(issuer.grants.length, before + 1)
  }
  server.wantsScope = 'tools refunds'
  await assert.rejects(own.run('srv_who_asks'), {
    code: 'MCP_AUTH_FAILED',
    message: /wants a token with the scope "tools refunds": name it in auth\.scope/,
  })
})
