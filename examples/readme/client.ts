import { connect } from 'flotilla'

// FLOTILLA_URL, or Kafka where KAFKA_BROKERS is set, or the gateway of this machine on port 8000.
const client = await connect()

const { taskId } = await client.submit({
  text: 'What does it cost to send 3 kg to Norway?',
  agent: 'shipping',
})
const result = await client.result(taskId)
console.log(result.status, result.output, result.usage)

const questions = ['Norway', 'Portugal'].map((country) => ({
  text: `1 kg to ${country}?`,
  agent: 'shipping',
}))
for await (const { status, output } of client.batch(questions, { maxWorkers: 5 })) console.log(status, output)

await client.close()
