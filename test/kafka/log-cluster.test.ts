// Three brokers, two of them killed in turn and one stopped while lanes work: leaders and coordinators move, work goes on.
// Then the only one that holds a partition.
import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'
import { createClient, type Admin } from '../../runtime/log/kafka/connection/client.ts'
import { createKafkaLog } from '../../runtime/log/kafka/log.ts'
import { LaneFenced, type Log } from '../../runtime/log/port.ts'
import { commitOf, mark, outgoing, TestMember, textOf } from '../conformance/member.ts'
import { eventually, succeeds } from '../conformance/waiting.ts'
import { startKafka, type Broker, type KafkaCluster } from '../infra/kafka.ts'
import { PARTITIONS, uniquePrefix } from './brokers.ts'

const WITHIN_MS = 90_000
const LANE = 1
const TOPIC_RESOURCE = 2
const prefix = uniquePrefix('cluster')
let kafka: KafkaCluster
let log: Log

before(async () => {
  kafka = await startKafka({ brokers: 3, heapMb: 320 })
  const options = {
    brokers: kafka.bootstrap.split(','),
    prefix,
    partitions: PARTITIONS,
  }
  log = createKafkaLog({ ...options, clientId: 'test' })
  await log.ensureTopics(['planner'])
})
after(async () => {
  await log.close()
  await kafka.stop()
})

/** How each is lost, and comes back. A stopped one takes connections and requests, and answers none. */
const lost = [
  { lose: (broker: Broker) => broker.kill9(), restore: (broker: Broker) => broker.restart() },
  { lose: (broker: Broker) => broker.kill9(), restore: (broker: Broker) => broker.restart() },
  {
    lose: async ({ pid }: Broker) => void process.kill(pid, 'SIGSTOP'),
    restore: async ({ pid }: Broker) => void process.kill(pid, 'SIGCONT'),
  },
]

test('while one broker after the other is lost, every acknowledged commit is there once, and lanes are fed', async (t) => {
  const admin = await adminOf(t)
  const key = mark()
  const member = new TestMember(log, 'planner', ['tasks.submitted'])
  await eventually('all lanes are open', () => member.lanes.size === PARTITIONS, WITHIN_MS)
  const acknowledged: string[] = []
  let stop = false
  t.after(() => void (stop = true))
  const working = Array.from({ length: PARTITIONS }, async (_, lane) => {
    for (let number = 0; !stop; number++) {
      const text = `${lane}/${number}`
      try {
        const open = await member.lane(lane)
        await open.commit(commitOf({ records: [outgoing('tasks.history', lane, key, text)] }))
        acknowledged.push(text)
      } catch (error) {
        if (!(error instanceof LaneFenced)) member.errors.push(error as Error)
        await member.open(lane)
      }
    }
  })
  for (const [index, broker] of kafka.brokers.entries()) {
    const before = acknowledged.length
    const { lose, restore } = lost[index] as (typeof lost)[number]
    await lose(broker)
    const lanes = (): Set<string | undefined> =>
      new Set(acknowledged.slice(before + 40).map((text) => text.split('/')[0]))
    await eventually(
      `commits go on without broker ${broker.nodeId}`,
      () => lanes().size === PARTITIONS,
      WITHIN_MS,
    )
    const records = Array.from({ length: PARTITIONS }, (_, lane) =>
      outgoing('tasks.submitted', lane, key, `${broker.nodeId}`),
    )
    await eventually('publishing goes on', () => succeeds(log.publish(records)), WITHIN_MS)
    const fed = (lane: number): boolean =>
      member.values('tasks.submitted', lane, key).includes(`${broker.nodeId}`)
    await eventually('every lane is fed', () => records.every(({ partition }) => fed(partition)), WITHIN_MS)
    await restore(broker)
    // Two lost at once are more than three replicas are for: with one left in sync no transaction ends.
    await eventually('every replica is in sync', () => isInSync(admin), WITHIN_MS)
  }
  stop = true
  await Promise.all(working)
  const written: string[] = []
  for (let lane = 0; lane < PARTITIONS; lane++)
    for (const record of await log.read('tasks.history', lane, 0, 100_000))
      if (record.key === key) written.push(textOf(record))
  assert.equal(new Set(written).size, written.length, 'nothing twice')
  const found = new Set(written)
  assert.deepEqual(
    acknowledged.filter((text) => !found.has(text)),
    [],
    'nothing acknowledged is missing',
  )
  await member.leave()
})

/** `name`: of this topic; default: of all. */
async function isInSync(admin: Admin, name?: string): Promise<boolean> {
  const asked = name === undefined ? undefined : { topics: [name] }
  const { topics } = await admin.fetchTopicMetadata(asked).catch(() => ({ topics: [] }))
  const partitions = topics.flatMap((topic) => topic.partitions)
  return partitions.length > 0 && partitions.every(({ isr, replicas }) => isr.length === replicas.length)
}

async function adminOf(t: TestContext): Promise<Admin> {
  const brokers = kafka.bootstrap.split(',')
  const admin = createClient({ brokers, clientId: 'test', requestTimeoutMs: 10_000 }).admin()
  await admin.connect()
  t.after(() => admin.disconnect())
  return admin
}

