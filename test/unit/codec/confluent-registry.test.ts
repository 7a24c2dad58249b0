import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createConfluentRegistry } from '../../../runtime/codec/confluent-registry.ts'
import { answerOf } from '../../../runtime/codec/registry-answers.ts'
import type { AvroSchema, Registry } from '../../../runtime/codec/registry.ts'
import { schemas } from '../../../schemas/generated/schemas.ts'

test('a registry that is not there is reported by what the network says, not by a status that nobody sent', async () => {
  await assert.rejects(createConfluentRegistry('http://127.0.0.1:1').check(), {
    code: 'REGISTRY_UNAVAILABLE',
    message: 'asking the schema registry at http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1',
  })
})

const schema = schemas.TaskClosed as unknown as AvroSchema
const registered = { subject: 'flotilla.TaskClosed', schema, id: 7 }

/** A registry's address at which every request gets this answer. */
async function answering(t: TestContext, answer: (response: ServerResponse) => void): Promise<Registry> {
  const server = createServer((request, response) => {
    request.resume()
    answer(response)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return createConfluentRegistry(`http://127.0.0.1:${port}`)
}

const gateway404 = 'a page or a gateway in its place answered with status 404: '
const refused = 'it refused the credentials of SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD'
/** Answers of what stands in front of a registry while it is away, or in its place. */
const others: Readonly<
  Record<string, { status: number; body: string; says: string; location?: string; type?: string }>
> = {
  'a page': {
    status: 404,
    body: '<h1>404 page not found</h1>',
    type: 'text/html',
    says: `${gateway404}<h1>404 page not found</h1>`,
  },
  nothing: { status: 404, body: '', says: `${gateway404}nothing` },
  "an API gateway's 404": {
    status: 404,
    body: '{"message":"no Route matched with those values"}',
    says: `${gateway404}no Route matched`,
  },
  "a server's 404 that names the path": {
    status: 404,
    body: '{"message":"Route /schemas/ids/7 not found"}',
    says: `${gateway404}Route /schemas/ids/7 not found`,
  },
  'a conflict of a proxy': {
    status: 409,
    body: '<h1>Conflict</h1>',
    type: 'text/html',
    says: 'answered with status 409: <h1>Conflict</h1>',
  },
  'a page of 422': { status: 422, body: '<h1>No</h1>', type: 'text/html', says: 'answered with status 422' },
  'JSON of something else': {
    status: 200,
    body: '{"status":"UP"}',
    says: 'answered with status 200 has no ',
  },
  'an empty list': { status: 200, body: '[]', says: 'answered with status 200 has no ' },
  'a redirection': {
    status: 301,
    body: '',
    location: 'https://registry.example/',
    says: 'it redirects to https://registry.example/ (status 301)',
  },
  'a wrong password': { status: 401, body: '{"error_code":401,"message":"Unauthorized"}', says: refused },
  'a right that is missing': { status: 403, body: '', says: refused },
}

for (const [what, { status, body, says, location, type = 'application/json' }] of Object.entries(others))
  test(`${what} says nothing of a schema: REGISTRY_UNAVAILABLE`, async (t) => {
    const headers = { 'content-type': type, ...(location ? { location } : {}) }
    const registry = await answering(t, (response) => response.writeHead(status, headers).end(body))
    const unavailable = (error: Error & { code?: string }) => {
      assert.equal(error.code, 'REGISTRY_UNAVAILABLE', error.message)
      assert.ok(error.message.includes(says), error.message)
      return true
    }
    await assert.rejects(async () => registry.byId(7), unavailable)
    await assert.rejects(registry.register('flotilla.TaskClosed', schema), unavailable)
    await assert.rejects(registry.check(), unavailable)
    await assert.rejects(registry.check(registered), unavailable)
  })

for (const message of ['Schema not found', 'Schema 7 not found', "Subject 'flotilla.TaskClosed' not found."])
  test(`the registry's own "${message}" is a verdict`, async (t) => {
    const body = JSON.stringify({ error_code: 40403, message })
    const registry = await answering(t, (response) =>
      response.writeHead(404, { 'content-type': 'application/json' }).end(body),
    )
    await assert.rejects(async () => registry.byId(7), { code: 'UNDECODABLE_RECORD' })
    await assert.rejects(registry.check(registered), { code: 'REGISTRY_CHANGED' })
    await registry.check()
  })

test('a page of any length is cut in the message', async (t) => {
  const registry = await answering(t, (response) => response.writeHead(503).end('x'.repeat(20_000)))
  await assert.rejects(
    registry.check(registered),
    ({ message }: Error) => message.length < 700 && /status 503: xxx/.test(message),
  )
})

test('an answer that breaks off ends the request', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const answer = answerOf('find', Promise.withResolvers<never>().promise)
  t.mock.timers.tick(20_000)
  await assert.rejects(answer, /^Error: no complete answer within 20 s$/)
})
