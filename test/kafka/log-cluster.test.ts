// Three brokers, two of them killed in turn while lanes work: leaders and coordinators move, work goes on.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createKafkaLog } from '../../runtime/log/kafka/log.ts'
import { LaneFenced, type Log } from '../../runtime/log/port.ts'
import { commitOf, mark, outgoing, TestMember, textOf } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { startKafka, type KafkaCluster } from '../infra/kafka.ts'
import { PARTITIONS, uniquePrefix } from './brokers.ts'

const WITHIN_MS = 90_000
let kafka: KafkaCluster
let log: Log

before(async () => {
  kafka = await startKafka({ brokers: 3, heapMb: 320, properties: { 'broker.session.timeout.ms': '3000' } })
  const options = {
    brokers: kafka.bootstrap.split(','),
    prefix: uniquePrefix('cluster'),
    partitions: PARTITIONS,
  }
  log = createKafkaLog({ ...options, clientId: 'test' })
  await log.ensureTopics(['planner'])
})
after(async () => {
  await log.close()
  await kafka.stop()
})

test('while one broker after the other dies, every acknowledged commit is there once, and lanes are fed', async () => {
  const key = mark()
  const member = new TestMember(log, 'planner', ['tasks.submitted'])
  await eventually('all lanes are open', () => member.lanes.size === PARTITIONS, WITHIN_MS)
  const acknowledged: string[] = []
  let stop = false
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
  for (const broker of kafka.brokers.slice(0, 2)) {
    const before = acknowledged.length
    await broker.kill9()
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
    await eventually(
      'publishing goes on',
      () =>
        log.publish(records).then(
          () => true,
          () => false,
        ),
      WITHIN_MS,
    )
    const fed = (lane: number): boolean =>
      member.values('tasks.submitted', lane, key).includes(`${broker.nodeId}`)
    await eventually('every lane is fed', () => records.every(({ partition }) => fed(partition)), WITHIN_MS)
    await broker.restart()
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
