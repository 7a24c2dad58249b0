// Tokens of a local issuer: real keys, real HTTP; it rotates them, is away, and answers with garbage.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose'
import type { JwtDefinition } from '../../../../runtime/config/gateway.ts'
import { soon, startIssuer, type Issuer, type Pair } from '../../../support/issuer.ts'
import { probeIssuer } from '../../../../services/probes.ts'
import { TokenChecks, type TokenTimes } from '../../../../services/gateway/access/tokens.ts'

const checksOf = (
  { url }: Issuer,
  changes: Partial<JwtDefinition> = {},
  times: TokenTimes = {},
): TokenChecks => new TokenChecks({ issuer: url, audience: 'flotilla', ...changes }, times)

async function scopesOf(checks: TokenChecks, token: string): Promise<string> {
  const checked = await checks.check(token)
  return 'principal' in checked ? [...checked.principal.scopes].join() : checked.problem
}

test('a token is its user, with the scopes and roles that its claims name', async () => {
  const issuer = await startIssuer()
  const checked = await checksOf(issuer).check(
    await issuer.sign({ scope: 'openid tasks:read ops:read', roles: ['monitor'] }),
  )
  assert.ok('principal' in checked)
  const { name, userId, scopes, agents } = checked.principal
  assert.deepEqual([name, userId, agents, [...scopes]], ['ann', 'ann', null, ['tasks:read', 'ops:read']])
  assert.ok((checked.expiresAtMs ?? 0) > Date.now() + 300_000)
})

test('claims are read as the configuration says', async () => {
  const issuer = await startIssuer()
  const checks = checksOf(issuer, {
    userClaim: 'email',
    scopeClaims: ['groups'],
    scopes: { platform: ['admin'], staff: ['user'], nothing: [] },
    everyToken: ['tasks:read'],
  })
  const asEmail = await checks.check(
    await issuer.sign({ email: 'ann@example.org', groups: ['staff', 'nothing'] }),
  )
  assert.ok('principal' in asEmail)
  assert.equal(asEmail.principal.userId, 'ann@example.org')
  assert.deepEqual([...asEmail.principal.scopes].sort(), ['tasks:cancel', 'tasks:read', 'tasks:submit'])
  const scopes = await scopesOf(checks, await issuer.sign({ email: 'a@b', groups: 'platform', scope: 'x' }))
  assert.match(scopes, /keys:write/)
  assert.equal(await scopesOf(checks, await issuer.sign({ email: 'a@b', scope: 'ops:write' })), 'tasks:read')
  for (const email of [undefined, '', 7, 'a\u0000b', 'x'.repeat(300)])
    assert.match(await scopesOf(checks, await issuer.sign({ email })), /claim email names no user/)
  assert.throws(() => checksOf(issuer, { everyToken: ['tasks:raed'] }), {
    code: 'CONFIG_INVALID',
    message: /do not exist: tasks:raed/,
  })
})

test('what is not for us, over, not yet begun, without an end or of another issuer is refused', async () => {
  const issuer = await startIssuer()
  const checks = checksOf(issuer)
  const refused: [JWTPayload, RegExp][] = [
    [{ aud: 'another' }, /claim aud/],
    [{ iss: 'https://evil.example' }, /claim iss/],
    [{ exp: soon(-31) }, /has expired/],
    [{ nbf: soon(60) }, /claim nbf/],
    [{ exp: undefined as unknown as number }, /claim exp/],
  ]
  for (const [claims, reason] of refused)
    assert.match(await scopesOf(checks, await issuer.sign(claims)), reason)
  assert.equal(await scopesOf(checks, await issuer.sign({ exp: soon(-20) })), 'tasks:read', 'clocks differ')
  const strict = checksOf(issuer, { clockToleranceMs: 0 })
  assert.match(await scopesOf(strict, await issuer.sign({ exp: soon(-20) })), /has expired/)
  const both = checksOf(issuer, { audience: ['other', 'flotilla'] })
  assert.equal(await scopesOf(both, await issuer.sign()), 'tasks:read')
})

test('forged signatures are refused: none, the public key as a secret, another key, a changed claim', async () => {
  const issuer = await startIssuer()
  const checks = checksOf(issuer)
  const claims = { sub: 'ann', scope: 'admin', iss: issuer.url, aud: 'flotilla', exp: soon() }
  const secret = new TextEncoder().encode(await exportSPKI((issuer.keys.get('one') as Pair).publicKey))
  const symmetric = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(secret)
  assert.match(await scopesOf(checks, symmetric), /algorithm is not accepted/)
  assert.match(
    await scopesOf(checks, new UnsecuredJWT(claims).encode()),
    /algorithm is not accepted|not a valid JWT/,
  )
  const other = await generateKeyPair('RS256')
  assert.match(await scopesOf(checks, await issuer.sign({}, 'one', other)), /signature is wrong/)
  const [head, , signature] = (await issuer.sign()).split('.')
  const changed = Buffer.from(JSON.stringify(claims)).toString('base64url')
  assert.match(await scopesOf(checks, `${head}.${changed}.${signature}`), /signature is wrong/)
  for (const text of ['', 'a.b.c', 'x'.repeat(9_000), `${head}.e30.${signature}`, '...'])
    assert.doesNotMatch(await scopesOf(checks, text), /^tasks/, text)
  const narrow = checksOf(issuer, { algorithms: ['ES256'] })
  assert.match(await scopesOf(narrow, await issuer.sign()), /algorithm is not accepted/)
})

