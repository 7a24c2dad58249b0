// Signing in at a provider: how often an address may be refused, and one that is down is asked.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { SignIn } from '../../../../services/gateway/access/sign-in.ts'
import { startOpenIdProvider } from '../../../support/openid-provider.ts'

test('an address whose sign-ins are refused is let through once a second, and others are not concerned', async () => {
  using provider = await startOpenIdProvider('console', 'http://127.0.0.1:1/signed-in')
  let nowMs = 1_000
  const tokens = { check: () => Promise.reject(new Error('no token comes to it')) }
  const settings = { issuer: provider.issuer, audience: 'console', signIn: { clientId: 'console' } }
  const signIn = new SignIn(settings, tokens, () => nowMs)
  const codes = async (address: string, times: number) => {
    const seen: unknown[] = []
    for (let n = 0; n < times; n++)
      await signIn
        .finish(
          {
            query: `code=guess${n}&state=a`,
            state: 'a',
            verifier: 'v'.repeat(43),
            redirectUri: 'http://127.0.0.1:1/signed-in',
          },
          address,
        )
        .catch((error: unknown) => seen.push((error as { code: unknown }).code))
    return seen
  }
  const refused = 'UNAUTHENTICATED'
  assert.deepEqual(await codes('1.2.3.4', 10), Array(10).fill(refused))
  assert.deepEqual(await codes('1.2.3.4', 3), [refused, 'TOO_MANY_ATTEMPTS', 'TOO_MANY_ATTEMPTS'])
  assert.deepEqual(await codes('5.6.7.8', 1), [refused])
  nowMs += 1_000
  assert.deepEqual(await codes('1.2.3.4', 2), [refused, 'TOO_MANY_ATTEMPTS'])
  nowMs += 60_000
  assert.deepEqual(await codes('1.2.3.4', 2), [refused, refused])
})

test('an issuer that is down is asked once a second, however many people come', async (t) => {
  let asked = 0
  const issuer = createServer((_, response) => (asked++, void response.writeHead(500).end()))
  await new Promise<void>((listening) => issuer.listen(0, '127.0.0.1', listening))
  t.after(() => issuer.close())
  let nowMs = 1_000
  const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`
  const settings = { issuer: url, audience: 'console', signIn: { clientId: 'console' } }
  const signIn = new SignIn(settings, { check: () => Promise.reject(new Error('no token')) }, () => nowMs)
  const ask = () => assert.rejects(signIn.authorizeUrl(), { code: 'ISSUER_UNAVAILABLE' })
  for (let n = 0; n < 5; n++) await ask()
  assert.equal(asked, 1)
  nowMs += 1_000
  await ask()
  assert.equal(asked, 2)
})