/** A process that starts now works with the others, and names the one that is missing. */
async function answersWithout(missing: { topic: 'tasks.submitted'; partition: number }): Promise<void> {
  const { topic, partition } = missing
  const started = createKafkaLog({
    ...{ brokers: kafka.bootstrap.split(','), prefix, partitions: PARTITIONS, clientId: 'started' },
    deliveryTimeoutMs: 3_000,
  })
  const leaderless: unknown[] = []
  const ranges = await started.ranges([topic], { onLeaderless: (at) => void leaderless.push(at) })
  assert.deepEqual(leaderless, [missing])
  assert.equal(ranges.length, PARTITIONS - 1)
  assert.equal((await started.ranges([topic], { partitions: [1] })).length, 1)
  await assert.rejects(started.ranges([topic]), /tasks\.submitted\[0\] has no leader/)
  assert.notEqual((await started.topicIds([topic])).get(topic), '')
  const heard: string[] = []
  const tail = started.tail({ topics: [topic], from: 'latest' }, (records) => {
    heard.push(...records.map((record) => `${record.partition} ${textOf(record)}`))
  })
  await tail.ready
  await started.publish([outgoing(topic, partition + 1, null, 'heard')])
  await eventually('the tail has it', () => heard.includes(`${partition + 1} heard`), WITHIN_MS)
  await started.close()
}

test('a partition without a leader holds up no other: those whose leaders have moved are read, written and opened', async (t) => {
  const admin = await adminOf(t)
  const topic = `${prefix}.tasks.submitted`
  const last = kafka.brokers[2] as Broker
  const replicas = [last.nodeId]
  const partitionAssignment = [{ partition: 0, replicas }]
  await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] })
  const others = {
    topic,
    partitionAssignment: [1, 2, 3].map((partition) => ({ partition, replicas: [3, 1, 2] })),
  }
  await admin.alterPartitionReassignments({ topics: [others] })
  const replicasOf = async (partition: number) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics[0]?.partitions.find(({ partitionId }) => partitionId === partition)?.replicas.join()
  }
  await eventually(
    'one partition is on one broker',
    async () => (await replicasOf(0)) === String(last.nodeId),
    WITHIN_MS,
  )
  const key = mark()
  const member = new TestMember(log, 'planner', ['tasks.submitted'])
  await eventually('all lanes are open', () => member.lanes.size === PARTITIONS, WITHIN_MS)
  await last.kill9()
  for (const lane of [1, 2, 3]) {
    const publish = () => succeeds(log.publish([outgoing('tasks.submitted', lane, key, 'without')]))
    await eventually('publishing goes on', publish, WITHIN_MS)
    const isFed = () => member.values('tasks.submitted', lane, key).includes('without')
    await eventually('its lane is fed', isFed, WITHIN_MS)
  }
  const opened = await member.open(1)
  assert.ok(opened !== null)
  await answersWithout({ topic: 'tasks.submitted', partition: 0 })
  await last.restart()
  await member.leave()
})

test('a partition with too few replicas in sync is named, and a lane whose transaction can not end there says why', async (t) => {
  const admin = await adminOf(t)
  const name = `${prefix}.tasks.history`
  const ask = (value: string): Promise<unknown> =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: TOPIC_RESOURCE, name, configEntries: [{ name: 'min.insync.replicas', value }] }],
    })
  await eventually('every replica is in sync', () => isInSync(admin, name), WITHIN_MS)
  const brokers = kafka.bootstrap.split(',')
  const impatient = createKafkaLog({
    ...{ brokers, prefix, partitions: PARTITIONS, clientId: 'impatient' },
    deliveryTimeoutMs: 3_000,
  })
  t.after(() => impatient.close())
  const short = async (): Promise<string | undefined> =>
    (await impatient.advice()).find((each) => each.includes(`${name}[0]`))
  const member = new TestMember(impatient, 'planner', ['tasks.submitted'])
  await member.lane(LANE)
  await ask('3')
  assert.equal(await short(), undefined)
  await (kafka.brokers[2] as Broker).kill9()
  // The cluster counts the broker among its own for some seconds, and then it is asked.
  const said = await eventually('it is said', () => short().catch(() => undefined), WITHIN_MS)
  assert.match(
    said,
    new RegExp(`nothing is written to .*${name}\\[0\\] \\(2 of 3\\).*: start the brokers that hold them`),
  )
  const commit = async (): Promise<void> =>
    (await member.lane(LANE)).commit(commitOf({ records: [outgoing('tasks.history', LANE, mark(), 'text')] }))
  await assert.rejects(commit())
  void member.open(LANE)
  const told = /opening lane 1 of planner: the brokers have not ended .* replicas in sync \(flotilla doctor/
  await eventually(
    'the lane says why it does not open',
    () => member.errors.some(({ message }) => told.test(message)),
    WITHIN_MS,
  )
  await ask('2')
  await eventually('it opens, and commits', () => succeeds(commit()), WITHIN_MS)
  assert.equal(await short(), undefined)
  await member.leave()
})
