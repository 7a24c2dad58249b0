// Measures kafkajs alone: a record from a producer to a consumer, one at a time; the same with a transaction
// around it; and how many records pass through transactional batches on one partition.
import { Kafka, logLevel, type Message, type Producer } from 'kafkajs'
import { percentile } from './measure.ts'

export interface HopFigures {
  readonly hops: readonly { readonly name: string; readonly p50Ms: number; readonly p99Ms: number }[]
  /** Through transactions of 1,000 records of 100 bytes, one after the other. */
  readonly recordsPerSecond: number
}

const WARM_UP = 50
const HOPS = 300
const BATCHES = 60
const BATCH: Message[] = Array.from({ length: 1_000 }, () => ({ value: 'x'.repeat(100) }))

const kafka = new Kafka({
  brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','),
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 3, factor: 0.2, multiplier: 1.3 },
})
const topic = `hop${process.pid}`
const bulkTopic = `${topic}-bulk`
const admin = kafka.admin()
await admin.connect()
await admin.createTopics({
  waitForLeaders: true,
  topics: [topic, bulkTopic].map((name) => ({ topic: name, numPartitions: 1 })),
})
const plain = kafka.producer()
const transactional = kafka.producer({
  transactionalId: topic,
  idempotent: true,
  maxInFlightRequests: 1,
})
const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 50 })
await Promise.all([plain.connect(), transactional.connect(), consumer.connect()])
await consumer.subscribe({ topic, fromBeginning: true })
let arrived = () => {}
await consumer.run({ eachMessage: async () => arrived() })

type Send = (topic: string, messages: Message[]) => Promise<unknown>

const inTransaction =
  (producer: Producer): Send =>
  async (to, messages) => {
    const transaction = await producer.transaction()
    await transaction.send({ topic: to, messages })
    await transaction.commit()
  }

async function hops(name: string, send: Send) {
  const latencies: number[] = []
  for (let index = 0; index < WARM_UP + HOPS; index++) {
    const startedMs = performance.now()
    const done = new Promise<void>((resolve) => (arrived = resolve))
    await send(topic, [{ value: 'x' }])
    await done
    if (index >= WARM_UP) latencies.push(performance.now() - startedMs)
  }
  return { name, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) }
}

async function throughput(send: Send): Promise<number> {
  for (let index = 0; index < BATCHES / 3; index++) await send(bulkTopic, BATCH)
  const startedMs = performance.now()
  for (let index = 0; index < BATCHES; index++) await send(bulkTopic, BATCH)
  return (BATCHES * BATCH.length * 1_000) / (performance.now() - startedMs)
}

const figures: HopFigures = {
  hops: [
    await hops('a plain hop', (to, messages) => plain.send({ topic: to, messages })),
    await hops('a hop with one transaction', inTransaction(transactional)),
  ],
  recordsPerSecond: await throughput(inTransaction(transactional)),
}
console.log(JSON.stringify(figures))
process.exit(0)
