// Issuers of tokens for MCP servers that refuse, or answer with what nobody can use.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectTestServers } from '../../support/mcp-fleet.ts'
import { startMcpServer, startTestIssuer, type TestIssuer } from '../../support/mcp-server.ts'

const environment = { variables: { SRV_SECRET: 'client-secret-0', SRV_REFRESH: 'refresh-0000' } }
const kinds = [
  { type: 'client_credentials' as const },
  { type: 'refresh_token' as const, refreshTokenEnv: 'SRV_REFRESH' },
]
const assertFailed = (error: unknown, message: RegExp): void => {
  assert.equal((error as { code?: string }).code, 'MCP_AUTH_FAILED', String(error))
  assert.match((error as Error).message, message)
}

for (const kind of kinds) {
  const connected = async (prepare: (issuer: TestIssuer) => void) => {
    await using server = await startMcpServer()
    await using issuer = await startTestIssuer()
    server.protectedBy = issuer
    prepare(issuer)
    const auth = { ...kind, issuer: issuer.url, clientId: 'fleet', clientSecretEnv: 'SRV_SECRET' }
    await using own = await connectTestServers({ srv: { url: server.url, auth } }, environment)
    return { error: own.read.unread[0]?.error, grants: issuer.grants.length }
  }

  test(`an issuer that refuses ${kind.type} is asked once, and what it says reaches no console`, async (t) => {
    const written = t.mock.method(console, 'warn', () => {})
    const { error, grants } = await connected((issuer) => {
      issuer.refusal = { error: 'invalid_grant', error_description: 'refresh-0000 is no longer good' }
    })
    assertFailed(error, /refused the credentials: invalid_grant: .* is no longer good/)
    assert.deepEqual([grants, written.mock.callCount()], [1, 0])
  })

  test(`${kind.type}: a token that no server takes is refused`, async () => {
    const { error } = await connected((issuer) => {
      issuer.padding = 'x'.repeat(300_000)
    })
    assertFailed(error, /a token of 3000\d\d characters, at most 16000 are taken/)
  })
}
