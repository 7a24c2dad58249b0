// The codec against a real schema registry.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createCodec } from '../../runtime/codec/codec.ts'
import { createConfluentRegistry } from '../../runtime/codec/confluent-registry.ts'
import type { AvroSchema, Registry } from '../../runtime/codec/registry.ts'
import { FlotillaError, type ErrorCode } from '../../runtime/errors.ts'
import { schemas } from '../../schemas/generated/schemas.ts'
import type { EventType } from '../../schemas/generated/events.ts'
import { topicOf } from '../golden/golden.ts'
import { samples } from '../golden/samples.ts'

const url = registryUrl()
const prefix = `registry-${process.pid}-${Date.now().toString(36)}`
const subject = (name: string): string => `${prefix}.${name}`

function registryUrl(): string {
  const given = process.env['SCHEMA_REGISTRY_URL']
  if (!given) throw new Error('SCHEMA_REGISTRY_URL is not set: run npm run test:kafka')
  return given
}

const is = (code: ErrorCode, pattern: RegExp) => (error: unknown) =>
  error instanceof FlotillaError && error.code === code && (assert.match(error.message, pattern), true)

const avro = (type: EventType, change: object = {}): AvroSchema =>
  ({ ...schemas[type], ...change }) as unknown as AvroSchema

async function api(path: string, init: RequestInit = {}): Promise<unknown> {
  const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
  const response = await fetch(`${url}${path}`, { ...init, headers })
  return response.json()
}

test('what one process writes, another reads by the id in the registry', async () => {
  const writer = createCodec({ registry: createConfluentRegistry(url), prefix })
  const reader = createCodec({ registry: createConfluentRegistry(url), prefix })
  await Promise.all([writer.prepare(), reader.check()])
  for (const type of Object.keys(samples) as EventType[]) {
    const value = writer.encode(type, samples[type] as never, topicOf(type))
    assert.deepEqual(await reader.decode(value, topicOf(type)), { type, data: samples[type] })
    assert.ok(!(reader.decode(value, topicOf(type)) instanceof Promise), 'known the second time')
  }
})

test('schemas stand under record names and, where others look for them, under <topic>-value, FULL_TRANSITIVE', async () => {
  await createCodec({ registry: createConfluentRegistry(url), prefix }).prepare()
  const subjects = new Set((await api('/subjects')) as string[])
  for (const type of Object.keys(schemas)) assert.ok(subjects.has(`flotilla.${type}`), type)
  for (const topic of ['tasks.submitted', 'tasks.completed']) {
    const name = subject(`${topic}-value`)
    assert.ok(subjects.has(name), name)
    assert.deepEqual(await api(`/config/${name}`), { compatibilityLevel: 'FULL_TRANSITIVE' })
  }
})

test('registering twice is one version', async () => {
  const registry = createConfluentRegistry(url)
  const first = await registry.register(subject('twice'), avro('TaskClosed'))
  assert.equal(await createConfluentRegistry(url).register(subject('twice'), avro('TaskClosed')), first)
  assert.deepEqual(await api(`/subjects/${subject('twice')}/versions`), [1])
})

test('processes that start together all get their ids', async () => {
  const together = Array.from({ length: 8 }, () =>
    createConfluentRegistry(url).register(subject('together'), avro('WorkCancelled')),
  )
  assert.equal(new Set(await Promise.all(together)).size, 1)
})

test('a compatible version gets an id of its own; an incompatible one is refused by name', async () => {
  const registry = createConfluentRegistry(url)
  const first = await registry.register(subject('grows'), avro('TaskClosed'))
  const { fields } = schemas.TaskClosed
  const note = { name: 'note', type: ['null', 'string'], default: null }
  const second = await registry.register(subject('grows'), avro('TaskClosed', { fields: [...fields, note] }))
  assert.notEqual(first, second)
  const { default: _, ...required } = { ...note, name: 'must', type: 'string' }
  await assert.rejects(
    registry.register(subject('grows'), avro('TaskClosed', { fields: [...fields, required] })),
    is('SCHEMA_INCOMPATIBLE', new RegExp(`registering ${subject('grows')}.*refused this version`)),
  )
})

test('a subject whose owner chose another level keeps it', async () => {
  const registry = createConfluentRegistry(url)
  const id = await registry.register(subject('owned'), avro('TaskClosed'))
  await api(`/config/${subject('owned')}`, { method: 'PUT', body: '{"compatibility":"BACKWARD"}' })
  assert.equal(await registry.register(subject('owned'), avro('TaskClosed')), id)
  assert.deepEqual(await api(`/config/${subject('owned')}`), { compatibilityLevel: 'BACKWARD' })
})

