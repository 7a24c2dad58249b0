// An OpenID provider on loopback: real keys, real HTTP.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose'

export type Pair = Awaited<ReturnType<typeof generateKeyPair>>

/** An OpenID provider whose answers a test can change. */
export async function startIssuer() {
  const keys = new Map<string, Pair>()
  let answer: ((path: string) => { status: number; body: string }) | null = null
  let asked = 0
  const server = createServer(async (request, response) => {
    asked++
    const path = request.url ?? ''
    if (answer) {
      const { status, body } = answer(path)
      return void response.writeHead(status, { location: '/elsewhere' }).end(body)
    }
    const jwks = await Promise.all(
      [...keys].map(async ([kid, { publicKey }]) => ({ ...(await exportJWK(publicKey)), kid, alg: 'RS256' })),
    )
    const body = path.includes('openid') ? { issuer: url, jwks_uri: `${url}/jwks` } : { keys: jwks }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  after(() => (server.closeAllConnections(), server.close()))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const addKey = async (kid: string) =>
    void keys.set(kid, await generateKeyPair('RS256', { extractable: true }))
  await addKey('one')
  return {
    url,
    keys,
    addKey,
    asked: () => asked,
    answers: (next: typeof answer) => void (answer = next),
    sign: (claims: JWTPayload = {}, kid = 'one', pair = keys.get(kid) as Pair) =>
      new SignJWT({ sub: 'ann', scope: 'tasks:read', iss: url, aud: 'flotilla', exp: soon(), ...claims })
        .setProtectedHeader({ alg: 'RS256', kid })
        .sign(pair.privateKey),
  }
}

/** Seconds since the epoch. */
export const soon = (seconds = 300): number => Math.floor(Date.now() / 1_000) + seconds

export type Issuer = Awaited<ReturnType<typeof startIssuer>>
