// Requests and answers of the second transaction protocol, byte for byte as Kafka 4.2's own classes write them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker, Exchange } from '../../../../runtime/log/kafka/connection/client.ts'
import { isFencing, isMisdirected, isTransient } from '../../../../runtime/log/kafka/errors.ts'
import {
  nextIdentity,
  protocolOf,
  requestsTo,
  txnOffsetCommit,
} from '../../../../runtime/log/kafka/produce/transaction-v2.ts'

/** Written by org.apache.kafka.common.message (kafka-clients 4.2.0), with the tagged fields that end a header in front. */
const golden = {
  apiVersions: '0009666c6f74696c6c61023100',
  second:
    '00000400000003000d00001a0000000500001c00000005000000000503001a02147472616e73616374696f6e2e76657273696f6e00010002000108000000000000000c023003116d657461646174612e76657273696f6e001d001d00147472616e73616374696f6e2e76657273696f6e0002000200',
  first:
    '00000400000003000d00001a0000000500001c00000005000000000503001a02147472616e73616374696f6e2e76657273696f6e00010002000108000000000000000c023003116d657461646174612e76657273696f6e001d001d00147472616e73616374696f6e2e76657273696f6e0001000100',
  none: '00000400000003000d00001a0000000500001c00000005000000000503001a02147472616e73616374696f6e2e76657273696f6e00010002000108000000000000000c021702116d657461646174612e76657273696f6e001d001d00',
  older:
    '00000400000003000b00001a0000000500001c00000005000000000503001a02147472616e73616374696f6e2e76657273696f6e00010002000108000000000000000c023003116d657461646174612e76657273696f6e001d001d00147472616e73616374696f6e2e76657273696f6e0002000200',
  unsupported: '002300000000',
  end: '0010666c6565742e706c616e6e65722e33000000012a05f20001020100',
  ended: '00000000070000000000012a05f201000000',
  notEnded: '0000000000005affffffffffffffffffff00',
  offsets:
    '0010666c6565742e706c616e6e65722e330e666c6565742e706c616e6e6572000000012a05f2000102ffffffff0100020c666c6565742e7461736b730300000003000000012a05f200ffffffff056269747300000000040000000000000000ffffffff00000000',
  next: '0010666c6565742e706c616e6e65722e3300007530000000012a05f200010200',
  nextGiven: '00000000070000000000012a05f200010300',
  offsetsRefused: '0000000000020c666c6565742e7461736b730300000003000000000000040033000000',
  offsetsTaken: '0000000009020c666c6565742e7461736b7302000000030000000000',
  produce:
    '0010666c6565742e706c616e6e65722e33ffff00007530020c666c6565742e7461736b7302000000036d0000000000000000000000600000000002d5a9abf60010000000010000018bcfe568000000018bcfe56800000000012a05f20001020000000600000002420000000c7461736b2d31047b7d0208747970651a5461736b436f6d706c65746564180000020c7461736b2d320100000000',
  produced:
    '00020c666c6565742e7461736b7302000000030000000000012a05f200ffffffffffffffff0000000000000002010000000000000b00',
  notProduced:
    '00020c666c6565742e7461736b7303000000040006ffffffffffffffffffffffffffffffffffffffffffffffff02000000000477687900066d6f766564010009000000020000000900000000030000000000012a05f200ffffffffffffffff0000000000000002010000000000000001001402000000020962726f6b65722d32000023840000',
  producedTagged:
    '00020c666c6565742e7461736b7303000000040000000000000000004dffffffffffffffffffffffffffffffff02000000000477687900066d6f766564010009000000020000000900000000030000000000012a05f200ffffffffffffffff0000000000000002010000000000000d01001402000000020962726f6b65722d32000023840000',
}

interface Sent {
  readonly api: string
  readonly bytes: string
}

/** A broker's connections: keep what is sent and give the same answer to all. */
function answering(answer: keyof typeof golden | Error): { broker: Broker; sent: Sent[] } {
  const sent: Sent[] = []
  const send = async <T>({ request, response }: Exchange<T>): Promise<T> => {
    const bytes = (await request.encode()).buffer.toString('hex')
    sent.push({ api: `${request.apiName} ${request.apiKey} v${request.apiVersion}`, bytes })
    if (answer instanceof Error) throw answer
    return response.parse(await response.decode(Buffer.from(golden[answer], 'hex')))
  }
  return { broker: { connectionPool: { send } } as unknown as Broker, sent }
}

