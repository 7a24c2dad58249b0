import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { connectRedis } from '../../runtime/store/redis/connection.ts'

const sockets = new Set<Socket>()

/** The port of a server without TLS that gives this answer to whatever it is sent. */
async function portOf(answer: string): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('data', () => socket.write(answer))
  }).listen(0, '127.0.0.1')
  after(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
after(() => sockets.forEach((socket) => socket.destroy()))

for (const [what, answer, reason] of [
  ['answers in clear', '-ERR unknown command\r\n', 'wrong version number'],
  ['waits for more', '', 'connect ETIMEDOUT'],
])
  test(`rediss:// to a port without TLS, which ${what}: the message says so`, async (t) => {
    const { redis, asked, close } = connectRedis({ url: `rediss://127.0.0.1:${await portOf(answer ?? '')}` })
    t.after(close)
    // The first failure to connect may come just after the command's own time-out.
    const failed = once(redis, 'error')
    const told = asked(
      'reading',
      failed.then(() => Promise.reject(new Error('Command timed out'))),
    )
    await assert.rejects(told, {
      code: 'STORE_UNAVAILABLE',
      message: new RegExp(
        `timed out; connecting fails: ${reason}; if this port has no TLS, REDIS_URL begins with redis://$`,
      ),
    })
  })
