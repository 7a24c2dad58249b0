// State topics are compacted by the broker: what a lane then restores is what it would have restored before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import kafkajs from 'kafkajs'
import { commitOf, TestMember, textOf } from '../conformance/member.ts'
import { eventually } from '../conformance/waiting.ts'
import { kcat } from '../support/kcat.ts'
import { brokers, kafkaLog, uniquePrefix } from './brokers.ts'

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs

const ROUNDS = 40
const KEYS = 25

/** A segment is compacted once it is closed: here at once, where it would take ten minutes. */
async function compactSoon(topic: string): Promise<void> {
  const admin = new Kafka({ brokers: brokers(), logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
  })
  const own = (resources[0]?.configEntries ?? []).filter(({ configSource }) => Number(configSource) === 1)
  const kept = new Map(own.map(({ configName, configValue }) => [configName, configValue]))
  assert.equal(kept.get('cleanup.policy'), 'compact')
  kept.set('segment.ms', '200').set('min.cleanable.dirty.ratio', '0.01')
  const configEntries = [...kept].map(([name, value]) => ({ name, value }))
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
  })
  await admin.disconnect()
}

test('a compacted state topic restores the same rows, from a fraction of the records', async () => {
  const prefix = uniquePrefix('compaction')
  const log = kafkaLog(prefix)
  await log.ensureTopics(['planner'])
  const topic = `${prefix}.planner.state`
  await compactSoon(topic)
  const member = new TestMember(log, 'planner', ['tasks.submitted'])
  const lane = await member.lane(0)
  const expected = new Map<string, string>()
  const writeAll = async (round: number): Promise<void> => {
    const rows = Array.from({ length: KEYS }, (_, index) => {
      const value = index % 5 === round % 5 ? null : `${round}`
      if (value === null) expected.delete(`row ${index}`)
      else expected.set(`row ${index}`, value)
      return { key: `row ${index}`, value: value === null ? null : Buffer.from(value) }
    })
    await lane.commit(commitOf({ rows }))
  }
  const written = async () =>
    (
      await kcat([
        '-C',
        '-q',
        '-e',
        '-b',
        brokers().join(),
        '-t',
        topic,
        '-p',
        '0',
        '-o',
        'beginning',
        '-f',
        '.',
      ])
    ).length
  for (let round = 0; round < ROUNDS; round++) await writeAll(round)
  let round = ROUNDS
  // Each write may close the segment before it.
  await eventually(
    'most records are compacted away',
    async () => {
      await writeAll(round++)
      return (await written()) < (round * KEYS) / 4
    },
    90_000,
  )
  const opened = await member.open(0)
  assert.ok(opened)
  assert.deepEqual(new Map([...opened.rows].map((row) => [row.key, textOf(row)])), new Map(expected))
  await member.leave()
  await log.close()
})
