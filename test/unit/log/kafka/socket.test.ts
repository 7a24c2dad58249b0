import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { Sockets } from '../../../../runtime/log/kafka/socket.ts'

test('requests of one turn of the event loop leave together at its end, in their order', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sockets = new Sockets(undefined)
  const accepted = once(server, 'connection')
  const connected = Promise.withResolvers<void>()
  const { port } = server.address() as AddressInfo
  const socket = sockets.open({ host: '127.0.0.1', port, onConnect: connected.resolve })
  await connected.promise
  const [received] = (await accepted) as [Socket]
  socket.write('first ')
  await Promise.resolve()
  socket.write('second')
  assert.equal(socket.writableLength, 'first second'.length)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(socket.writableCorked, 0)
  let text = ''
  for await (const chunk of received) if ((text += String(chunk)).length === 'first second'.length) break
  assert.equal(text, 'first second')
  sockets.close()
  server.close()
})
