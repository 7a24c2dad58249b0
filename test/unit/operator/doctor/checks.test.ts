// Findings about the log and the stores: what stops a start is a failure, with the remedy of its error.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checksOf, type Examined } from '../../../../operator/doctor/checks.ts'
import { examine } from '../../../../operator/doctor/examine.ts'
import { readEnvironment } from '../../../../runtime/config/environment.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { Log, RangeOptions } from '../../../../runtime/log/port.ts'
import { KEPT_IDS } from '../../../../runtime/codec/kept-ids.ts'
import { openCodec } from '../../../../runtime/codec/open.ts'
import { memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import { memoryLimits } from '../../../../runtime/testing/memory/limits.ts'

async function found(check: string, parts: Partial<Examined>, variables: Record<string, string> = {}) {
  const environment = readEnvironment({ KAFKA_BROKERS: '127.0.0.1:9', ...variables })
  const all = checksOf({ environment, fleet: null, heldBy: null, ...parts } as Examined)
  const [wanted] = all.filter(({ name }) => name === check)
  assert.ok(wanted)
  return examine(wanted)
}

const volatileStore: Partial<Examined> = {
  stores: async () =>
    ({
      keyValue: {
        kind: 'redis',
        check: async () => {},
        durability: async () => ({ durable: false, reason: 'appendfsync everysec' }),
      },
      limits: memoryLimits(),
    }) as never,
}

test('a store that may lose writes fails, because no stage starts with it; if that was accepted, it is a warning', async () => {
  const { result, code, remedy } = await found('cache and journal', volatileStore)
  assert.deepEqual([result, code], ['failed', 'STORE_NOT_DURABLE'])
  assert.match(remedy ?? '', /appendonly yes, appendfsync always/)
  const accepted = await found('cache and journal', volatileStore, { FLOTILLA_ALLOW_VOLATILE_STORE: '1' })
  assert.equal(accepted.result, 'warn')
})

test('limits that can not be reached are found, though the key-value store can', async () => {
  const limits = {
    check: () => Promise.reject(new FlotillaError('STORE_UNAVAILABLE', 'NOPERM flotilla:limits')),
  }
  const durability = async () => ({ durable: true, reason: 'appendfsync always' })
  const keyValue = { kind: 'redis', check: async () => {}, durability }
  const { result, reason } = await found('cache and journal', {
    stores: async () => ({ keyValue, limits }) as never,
  })
  assert.equal(result, 'failed')
  assert.match(reason, /NOPERM flotilla:limits/)
})

const logWithout = (code: 'TOPICS_MISSING' | 'TOPICS_MISMATCH'): Partial<Examined> => ({
  withLog: (work) =>
    work({
      kind: 'kafka',
      partitions: 6,
      check: async () => {},
      ranges: async () => Promise.reject(new FlotillaError(code, 'the topics have 12 partitions, not 6')),
    } as Partial<Log> as Log),
})

test('topics with another number of partitions are not taken for missing ones, which can be created', async () => {
  const missing = await found('log', logWithout('TOPICS_MISSING'))
  assert.deepEqual([missing.result, missing.remedy], ['warn', 'Create them with: flotilla topics --create'])
  const other = await found('log', logWithout('TOPICS_MISMATCH'))
  assert.deepEqual([other.result, other.code], ['failed', 'TOPICS_MISMATCH'])
  assert.match(other.remedy ?? '', /set FLOTILLA_PARTITIONS/)
})

test('a topic that somebody has deleted is named', async () => {
  const lacks = new FlotillaError('TOPICS_MISSING', 'lacks topics', {
    details: { absent: ['tools.requested'] },
  })
  const ranges = () => Promise.reject(lacks)
  const log = { kind: 'kafka', partitions: 6, check: async () => {}, ranges } as Partial<Log> as Log
  const { result, reason } = await found('log', { withLog: (work) => work(log) })
  assert.deepEqual([result, reason], ['warn', 'kafka: reachable; missing: tools.requested'])
})

test('partitions that no broker leads are named in a warning', async () => {
  const ranges = async (_: readonly string[], { onLeaderless }: RangeOptions = {}) => {
    onLeaderless?.({ topic: 'tasks.admitted', partition: 3 })
    return []
  }
  const log = { kind: 'kafka', partitions: 6, check: async () => {}, ranges } as Partial<Log> as Log
  const { result, reason, remedy } = await found('log', { withLog: (work) => work(log) })
  assert.equal(result, 'warn')
  assert.match(reason, /no broker leads tasks\.admitted\[3\]/)
  assert.match(remedy ?? '', /input_blocked/)
})

test('a schema registry that lacks an id with which the fleet has written fails, also where it answers', async () => {
  const keyValue = memoryKeyValue()
  const codec = () => openCodec({ schemaRegistryUrl: null, prefix: 'fleet' })
  const parts = { codec, stores: async () => ({ keyValue }) as never }
  assert.equal((await found('schema registry', parts)).result, 'warn')
  const prepared = codec()
  await prepared.prepare()
  await keyValue.set(KEPT_IDS, JSON.stringify(prepared.ids()))
  assert.equal((await found('schema registry', parts)).result, 'warn')
  await keyValue.set(
    KEPT_IDS,
    JSON.stringify({ ...prepared.ids(), [Object.keys(prepared.ids())[3] ?? '']: 7 }),
  )
  const changed = await found('schema registry', parts)
  assert.deepEqual([changed.result, changed.code], ['failed', 'REGISTRY_CHANGED'])
  const unreachable = { codec, stores: () => Promise.reject(new Error('no Redis')) }
  assert.equal((await found('schema registry', unreachable)).result, 'warn')
})
