// The raw hop: kafkajs alone, one record from a producer to a consumer, one at a time.
import { Kafka, logLevel } from 'kafkajs'
import { percentile } from './measure.ts'

const kafka = new Kafka({
  brokers: (process.env['KAFKA_BROKERS'] ?? '').split(','),
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 3, factor: 0.2, multiplier: 1.3 },
})
const topic = `hop${process.pid}`
const admin = kafka.admin()
await admin.connect()
await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1 }] })
const producer = kafka.producer()
const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 50 })
await Promise.all([producer.connect(), consumer.connect()])
await consumer.subscribe({ topic, fromBeginning: true })
let arrived = () => {}
await consumer.run({ eachMessage: async () => arrived() })

async function hop(): Promise<number> {
  const startedMs = performance.now()
  const done = new Promise<void>((resolve) => (arrived = resolve))
  await producer.send({ topic, messages: [{ value: 'x' }] })
  await done
  return performance.now() - startedMs
}

for (let index = 0; index < 50; index++) await hop()
const latencies: number[] = []
for (let index = 0; index < 300; index++) latencies.push(await hop())
console.log(
  JSON.stringify({
    name: 'kafkajs: one plain hop',
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  }),
)
process.exit(0)
