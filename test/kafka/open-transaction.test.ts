// Another program begins a transaction on an open topic and leaves it: Kafka shows readers nothing behind it. It holds
// up its own partition alone, is reported with the remedy, and reading goes on when it ends.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createClient } from '../../runtime/log/kafka/connection/client.ts'
import { Link } from '../../runtime/log/kafka/connection/link.ts'
import { ProducerSession, type PartitionRecords } from '../../runtime/log/kafka/produce/producer-session.ts'
import type { Log } from '../../runtime/log/port.ts'
import { mark, TestMember } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { brokers, kafkaLog, uniquePrefix } from './brokers.ts'

const LANE = 1
const OTHER_LANE = 2
const TOPIC = 'tasks.submitted'
const prefix = uniquePrefix('open')
const name = `${prefix}.${TOPIC}`
const link = new Link(createClient({ brokers: brokers(), clientId: 'open', requestTimeoutMs: 10_000 }), [])
const times = { transactionTimeoutMs: 300_000, deliveryTimeoutMs: 30_000 }

let log: Log

before(async () => {
  log = kafkaLog(prefix)
  await log.ensureTopics(['router'])
})
after(async () => {
  await log?.close()
  await link.close()
})

const recordFor = (partition: number, key: string): PartitionRecords => ({
  topic: name,
  partition,
  messages: [{ key, value: Buffer.from('x'), headers: {} }],
})

test('a transaction that is left open stops its partition alone, is reported, and reading goes on behind it', async () => {
  const member = new TestMember(log, 'router', [TOPIC])
  const plain = new ProducerSession(link, times)
  const transactionalId = `${prefix}.foreign`
  const foreign = new ProducerSession(link, { transactionalId, ...times })
  await link.know([name])
  await Promise.all([plain.renew(), foreign.renew()])
  const [hidden, behind, beside] = [mark(), mark(), mark()]
  if (foreign.protocol === 1) {
    const coordinator = await link.coordinator('transaction', transactionalId)
    const topics = [{ topic: name, partitions: [LANE] }]
    await coordinator.addPartitionsToTxn({ transactionalId, ...foreign.identity, topics })
  }
  await foreign.send([recordFor(LANE, hidden)])
  await plain.send([recordFor(LANE, behind), recordFor(OTHER_LANE, beside)])
  const arrived = (partition: number, key: string) => member.values(TOPIC, partition, key).length > 0
  await eventually('the other partition is read', () => arrived(OTHER_LANE, beside))
  const [problem = '', ...others] = await eventually(
    'it is reported',
    () => member.problems.length > 0 && member.problems,
  )
  assert.match(
    problem,
    /submitted\[1\] can't be read from offset 0 on: .* transaction open .*--start-offset 0/,
  )
  assert.deepEqual(others, [])
  assert.equal(arrived(LANE, behind), false)
  // Its own producer comes back: that ends what it left.
  await foreign.renew()
  await eventually('what stands behind it is read', () => arrived(LANE, behind))
  assert.equal(arrived(LANE, hidden), false)
  await eventually('nothing is reported any more', () => member.problems.length === 0)
  await member.leave()
})
