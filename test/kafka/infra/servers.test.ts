// The servers keep what their users build on: port and data outlive SIGKILL. Each test starts its own, and kills it.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { startKafka } from '../../infra/kafka.ts'
import { startPostgres } from '../../infra/postgres.ts'
import { startRedis } from '../../infra/redis.ts'
import type { Server } from '../../infra/server.ts'

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`)

async function killAndRestart(server: Server): Promise<void> {
  const before = server.pid
  await server.kill9()
  assert.equal(isAlive(before), false)
  await server.restart()
  assert.notEqual(server.pid, before)
}

test('a durable Redis has after SIGKILL what it acknowledged', async () => {
  const server = await startRedis()
  try {
    const write = new Redis(server.url)
    assert.equal(await write.set('answer', '42'), 'OK')
    assert.deepEqual(await write.config('GET', 'maxmemory-policy'), ['maxmemory-policy', 'noeviction'])
    write.disconnect()
    await killAndRestart(server)
    const read = new Redis(server.url)
    assert.equal(await read.get('answer'), '42')
    read.disconnect()
  } finally {
    await server.stop()
  }
  assert.equal(existsSync(dirname(server.logFile)), false)
})

test('a PostgreSQL has after SIGKILL what it committed', async () => {
  const server = await startPostgres()
  const query = async (text: string): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    try {
      return (await client.query(text)).rows as unknown[]
    } finally {
      await client.end()
    }
  }
  try {
    await query('CREATE TABLE kept AS SELECT 42 AS answer')
    await killAndRestart(server)
    assert.deepEqual(await query('SELECT answer FROM kept'), [{ answer: 42 }])
  } finally {
    await server.stop()
  }
})

test('a broker has after SIGKILL what it acknowledged, on the same port', async () => {
  const server = await startKafka()
  const kafka = new Kafka({ brokers: [server.url], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  const producer = kafka.producer()
  try {
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }] })
    await producer.connect()
    await producer.send({ topic: 'kept', acks: -1, messages: [{ value: 'a' }, { value: 'b' }] })
    await killAndRestart(server)
    const [offsets] = await admin.fetchTopicOffsets('kept')
    assert.equal(offsets?.high, '2')
  } finally {
    await producer.disconnect()
    await admin.disconnect()
    await server.stop()
  }
})
