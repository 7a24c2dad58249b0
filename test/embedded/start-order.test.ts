// The order in which a process of one machine starts: a taken port first, then what a killed process has left, then HTTP.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Service } from '../../runtime/service.ts'
import type { Stage } from '../../runtime/stage.ts'
import { startTestFleet } from '../support/fleet.ts'

const LANES = 4

/** A service that notes when its lanes open and when its routes are asked for. */
function noting(): { service: Service; order: string[] } {
  const order: string[] = []
  const stage: Stage = {
    name: 'probe',
    version: 1,
    consumes: [{ topic: 'tasks.submitted' }],
    keyOf: ({ key }) => key,
    decide: () => ({}),
    poisoned: () => ({}),
    laneIndex: () => {
      order.push('lane')
      return { write: () => {} }
    },
  }
  const routes = async (): Promise<void> => void order.push('routes')
  return { service: { name: 'probe', stage: () => stage, routes }, order }
}

test('work goes on before the HTTP API is up', async () => {
  const { service, order } = noting()
  await using fleet = await startTestFleet({ services: [service], http: true })
  assert.deepEqual(order, [...Array.from({ length: LANES }, () => 'lane'), 'routes'])
  assert.equal((await fetch(`${fleet.process.url}/ready`)).status, 200)
})

test('a port that is taken is said before a lane opens: no task begins that would be broken off', async (t) => {
  const server = createServer().listen({ host: '127.0.0.1', port: 0 })
  t.after(() => server.close())
  await once(server, 'listening')
  const { service, order } = noting()
  const env = { PORT: String((server.address() as AddressInfo).port) }
  await assert.rejects(startTestFleet({ services: [service], http: true, env }), { code: 'PORT_IN_USE' })
  assert.deepEqual(order, [])
})
