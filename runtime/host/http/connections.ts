import type { FastifyInstance } from 'fastify'
import type { Socket } from 'node:net'

/** Closes further connections of an address that has `limit` open, so that one client leaves room for others. */
export function boundConnections(app: FastifyInstance, limit: number): void {
  const open = new Map<string, number>()
  app.server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = open.get(address) ?? 0
    if (count >= limit) return void socket.destroy()
    open.set(address, count + 1)
    socket.once('close', () => {
      const rest = (open.get(address) ?? 1) - 1
      if (rest > 0) open.set(address, rest)
      else open.delete(address)
    })
  })
}
