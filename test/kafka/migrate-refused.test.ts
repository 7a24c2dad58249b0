// A move to Kafka that is stopped at each of its steps, that meets a target which is not empty or refuses it, or a fleet
// that has run in between: nothing runs in two places, and what is refused is refused before anything is changed.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { HttpClient } from '../../client/http/client.ts'
import { httpOperator } from '../../operator/http.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { openRedisLimits } from '../../runtime/limits/redis.ts'
import { createClient, TOPIC_RESOURCE, type Admin } from '../../runtime/log/kafka/connection/client.ts'
import { moveToKafka, type MoveReport } from '../../runtime/migration/to-kafka.ts'
import { openDataFile } from '../../runtime/store/data-file/data-file.ts'
import { openPostgresSql } from '../../runtime/store/sql-postgres.ts'
import { stageNames } from '../../services/index.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { testDirectory } from '../support/killable-fleet.ts'
import { fleetEnvironment } from '../support/servers.ts'
import { startServices } from '../support/service-process.ts'
import { brokers, kafkaLog, PARTITIONS } from './brokers.ts'

let admin: Admin
before(async () => {
  admin = createClient({ brokers: brokers(), clientId: 'migrate-refused', requestTimeoutMs: 10_000 }).admin()
  await admin.connect()
})
after(() => admin?.disconnect())

interface Moving {
  readonly prefix: string
  readonly dataDir: string
  readonly env: Readonly<Record<string, string>>
  /** Environment of the fleet on this machine. */
  readonly here: Readonly<Record<string, string>>
  run(): Promise<void>
  move(changes?: Partial<Parameters<typeof moveToKafka>[0]>): Promise<MoveReport>
}

/** A fleet of this machine that has run one task. */
async function moving(t: TestContext, name: string, prefix?: string): Promise<Moving> {
  const dataDir = join(testDirectory(t, name), 'data')
  const servers = fleetEnvironment(name)
  const { FLOTILLA_PREFIX = '', FLOTILLA_PARTITIONS = '' } = servers
  const here = { FLOTILLA_PARTITIONS, FLOTILLA_DATA: dataDir, FLOTILLA_PREFIX: prefix ?? FLOTILLA_PREFIX }
  const env = { ...servers, FLOTILLA_DATA: dataDir }
  const fleet: Moving = {
    ...{ prefix: FLOTILLA_PREFIX, dataDir, env, here },
    async run() {
      const ended = await flotilla(['run', 'say hi'], { env: here })
      assert.equal(ended.code, 0, ended.err)
    },
    move: (changes) =>
      moveToKafka({
        environment: readEnvironment(env),
        stages: stageNames,
        isDryRun: false,
        onProgress: () => undefined,
        ...changes,
      }),
  }
  await fleet.run()
  return fleet
}

const sayHi = ['run', 'say hi']
const note = ({ dataDir }: Moving): string => join(dataDir, 'moved-to-kafka.json')

