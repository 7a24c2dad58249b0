// A state topic whose newest rows are gone though they were acknowledged, as after an unclean election: it is said, and the lane
// goes on from what is there. The broker is this file's own: its log is cut off on the disk.
import assert from 'node:assert/strict'
import { readFileSync, truncateSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { createKafkaLog } from '../../runtime/log/kafka/log.ts'
import type { Log } from '../../runtime/log/port.ts'
import { commitOf, mark, numbered, TestMember } from '../conformance/member.ts'
import { eventually, succeeds } from '../conformance/waiting.ts'
import { startKafka, type KafkaCluster } from '../infra/kafka.ts'
import { PARTITIONS, uniquePrefix } from './brokers.ts'

const LANE = 1
const TOPIC = 'tasks.history'
const LENGTH_END = 12
const prefix = uniquePrefix('cut')

let kafka: KafkaCluster
let log: Log
/** Has the lane of metering all the time. */
let running: TestMember
/** The records that alerting had handled. */
const key = mark()

before(async () => {
  kafka = await startKafka()
  log = openLog()
  await log.ensureTopics(['metering', 'alerting'])
  running = new TestMember(log, 'metering', [TOPIC], false)
  const { epoch } = await running.lane(LANE)
  await committed(running, 'first')
  await committed(running, 'second')
  const ofGroup = await handleTwo()
  // The row of an opening and the first one stay, each with the end of its transaction.
  await cutOff({ metering: epoch + 4, alerting: ofGroup + 5 })
})
after(async () => {
  await running?.leave()
  await log?.close()
  await kafka?.stop()
})

const openLog = (): Log =>
  createKafkaLog({
    brokers: [kafka.url],
    clientId: 'cut',
    prefix,
    partitions: PARTITIONS,
    startTimeoutMs: 240_000,
  })

/** Opens the lane of alerting twice, handles a record in each, and leaves. Resolves with the first epoch. */
async function handleTwo(): Promise<number> {
  const member = new TestMember(log, 'alerting', [TOPIC], false)
  const { epoch } = await member.lane(LANE)
  const published = await log.publish(numbered(TOPIC, LANE, key, 2))
  const [one = 0, two = 0] = published.map(({ offset }) => offset)
  const positions = (offset: number) => [{ topic: TOPIC, offset, metadata: '' }] as const
  await (await member.lane(LANE)).commit(commitOf({ rows: [row('first')], positions: positions(one + 1) }))
  const later = await member.open(LANE)
  await later?.commit(commitOf({ rows: [row('second')], positions: positions(two + 1) }))
  await member.leave()
  return epoch
}

/** Kills the broker, cuts the rows of each stage's lane off at its offset, and starts the broker again. */
async function cutOff(offsets: Readonly<Record<string, number>>): Promise<void> {
  await kafka.kill9()
  for (const [stage, offset] of Object.entries(offsets)) {
    const folder = join(dirname(kafka.logFile), 'data', `${prefix}.${stage}.state-${LANE}`)
    const file = join(folder, '00000000000000000000.log')
    truncateSync(file, placeOf(readFileSync(file), offset))
  }
  await kafka.restart()
}

/** Where the batch with this offset begins. */
function placeOf(bytes: Buffer, offset: number): number {
  let at = 0
  while (at < bytes.length && Number(bytes.readBigInt64BE(at)) < offset)
    at += LENGTH_END + bytes.readInt32BE(at + 8)
  return at
}

const row = (key: string) => ({ key, value: Buffer.from('{}') })

/** Commits the row; a lane that ends meanwhile is opened again. */
const committed = (member: TestMember, key: string): Promise<boolean> =>
  eventually('it is committed', async () =>
    succeeds((await member.lane(LANE)).commit(commitOf({ rows: [row(key)] }))),
  )

const keysOf = (member: TestMember): string[] =>
  [...(member.opened.findLast(({ lane }) => lane === LANE)?.rows ?? [])].map(({ key }) => key).toSorted()

test('rows that a process has written and that are gone end its lane, which is opened again from what is there', async () => {
  await committed(running, 'third')
  await eventually('it is said', () => running.stateless.length > 0)
  assert.deepEqual(running.stateless, [LANE])
  await committed(running, 'fourth')
  await running.open(LANE)
  assert.deepEqual(keysOf(running), ['first', 'fourth', 'third'])
  assert.deepEqual(running.stateless, [LANE], 'once')
})

test('another process learns it by the positions of the group, which name an opening that left no row', async (t) => {
  const other = openLog()
  t.after(() => other.close())
  const next = new TestMember(other, 'alerting', [TOPIC])
  await next.lane(LANE)
  assert.deepEqual(next.stateless, [LANE])
  assert.deepEqual(keysOf(next), ['first'])
  await eventually(
    'what the lost rows had handled is read again',
    () => next.values(TOPIC, LANE, key).length > 0,
  )
  assert.deepEqual(next.values(TOPIC, LANE, key), ['1'])
  await next.leave()
  const last = new TestMember(other, 'alerting', [TOPIC])
  await last.lane(LANE)
  assert.deepEqual(last.stateless, [], 'once')
  await last.leave()
})
