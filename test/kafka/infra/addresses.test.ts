// What the runner brought up is real and reachable by the names that Flotilla reads.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

function address(name: string): string {
  const value = process.env[name]
  assert.ok(value, `${name} is not set; run this by 'node test/run.ts kafka'`)
  return value
}

test('the registry takes a compatible schema and refuses an incompatible one', async () => {
  const subject = `${address('SCHEMA_REGISTRY_URL')}/subjects/infra-${randomBytes(4).toString('hex')}/versions`
  const register = async (fields: readonly object[]): Promise<number> => {
    const schema = JSON.stringify({ type: 'record', name: 'Tried', fields })
    const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
    const response = await fetch(subject, { method: 'POST', headers, body: JSON.stringify({ schema }) })
    return response.status
  }
  const kept = { name: 'kept', type: 'string' }
  assert.equal(await register([kept]), 200)
  assert.equal(await register([kept, { name: 'added', type: ['null', 'string'], default: null }]), 200)
  assert.equal(await register([{ name: 'required', type: 'long' }]), 409)
})

test('Jaeger gives back the span that was sent by OTLP', async () => {
  const traceId = randomBytes(16).toString('hex')
  const span = {
    traceId,
    spanId: randomBytes(8).toString('hex'),
    name: 'tried',
    kind: 1,
    startTimeUnixNano: `${Date.now()}000000`,
    endTimeUnixNano: `${Date.now() + 5}000000`,
  }
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'infra-test' } }] }
  const body = JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] })
  const headers = { 'content-type': 'application/json' }
  const sent = await fetch(`${address('OTEL_EXPORTER_OTLP_ENDPOINT')}/v1/traces`, {
    method: 'POST',
    headers,
    body,
  })
  assert.equal(sent.status, 200)
  const deadline = Date.now() + 120_000
  let found = await fetch(`${address('JAEGER_QUERY_URL')}/api/traces/${traceId}`)
  while (!found.ok && Date.now() < deadline) {
    await delay(50)
    found = await fetch(`${address('JAEGER_QUERY_URL')}/api/traces/${traceId}`)
  }
  const answer = (await found.json()) as { data: { spans: { operationName: string }[] }[] }
  assert.equal(answer.data[0]?.spans[0]?.operationName, 'tried')
})
