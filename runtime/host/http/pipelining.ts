import type { FastifyInstance } from 'fastify'
import type { Socket } from 'node:net'
import { FlotillaError } from '../../errors.ts'

/**
 * Refuses further requests of a connection on which `limit` are not answered yet. Node starts all that arrive
 * in one packet, some six hundred, whatever each costs; no client that Flotilla knows of sends a request
 * before the last is answered.
 */
export function boundPipelining(app: FastifyInstance, limit: number): void {
  const unanswered = new WeakMap<Socket, number>()
  const change = (socket: Socket, by: number): number => {
    const count = (unanswered.get(socket) ?? 0) + by
    unanswered.set(socket, count)
    return count
  }
  app.addHook('onRequest', async ({ raw }, reply) => {
    const { socket } = raw
    const count = change(socket, 1)
    // A request that still waits behind others when its connection ends never closes; its count goes with the
    // socket.
    reply.raw.once('close', () => change(socket, -1))
    if (count <= limit) return
    const message = `${limit} requests of this connection are not answered yet; send the next one after an answer`
    throw new FlotillaError('REQUEST_INVALID', message)
  })
}
