// Answers to fetches outside of sessions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker, Exchange } from '../../../../runtime/log/kafka/connection/client.ts'
import { isTransient } from '../../../../runtime/log/kafka/errors.ts'
import { fetchOnce } from '../../../../runtime/log/kafka/fetch/request.ts'

const limits = { maxWaitMs: 1, minBytes: 1, maxBytes: 1_000, partitionBytes: 1_000 }

/** Throttle time, no error, no session, no topic. */
const throttled = (throttleMs: number): Buffer => {
  const body = Buffer.alloc(14)
  body.writeInt32BE(throttleMs)
  return body
}

test('an answer without its partition, as brokers give while a quota is exceeded, is worth another try', async () => {
  const pauses: number[] = []
  const send = async <T>({ response }: Exchange<T>): Promise<T> => {
    const decoded = await response.decode(throttled(5_000))
    pauses.push(decoded.clientSideThrottleTime)
    return response.parse(decoded)
  }
  const broker = { connectionPool: { send, pool: [] } } as Partial<Broker> as Broker
  await assert.rejects(fetchOnce(broker, { topic: 'tasks', partition: 1, offset: 0 }, limits), (error) => {
    return isTransient(error) && /lacks tasks\[1\]: a quota of its clients is exceeded/.test(String(error))
  })
  assert.deepEqual(pauses, [5_000])
})
