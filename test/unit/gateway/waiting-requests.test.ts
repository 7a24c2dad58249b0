// Requests that wait for a result are bounded, and end when their client leaves.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type { FastifyReply } from 'fastify'
import type { LogClient } from '../../../client/log/client.ts'
import { WaitingRequests } from '../../../services/gateway/waiting-requests.ts'

const replyTo = (ip: string): FastifyReply =>
  ({
    request: { ip },
    raw: Object.assign(new EventEmitter(), { destroyed: false }),
  }) as unknown as FastifyReply

/** Nothing ever has a result; a wait ends when it is given up. */
const client = {
  result: (_: string, { signal }: { signal: AbortSignal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('given up')), { once: true })
    }),
} as unknown as LogClient

test('eight hundred requests may wait; one more is refused, or answered without a result', async () => {
  const requests = new WaitingRequests(client)
  const replies = Array.from({ length: 800 }, (_, index) => replyTo(`10.0.0.${index}`))
  const waiting = replies.map((reply, index) => requests.wait(`task-${index}`, 30_000, reply))
  const refused = { code: 'TOO_MANY_STREAMS', retryAfterMs: 5_000 }
  await assert.rejects(requests.wait('late', 30_000, replyTo('10.0.1.1')), refused)
  assert.equal(await requests.afterSubmitting('late', 30_000, replyTo('10.0.1.1')), null)
  replies[0]?.raw.emit('close')
  assert.equal(await waiting[0], null)
  const next = replyTo('10.0.1.1')
  const freed = requests.wait('late', 30_000, next)
  for (const reply of [...replies, next]) reply.raw.emit('close')
  assert.deepEqual(new Set(await Promise.all([...waiting, freed])), new Set([null]))
})

test('one client alone never takes the room of all', async () => {
  const requests = new WaitingRequests(client)
  const replies = Array.from({ length: 500 }, () => replyTo('10.0.0.1'))
  const waiting = replies.map((reply, index) => requests.wait(`task-${index}`, 30_000, reply))
  const refused = { code: 'TOO_MANY_STREAMS', retryAfterMs: 5_000 }
  await assert.rejects(requests.wait('late', 30_000, replyTo('10.0.0.1')), refused)
  const other = replyTo('10.0.0.2')
  waiting.push(requests.wait('other', 30_000, other))
  for (const reply of [...replies, other]) reply.raw.emit('close')
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set([null]))
})