const identity = { transactionalId: 'fleet.planner.3', producerId: '5000000000', producerEpoch: 258 }
const offsets = {
  ...identity,
  groupId: 'fleet.planner',
  topics: [
    {
      topic: 'fleet.tasks',
      partitions: [
        { partition: 3, offset: '5000000000', metadata: 'bits' },
        { partition: 4, offset: '0' },
      ],
    },
  ],
}
const records = {
  ...identity,
  acks: -1,
  timeout: 30_000,
  topicData: [
    {
      topic: 'fleet.tasks',
      partitions: [
        {
          partition: 3,
          firstSequence: 6,
          messages: [
            { key: 'task-1', value: Buffer.from('{}'), headers: { type: 'TaskCompleted' } },
            { key: 'task-2', value: null, headers: {} },
          ],
        },
      ],
    },
  ],
}

test('the protocol is the second where the cluster has it in force and the broker has its requests', async () => {
  const { broker, sent } = answering('second')
  assert.equal(await protocolOf(broker), 2)
  assert.deepEqual(sent, [{ api: 'ApiVersions 18 v3', bytes: golden.apiVersions }])
  for (const answer of ['first', 'none', 'older', 'unsupported'] as const)
    assert.equal(await protocolOf(answering(answer).broker), 1, answer)
})

test('an answer that makes no sense means the first protocol, no answer means another try', async () => {
  assert.equal(await protocolOf(answering('produced').broker), 1)
  const lost = Object.assign(new Error('closed'), { name: 'KafkaJSConnectionClosedError' })
  await assert.rejects(protocolOf(answering(lost).broker), lost)
})

test('records go in a Produce that adds their partitions', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 })
  const { broker, sent } = answering('produced')
  assert.deepEqual(await requestsTo(broker, 2).produce(records), {
    topics: [{ topicName: 'fleet.tasks', partitions: [{ partition: 3, baseOffset: '5000000000' }] }],
  })
  assert.deepEqual(sent, [{ api: 'Produce 0 v12', bytes: golden.produce }])
})

test('an answer to Produce is read to its end, with the new leaders that it may name', async () => {
  const { topics } = await requestsTo(answering('producedTagged').broker, 2).produce(records)
  assert.deepEqual(topics[0]?.partitions, [
    { partition: 4, baseOffset: '77' },
    { partition: 3, baseOffset: '5000000000' },
  ])
  await assert.rejects(requestsTo(answering('notProduced').broker, 2).produce(records), isMisdirected)
})

test('offsets go in a TxnOffsetCommit; one partition that is refused refuses the request', async () => {
  for (const [protocol, version] of [[1, 3] as const, [2, 5] as const]) {
    const { broker, sent } = answering('offsetsTaken')
    await txnOffsetCommit(broker, protocol, offsets)
    assert.deepEqual(sent, [{ api: `TxnOffsetCommit 28 v${version}`, bytes: golden.offsets }])
  }
  const refused = txnOffsetCommit(answering('offsetsRefused').broker, 2, offsets)
  await assert.rejects(refused, isTransient)
})

test('the next identity is given to the holder of the present one', async () => {
  const { broker, sent } = answering('nextGiven')
  const next = await nextIdentity(broker, identity, 30_000)
  assert.deepEqual(next, { producerId: '5000000000', producerEpoch: 259 })
  assert.deepEqual(sent, [{ api: 'InitProducerId 22 v4', bytes: golden.next }])
  await assert.rejects(nextIdentity(answering('notEnded').broker, identity, 30_000), isFencing)
})

test('the end of a transaction brings the identity of the next, here under a new id; a fenced one is told', async () => {
  const { broker, sent } = answering('ended')
  const next = await requestsTo(broker, 2).endTxn({ ...identity, transactionResult: true })
  assert.deepEqual(next, { producerId: '5000000001', producerEpoch: 0 })
  assert.deepEqual(sent, [{ api: 'EndTxn 26 v5', bytes: golden.end }])
  const fenced = requestsTo(answering('notEnded').broker, 2).endTxn({ ...identity, transactionResult: true })
  await assert.rejects(fenced, isFencing)
})
