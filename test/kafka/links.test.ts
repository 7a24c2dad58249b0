// Connections that several users share: what fails one of them is not the others' concern, and they stay few.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createClient, type Broker, type Client } from '../../runtime/log/kafka/client.ts'
import { errorType } from '../../runtime/log/kafka/errors.ts'
import { Connections, Link } from '../../runtime/log/kafka/link.ts'
import { factsFrom } from '../../runtime/log/kafka/topic-ids.ts'
import { TestMember } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { brokers, kafkaLog, PARTITIONS, uniquePrefix } from './brokers.ts'

const prefix = uniquePrefix('links')
const [kept, other, deleted] = ['kept', 'other', 'deleted'].map((name) => `${prefix}.${name}`) as [
  string,
  string,
  string,
]
let client: Client
let shared: Connections

const sockets = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length

const create = (...topics: string[]): Promise<unknown> =>
  admin((at) => at.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 1 })) }))

async function admin<T>(work: (at: ReturnType<Client['admin']>) => Promise<T>): Promise<T> {
  const at = client.admin()
  await at.connect()
  return work(at).finally(() => at.disconnect())
}

before(async () => {
  client = createClient({ brokers: brokers(), clientId: 'links', requestTimeoutMs: 10_000 })
  shared = new Connections(client)
  await create(kept, other, deleted)
})
after(async () => {
  await shared.close()
  client.close()
})

const over = (...topics: string[]): Link => new Link(client, topics, shared)
const leader = (link: Link, topic: string): Promise<string> =>
  link.attempt(async () => link.leaderOf(topic, 0), { withinMs: 20_000 })

test('a topic that is deleted fails those who read it; others on the same connections find theirs, and so do later ones', async () => {
  const [ofKept, ofDeleted] = [over(kept), over(deleted)]
  await eventually('both are known', () => Promise.all([leader(ofKept, kept), leader(ofDeleted, deleted)]))
  await admin((at) => at.deleteTopics({ topics: [deleted] }))
  await eventually('it is gone', () =>
    over(`${deleted}`)
      .attempt(async () => factsFrom(await shared.cluster.findControllerBroker(), [deleted]), {
        withinMs: 10_000,
      })
      .then(
        (facts) => facts.some(({ errorCode }) => errorCode !== 0),
        () => true,
      ),
  )
  await leader(over(other), other)
  await leader(ofKept, kept)
  assert.throws(
    () => ofDeleted.leaderOf(deleted, 0),
    (error: unknown) => errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION',
  )
  await create(deleted)
  await leader(ofDeleted, deleted)
})

test('a link that is closed begins nothing; others on its connections go on', async () => {
  const [first, second] = [over(kept), over(kept)]
  await Promise.all([first.connect(), second.connect()])
  await first.close()
  await assert.rejects(leader(first, kept), /closed/)
  await leader(second, kept)
})

test('those who find a connection broken at the same time open one socket', async () => {
  const link = over(kept)
  await link.connect()
  const broker = await link.cluster.findBroker({ nodeId: link.leaderOf(kept, 0) })
  const ask = (): Promise<unknown> => factsFrom(broker, [kept])
  await ask()
  const before = sockets()
  breakOff(broker)
  await eventually('its socket is gone', () => sockets() < before)
  await Promise.all(Array.from({ length: 10 }, ask))
  assert.equal(sockets(), before)
})

function breakOff({ connectionPool }: Broker): void {
  connectionPool.pool[0]?.socket?.destroy(new Error('broken off by the test'))
}

test('a stage that a process runs besides another adds no connections for its lanes', async () => {
  const log = kafkaLog(prefix)
  await log.ensureTopics(['planner', 'router', 'sessions'])
  const running: TestMember[] = []
  const run = async (stage: string): Promise<number> => {
    const member = new TestMember(log, stage, ['tasks.submitted'])
    running.push(member)
    await Promise.all(Array.from({ length: PARTITIONS }, (_, lane) => member.lane(lane)))
    return sockets()
  }
  await run('planner')
  const two = await run('router')
  const three = await run('sessions')
  // Its group's, and two of its fetches.
  assert.ok(three - two <= 3, `${three - two} sockets more`)
  await Promise.all(running.map((member) => member.leave()))
  await log.close()
})