test('stopped at any step: it starts nowhere, goes on, and is noticed if the fleet ran since', async (t) => {
  const fleet = await moving(t, 'move-steps')
  const log = kafkaLog(fleet.prefix)
  t.after(() => log.close())
  for (const step of ['copying blobs', 'copying journal', 'copied', 'comparing', 'setting positions']) {
    const onProgress = (text: string): void => {
      if (text.startsWith(step)) throw new Error(`stopped while ${step}`)
    }
    await assert.rejects(fleet.move({ onProgress, batchRecords: 5 }), new RegExp(`stopped while ${step}`))
    const here = await flotilla(sayHi, { env: fleet.here })
    assert.match(here.err, /began on .* and has not ended: run flotilla migrate --to kafka again/)
    await assert.rejects(log.ensureTopics([]), /has not ended: run flotilla migrate --to kafka again/)
  }
  // To another cluster, while it is half here.
  rmSync(note(fleet))
  await fleet.run()
  await assert.rejects(fleet.move(), /not empty \(the fleet in .* has run here since its move there began/)

  const second = await moving(t, 'move-steps-again')
  assert.equal((await second.move()).outcome, 'moved')
  assert.equal((await second.move()).outcome, 'moved before')
  rmSync(note(second))
  assert.equal((await second.move()).outcome, 'moved before', 'and noted again')
  assert.match((await flotilla(sayHi, { env: second.here })).err, /was moved to Kafka/)
  rmSync(note(second))
  await second.run()
  await assert.rejects(second.move(), /has run here since its move there began/)
})

test('a fleet that was moved is not moved elsewhere too', async (t) => {
  const fleet = await moving(t, 'move-twice')
  assert.equal((await fleet.move()).outcome, 'moved')
  const environment = readEnvironment({ ...fleet.env, FLOTILLA_PREFIX: `${fleet.prefix}-other` })
  for (const isDryRun of [true, false])
    await assert.rejects(
      fleet.move({ environment, fromPrefix: fleet.prefix, isDryRun }),
      /was moved to Kafka at/,
    )
  assert.ok(!(await admin.listTopics()).some((topic) => topic.startsWith(`${fleet.prefix}-other.`)))
})

test('what is there already is named by the dry run too, which changes nothing', async (t) => {
  const { DATABASE_URL = '', REDIS_URL = '' } = process.env
  const limits = await moving(t, 'held-redis')
  const redis = openRedisLimits({ url: REDIS_URL, prefix: limits.prefix })
  t.after(() => redis.close())
  const claim = {
    form: 'budget',
    key: 'day:fleet',
    amount: 1,
    limit: 9,
    resetsAtMs: Date.now() + 60_000,
  } as const
  await redis.reserve({ id: 'theirs', alternatives: [[claim]], ttlMs: 60_000 })

  const tables = await moving(t, 'held-tables')
  const sql = await openPostgresSql(DATABASE_URL, tables.prefix)
  t.after(() => sql.destroy())
  await sql
    .insertInto('blobs')
    .values({ hash: 'theirs', bytes: Buffer.of(1), created_at_ms: 1 })
    .execute()

  const divided = await moving(t, 'held-topics')
  const topic = `${divided.prefix}.tasks.completed`
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: PARTITIONS + 2 }] })

  for (const [fleet, reason] of [
    [limits, /not empty \(Redis has keys like /],
    [tables, /not empty \(the table blobs has rows/],
    [divided, /not empty \(\S+\.tasks\.completed has 6 partitions, not 4/],
  ] as const)
    for (const isDryRun of [true, false]) await assert.rejects(fleet.move({ isDryRun }), reason)
  const topics = await admin.listTopics()
  for (const { prefix } of [limits, tables]) assert.ok(!topics.some((name) => name.startsWith(`${prefix}.`)))
  // They still run here.
  await limits.run()
})

test('under another prefix', async (t) => {
  const fleet = await moving(t, 'renamed', 'flotilla')
  await assert.rejects(
    fleet.move(),
    /holds no fleet with the prefix renamed.* give that one by --from-prefix/,
  )
  const moved = await flotilla(['migrate', '--to', 'kafka', '--from-prefix', 'flotilla', '--json'], {
    env: fleet.env,
  })
  assert.equal(moved.code, 0, moved.err)
  const { lines } = JSON.parse(moved.out) as MoveReport
  for (const { what, dataFile, target } of lines) assert.equal(target, dataFile, what)
  assert.match((await flotilla(sayHi, { env: fleet.here })).err, /was moved to Kafka/)
  const listed = await flotilla(['ps', '--all', '--json'], { env: fleet.env })
  assert.equal((JSON.parse(listed.out) as { tasks: unknown[] }).tasks.length, 1)
})

test('brokers that are away or refuse: an error with a remedy, and the move goes on afterwards', async (t) => {
  const fleet = await moving(t, 'move-away')
  const away = await flotilla(['migrate', '--to', 'kafka'], {
    env: { ...fleet.env, KAFKA_BROKERS: '127.0.0.1:1' },
  })
  assert.equal(away.code, 69, away.err)
  assert.match(away.err, /LOG_UNAVAILABLE: Kafka at 127\.0\.0\.1:1 does not answer/)

  const topic = `${fleet.prefix}.tasks.completed`
  const size = (value: string) => [{ name: 'max.message.bytes', value }]
  await admin.createTopics({
    waitForLeaders: true,
    topics: [{ topic, numPartitions: PARTITIONS, configEntries: size('200') }],
  })
  await assert.rejects(fleet.move(), /The broker takes no record of this size: raise max\.message\.bytes/)
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: TOPIC_RESOURCE, name: topic, configEntries: size('1048588') }],
  })
  // The broker takes over a setting a moment after it has answered.
  const { outcome } = await eventually('the move goes on', () => fleet.move().catch(isTooLarge))
  assert.equal(outcome, 'moved')
})

/** False, for a move that the broker refused because of the size of a record. */
function isTooLarge(error: Error): false {
  assert.match(error.message, /raise max\.message\.bytes/)
  return false
}

test('a dry run says which store has no server', async (t) => {
  const fleet = await moving(t, 'move-stores')
  const environment = readEnvironment({ ...fleet.env, REDIS_URL: '' })
  await assert.rejects(fleet.move({ environment, isDryRun: true }), /share their stores: set REDIS_URL/)
})

test('the data file of 0.1.0', { timeout: 180_000 }, async (t) => {
  const dataDir = join(testDirectory(t, 'move-old'), 'data')
  mkdirSync(dataDir)
  const file = readFileSync(join(import.meta.dirname, '../golden/data-files/0.1.0.db.zst'))
  writeFileSync(join(dataDir, 'flotilla.db'), zstdDecompressSync(file))
  const config = join(import.meta.dirname, '../../examples/flotilla.config.ts')
  const servers = fleetEnvironment('move-old', { FLOTILLA_PARTITIONS: '12' })
  const env = { ...servers, FLOTILLA_DATA: dataDir, FLOTILLA_CONFIG: config }
  const moved = await flotilla(['migrate', '--to', 'kafka', '--from-prefix', 'flotilla'], { env })
  assert.equal(moved.code, 0, moved.err)
  const fleet = await startServices([], { env })
  t.after(() => fleet.kill9())
  await fleet.ready(120_000)
  const client = new HttpClient(fleet.url)
  t.after(() => client.close())
  for (const id of ['done-tools', 'done-code'])
    assert.equal((await client.result(id, { timeoutMs: 120_000 })).status, 'succeeded', id)
  await httpOperator(fleet.url).pauses.set({ paused: false, stage: 'planner' })
  assert.equal((await client.result('open-expired', { timeoutMs: 120_000 })).status, 'timed_out')
})

test('records of a clock that was ahead', async (t) => {
  const fleet = await moving(t, 'move-ahead')
  const file = openDataFile({ dataDir: fleet.dataDir })
  file.db.prepare('UPDATE records SET timestamp_ms = timestamp_ms + ?').run(90 * 86_400_000)
  file.release()
  const { outcome, lines } = await fleet.move()
  assert.equal(outcome, 'moved')
  for (const { what, dataFile, target } of lines) assert.equal(target, dataFile, what)
})