test('a rotated key is found at once, asked for once in a while, and one that is withdrawn is forgotten', async () => {
  const issuer = await startIssuer()
  const checks = checksOf(issuer, { jwksUrl: `${issuer.url}/jwks` }, { cooldownMs: 0 })
  const old = await issuer.sign()
  assert.equal(await scopesOf(checks, old), 'tasks:read')
  await issuer.addKey('two')
  assert.equal(await scopesOf(checks, await issuer.sign({}, 'two')), 'tasks:read')
  const patient = checksOf(issuer, { jwksUrl: `${issuer.url}/jwks` }, { cooldownMs: 60_000 })
  await patient.check(old)
  const before = issuer.asked()
  const stranger = await generateKeyPair('RS256')
  for (let index = 0; index < 20; index++)
    assert.match(await scopesOf(patient, await issuer.sign({}, `guess-${index}`, stranger)), /does not have/)
  assert.equal(issuer.asked(), before, 'tokens with invented keys do not make us ask the issuer')
  issuer.keys.delete('one')
  const aged = checksOf(issuer, { jwksUrl: `${issuer.url}/jwks` }, { maxAgeMs: 0 })
  assert.match(await scopesOf(aged, old), /does not have/)
})

test('an issuer that is away: tokens of known keys work on; new ones ask for patience', async () => {
  const issuer = await startIssuer()
  const known = checksOf(issuer, {}, { cooldownMs: 0, retryMs: 0 })
  const fresh = checksOf(issuer, {}, { retryMs: 0 })
  const token = await issuer.sign()
  assert.equal(await scopesOf(known, token), 'tasks:read')
  const stranger = await generateKeyPair('RS256')
  const away = { code: 'ISSUER_UNAVAILABLE', retryAfterMs: 5_000 }
  const answers: [string, number, string][] = [
    ['an error', 503, 'sorry'],
    ['garbage', 200, '<html>'],
    ['another shape', 200, '{"keys": 7}'],
    ['null', 200, 'null'],
    ['a redirect', 302, ''],
    ['too much', 200, JSON.stringify({ keys: [], more: 'x'.repeat(1_000_001) })],
  ]
  for (const [what, status, body] of answers) {
    issuer.answers(() => ({ status, body }))
    assert.equal(await scopesOf(known, token), 'tasks:read', what)
    await assert.rejects(known.check(await issuer.sign({}, 'new', stranger)), away, what)
    await assert.rejects(fresh.check(token), away, what)
  }
  issuer.answers((path) => ({
    status: 200,
    body: JSON.stringify({ issuer: 'https://evil.example', jwks_uri: `https://evil.example${path}` }),
  }))
  await assert.rejects(fresh.check(token), { ...away, message: /is of another issuer/ })
  issuer.answers(null)
  assert.equal(await scopesOf(fresh, token), 'tasks:read', 'it is back')
})

test('keys are read for a check, which says whether the issuer can be reached', async () => {
  const issuer = await startIssuer()
  const found = { result: 'ok', reason: `${issuer.url} answers, with 1 key` }
  assert.deepEqual(await probeIssuer({ issuer: issuer.url, audience: 'flotilla' }), found)
  const away = { code: 'ISSUER_UNAVAILABLE' }
  issuer.answers(() => ({ status: 503, body: 'sorry' }))
  await assert.rejects(probeIssuer({ issuer: issuer.url, audience: 'flotilla' }), away)
  await assert.rejects(checksOf(issuer, { jwksUrl: `${issuer.url}/jwks` }).readKeys(), away)
  issuer.answers(() => ({ status: 200, body: JSON.stringify({ keys: [] }) }))
  const empty = await probeIssuer({
    ...{ issuer: issuer.url, audience: 'flotilla' },
    jwksUrl: `${issuer.url}/jwks`,
  })
  assert.match(empty.reason, /without any key/)
})

test('an issuer that fails is asked by one request at a time, and again only after a while', async () => {
  const issuer = await startIssuer()
  const token = await issuer.sign()
  const away = { code: 'ISSUER_UNAVAILABLE' }
  issuer.answers(() => ({ status: 503, body: 'sorry' }))
  for (const settings of [{}, { jwksUrl: `${issuer.url}/jwks` }]) {
    const checks = checksOf(issuer, settings, { retryMs: 600_000 })
    const before = issuer.asked()
    await Promise.all(Array.from({ length: 20 }, () => assert.rejects(checks.check(token), away)))
    for (let index = 0; index < 20; index++) await assert.rejects(checks.check(token), away)
    assert.equal(issuer.asked() - before, 1)
  }
})
