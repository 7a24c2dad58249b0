// Ids of topics, asked for and answered byte for byte as Kafka's message definitions say (Metadata, version 10).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker, Exchange } from '../../../../runtime/log/kafka/connection/client.ts'
import { idsFrom } from '../../../../runtime/log/kafka/admin/topic-ids.ts'

/** Written by org.apache.kafka.common.message (kafka-clients 4.2.0), with the tagged fields that end a header in front. */
const golden = {
  request:
    '00030000000000000000000000000000000016666c6565742e7461736b732e7375626d6974746564000000000000000000000000000000000014666c6565742e7461736b732e636f6e74726f6c0000000000',
  answer:
    '000000000703000000010a3132372e302e302e31000023840000000000020a3132372e302e302e3100002385037232000363310000000103000016666c6565742e7461736b732e7375626d69747465640123456789abcdef1032547698badcfe000300000000000000000001000000040300000001000000020300000001000000020100000000000001000000020000000503000000020000000102000000020200000001008000000000000014666c6565742e7461736b732e636f6e74726f6c00000000000000000000000000000000000180000000008000000000',
  missing:
    '000000000703000000010a3132372e302e302e31000023840000000000020a3132372e302e302e3100002385037232000363310000000103000316666c6565742e7461736b732e7375626d69747465640123456789abcdef1032547698badcfe000300000000000000000001000000040300000001000000020300000001000000020100000000000001000000020000000503000000020000000102000000020200000001008000000000000014666c6565742e7461736b732e636f6e74726f6c00000000000000000000000000000000000180000000008000000000',
}

/** A broker that takes metadata requests up to this version; none: it has not said. */
function answering(answer: keyof typeof golden, maxVersion?: number): { broker: Broker; sent: string[] } {
  const sent: string[] = []
  const send = async <T>({ request, response }: Exchange<T>): Promise<T> => {
    const bytes = (await request.encode()).buffer.toString('hex')
    sent.push(`${request.apiName} ${request.apiKey} v${request.apiVersion} ${bytes}`)
    return response.parse(await response.decode(Buffer.from(golden[answer], 'hex')))
  }
  const versions = maxVersion === undefined ? null : { 3: { maxVersion } }
  return { broker: { versions, connectionPool: { send } } as unknown as Broker, sent }
}

const topics = ['fleet.tasks.submitted', 'fleet.tasks.control']

test('topics are asked for by name, and answered with their ids; one without an id is left out', async () => {
  const { broker, sent } = answering('answer', 13)
  const ids = await idsFrom(broker, topics)
  assert.deepEqual([...ids], [['fleet.tasks.submitted', '0123456789abcdef1032547698badcfe']])
  assert.deepEqual(sent, [`Metadata 3 v10 ${golden.request}`])
})

test('a topic that is missing is an error, to be tried again', async () => {
  const { broker } = answering('missing', 10)
  await assert.rejects(idsFrom(broker, topics), { type: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true })
})

test('a broker that is older than topic ids is not asked', async () => {
  for (const maxVersion of [9, undefined]) {
    const { broker, sent } = answering('answer', maxVersion)
    assert.deepEqual([...(await idsFrom(broker, topics))], [])
    assert.deepEqual(sent, [])
  }
})
