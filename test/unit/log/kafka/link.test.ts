// A missing topic and the leaders of the others; work that never ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client, Cluster } from '../../../../runtime/log/kafka/connection/client.ts'
import { isUnreachable } from '../../../../runtime/log/kafka/errors.ts'
import { Link } from '../../../../runtime/log/kafka/connection/link.ts'

/** As kafkajs: one topic with an error, and nothing is learnt. */
function clusterWith(existing: Set<string>) {
  const targetTopics = new Set<string>()
  const known = new Set<string>()
  const refreshMetadata = async (): Promise<void> => {
    const missing = [...targetTopics].find((topic) => !existing.has(topic))
    if (missing !== undefined)
      throw Object.assign(new Error(`no ${missing}`), { type: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true })
    known.clear()
    for (const topic of targetTopics) known.add(topic)
  }
  const cluster = {
    connect: async () => {},
    disconnect: async () => {},
    refreshMetadata,
    targetTopics,
    addMultipleTargetTopics: async (topics: string[]) => {
      const before = [...targetTopics]
      for (const topic of topics) targetTopics.add(topic)
      await refreshMetadata().catch((error: unknown) => {
        targetTopics.clear()
        for (const topic of before) targetTopics.add(topic)
        throw error
      })
    },
    brokerPool: { metadata: {} },
  } as unknown as Cluster
  return { client: { cluster: () => cluster, requestTimeoutMs: 10_000 } as unknown as Client, known }
}

const moved = Object.assign(new Error('moved'), { type: 'NOT_LEADER_FOR_PARTITION', retriable: true })

test('a topic that is missing hides no other from a link that leaves it out, and is asked for again', async () => {
  const existing = new Set(['tasks', 'usage', 'gone'])
  const { client, known } = clusterWith(existing)
  const link = new Link(client, [], { leavesOut: true })
  await link.know(existing)
  existing.delete('gone')
  await link.recover(moved)
  assert.deepEqual([...known].sort(), ['tasks', 'usage'])
  await assert.rejects(link.know(['gone']), /no gone/)
  existing.add('gone')
  await link.know(['gone'])
  assert.deepEqual([...known].sort(), ['gone', 'tasks', 'usage'])
  await link.close()
})

test('an attempt ends after the time of two requests, whatever its work waits for, and tries no more', async () => {
  const { client } = clusterWith(new Set(['tasks']))
  const link = new Link({ ...client, requestTimeoutMs: 20 }, ['tasks'])
  const never = new Promise<never>(() => {})
  await assert.rejects(
    link.attempt(() => never, { withinMs: 10 }),
    (error: unknown) => isUnreachable(error) && /no answer within 40 ms/.test(String(error)),
  )
  let tries = 0
  const { promise: failed, reject } = Promise.withResolvers<never>()
  const tried = link.attempt(() => (tries++, failed), { withinMs: 60_000, abandoned: () => tries > 1 })
  reject(moved)
  await assert.rejects(tried, moved)
  assert.equal(tries, 2)
  await link.close()
})

test('what goes unanswered for longer than the whole attempt is tried once more: its leader may have moved meanwhile', async () => {
  const { client } = clusterWith(new Set(['tasks']))
  const link = new Link({ ...client, requestTimeoutMs: 200 }, ['tasks'])
  const unanswered = Object.assign(new Error('no answer'), { name: 'KafkaJSRequestTimeoutError' })
  let tries = 0
  const ask = async (): Promise<string> => {
    if (++tries > 1) return 'the new leader'
    await new Promise((resolve) => setTimeout(resolve, 50))
    throw unanswered
  }
  assert.equal(await link.attempt(ask, { withinMs: 20 }), 'the new leader')
  const begunMs = performance.now()
  let silent = 0
  const never = async (): Promise<never> => {
    silent++
    await new Promise((resolve) => setTimeout(resolve, 50))
    throw unanswered
  }
  await assert.rejects(link.attempt(never, { withinMs: 20 }), unanswered)
  assert.equal(silent, 2)
  assert.ok(performance.now() - begunMs < 400)
  await link.close()
})
