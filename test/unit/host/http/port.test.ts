import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { requireFree } from '../../../../runtime/host/http/port.ts'

test('a port that another holds is refused; once it is free it is not, and stays free', async (t) => {
  const server = createServer().listen({ host: '127.0.0.1', port: 0 })
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await assert.rejects(requireFree('127.0.0.1', port), { code: 'PORT_IN_USE' })
  server.close()
  await once(server, 'close')
  await requireFree('127.0.0.1', port)
  await requireFree('127.0.0.1', port)
})
