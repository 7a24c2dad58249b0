// OffsetForLeaderEpoch, byte for byte as Kafka 4.2's own classes write it, and what is read from its answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker, Exchange } from '../../../../runtime/log/kafka/connection/client.ts'
import { endFrom } from '../../../../runtime/log/kafka/fetch/leader-epochs.ts'

const golden = {
  asked: '00fffffffe020c666c6565742e7461736b730200000003ffffffff00000006000000',
  answered: '0000000000020c666c6565742e7461736b7302000000000003000000060000000000001387000000',
  unknown: '0000000000020c666c6565742e7461736b7302000000000003ffffffffffffffffffffffff000000',
}

function answering(answer: keyof typeof golden): { broker: Broker; sent: string[] } {
  const sent: string[] = []
  const send = async <T>({ request, response }: Exchange<T>): Promise<T> => {
    sent.push(`${request.apiKey} v${request.apiVersion} ${(await request.encode()).buffer.toString('hex')}`)
    return response.parse(await response.decode(Buffer.from(golden[answer], 'hex')))
  }
  return { broker: { connectionPool: { send } } as unknown as Broker, sent }
}

test('the end of an epoch is asked for, of the broker that leads now', async () => {
  const { broker, sent } = answering('answered')
  assert.deepEqual(await endFrom(broker, 'fleet.tasks', 3, 6), { epoch: 6, endOffset: 4_999 })
  assert.deepEqual(sent, [`23 v4 ${golden.asked}`])
})

test('a log without records of so early an epoch has no end to tell', async () => {
  assert.equal(await endFrom(answering('unknown').broker, 'fleet.tasks', 3, 6), null)
})