test('an id that the registry does not have, or that is no event of ours, is undecodable', async () => {
  const registry = createConfluentRegistry(url)
  const codec = createCodec({ registry, prefix })
  const record = (id: number): Buffer =>
    Buffer.from([0, ...[24, 16, 8, 0].map((shift) => (id >> shift) & 255), 2, 97])
  const decode = async (id: number) => codec.decode(record(id), 'tasks.completed')
  await assert.rejects(
    () => decode(2_000_000_000),
    is('UNDECODABLE_RECORD', /no Avro schema with id 2000000000/),
  )
  const other = {
    type: 'record',
    name: 'Invoice',
    namespace: 'com.example',
    fields: [{ name: 'a', type: 'string' }],
  }
  const id = await registry.register(subject('other'), other)
  await assert.rejects(() => decode(id), is('UNDECODABLE_RECORD', /is Invoice, which is no event/))
})

const recordOf = (name: string, type: unknown) =>
  JSON.stringify({ type: 'record', name, fields: [{ name: 'text', type }] })
const jsonSchema = (draft: string, more: object = {}) =>
  JSON.stringify({ $schema: `http://json-schema.org/${draft}/schema#`, type: 'object', ...more })
/** What other programs register: the client of this package can't read all of it. */
const strange = {
  'JSON Schema': { schemaType: 'JSON', schema: jsonSchema('draft-07') },
  'JSON Schema of an old draft': { schemaType: 'JSON', schema: jsonSchema('draft-04') },
  'JSON Schema with words of its generator': {
    schemaType: 'JSON',
    schema: jsonSchema('draft-07', { javaType: 'com.example.Task' }),
  },
  'Protocol Buffers': {
    schemaType: 'PROTOBUF',
    schema:
      'syntax = "proto3"; import "google/protobuf/timestamp.proto"; message TaskSubmitted { google.protobuf.Timestamp at = 1; }',
  },
  'Avro that avsc refuses': {
    schema: recordOf('TaskSubmitted', { type: 'fixed', name: 'Nothing', size: 0 }),
  },
}

for (const [what, body] of Object.entries(strange))
  test(`${what} is undecodable, however often it is asked for, and no failure of the registry`, async () => {
    const at = `/subjects/${subject(`strange-${what.replaceAll(' ', '-')}`)}/versions`
    const answer = await api(at, { method: 'POST', body: JSON.stringify(body) })
    const { id } = answer as { id?: number }
    assert.ok(id, JSON.stringify(answer))
    const codec = createCodec({ registry: createConfluentRegistry(url), prefix })
    const value = Buffer.from([0, ...[24, 16, 8, 0].map((shift) => (id >> shift) & 255), 2, 97])
    for (const topic of ['tasks.submitted', 'tasks.control'] as const)
      await assert.rejects(async () => codec.decode(value, topic), is('UNDECODABLE_RECORD', /schema/))
  })

test('the page of a proxy in place of a schema is REGISTRY_UNAVAILABLE', async (t) => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Sign in</h1>')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const registry = createConfluentRegistry(`http://127.0.0.1:${port}`)
  await assert.rejects(
    async () => registry.byId(1),
    is('REGISTRY_UNAVAILABLE', /asking .*: what it answered with status 200 is no JSON object/),
  )
})

const unavailable = is('REGISTRY_UNAVAILABLE', /asking the schema registry at http:\/\/127\.0\.0\.1:\d+/)

async function refusesEverything(registry: Registry): Promise<void> {
  await assert.rejects(registry.check(), unavailable)
  await assert.rejects(registry.register('any', avro('TaskClosed')), unavailable)
  await assert.rejects(async () => registry.byId(1), unavailable)
}

test('a schema that the registry has under another id, or not at all, is REGISTRY_CHANGED', async () => {
  const registry = createConfluentRegistry(url)
  const registered = { subject: subject('checked'), schema: avro('TaskClosed') }
  const id = await registry.register(registered.subject, registered.schema)
  await registry.check({ ...registered, id })
  for (const wrong of [
    { ...registered, id: id + 1 },
    { ...registered, subject: subject('lost'), id },
  ])
    await assert.rejects(
      registry.check(wrong),
      is('REGISTRY_CHANGED', /has lost its schemas, or is another one/),
    )
})

test('a registry that is not there is REGISTRY_UNAVAILABLE', () =>
  refusesEverything(createConfluentRegistry('http://127.0.0.1:1')))

test('a registry that answers with errors is REGISTRY_UNAVAILABLE, and its credentials are sent but never told', async (t) => {
  const seen = new Set<string | undefined>()
  const server = createServer((request, response) => {
    seen.add(request.headers.authorization)
    response.writeHead(503, { 'content-type': 'application/json' }).end('{"message":"maintenance"}')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const registry = createConfluentRegistry(`http://ana:s%40crit@127.0.0.1:${port}`)
  await refusesEverything(registry)
  assert.deepEqual([...seen], [`Basic ${Buffer.from('ana:s@crit').toString('base64')}`])
  await assert.rejects(
    registry.check(),
    (error: Error) => /maintenance/.test(error.message) && !/crit/.test(error.message),
  )
})
