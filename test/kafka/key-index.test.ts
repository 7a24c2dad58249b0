// Finding a record by its key on Kafka: a bounded part a call, and in the end what is there.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { FlotillaError } from '../../runtime/errors.ts'
import type { Log, LogRecord } from '../../runtime/log/port.ts'
import { numbered, outgoing, textOf } from '../conformance/member.ts'
import { kafkaLog, uniquePrefix } from './brokers.ts'

const topic = 'tasks.completed'
const prefix = uniquePrefix('search')
const logs: Log[] = []
const RECORDS = 1_000

/** Another process, which has searched nothing yet. */
function fresh(segments: number): Log {
  const log = kafkaLog(prefix, { search: { segment: 100, segments, probed: 50 } })
  logs.push(log)
  return log
}

const start = Date.now()
before(async () => {
  const log = fresh(1)
  await log.ensureTopics([])
  await log.publish([outgoing(topic, 0, 'oldest', 'oldest')])
  await log.publish(numbered(topic, 0, 'others', RECORDS))
})
after(() => Promise.all(logs.map((log) => log.close())))

/** With how many calls it took, and the most records that one of them looked at. */
async function find(log: Log, key: string, sinceMs = 0) {
  let calls = 0
  let looked = 0
  let most = 0
  const wanted = (_: LogRecord): boolean => {
    most = Math.max(most, ++looked)
    return true
  }
  for (;;) {
    calls++
    looked = 0
    try {
      const found = await log.find({ topic, partition: 0, key, wanted, sinceMs })
      return { found: found && textOf(found), calls, most }
    } catch (error) {
      assert.ok(error instanceof FlotillaError && error.code === 'SEARCH_UNFINISHED', String(error))
    }
  }
}

test('the oldest record is found by calls that read a part each; then every call has its answer', async () => {
  const log = fresh(100)
  const first = await find(log, 'oldest')
  assert.equal(first.found, 'oldest')
  assert.ok(first.calls > 5 && first.most <= 200, JSON.stringify(first))
  assert.deepEqual(await find(log, 'oldest'), { found: 'oldest', calls: 1, most: 0 })
  assert.deepEqual(await find(log, 'nobody'), { found: null, calls: 1, most: 0 })
  await log.publish([outgoing(topic, 0, 'newest', 'newest')])
  assert.deepEqual(await find(log, 'newest'), { found: 'newest', calls: 1, most: 1 })
})

test('a record that can’t be older than the hour before is not looked for further back', async (context) => {
  const search = { topic, partition: 0, key: 'nobody', wanted: () => true } as const
  const log = fresh(100)
  const codeOf = (error: FlotillaError) => error.code
  const future = await log.find({ ...search, sinceMs: Date.now() + 60_000 }).catch(codeOf)
  assert.equal(future, 'SEARCH_UNFINISHED', 'an id from the future says nothing')
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3 * 3_600_000 })
  assert.equal(await log.find({ ...search, sinceMs: Date.now() - 1 }), null)
})

test('beyond what the index may hold, an id that says when it was made is found by its time', async () => {
  const log = fresh(3)
  assert.deepEqual((await find(log, 'oldest')).found, null, 'too far back to be known')
  assert.deepEqual((await find(log, 'oldest', start - 1_000)).found, 'oldest')
})

test('searches that come together share what they read', async () => {
  const log = fresh(100)
  let looked = 0
  const search = { topic, partition: 0, wanted: () => ++looked > 0, sinceMs: 0 } as const
  const asked = Array.from({ length: 50 }, (_, index) =>
    log.find({ ...search, key: `nobody ${index}` }).catch((error: FlotillaError) => error.code),
  )
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(['SEARCH_UNFINISHED']))
  assert.ok(looked <= 400, String(looked))
})
