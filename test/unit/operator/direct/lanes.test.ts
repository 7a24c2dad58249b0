import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directLanes } from '../../../../operator/direct/lanes.ts'
import type { Codec } from '../../../../runtime/codec/port.ts'
import type { Log, LogTopic, RangeOptions } from '../../../../runtime/log/port.ts'

test('a topic of a lane that no broker leads is named, and the lag of the others counted', async () => {
  const log = {
    partitions: 2,
    members: async () => ({ topics: ['tasks.admitted'], owners: [] }),
    positions: async () => [{ topic: 'tasks.admitted', partition: 0, offset: 4 }],
    ranges: async (topics: readonly LogTopic[], { partitions, onLeaderless }: RangeOptions = {}) => {
      // Pauses.
      if (partitions !== undefined) return []
      for (const topic of topics) onLeaderless?.({ topic, partition: 1 })
      return topics.map((topic) => ({ topic, partition: 0, earliest: 0, next: 9 }))
    },
  } as Partial<Log> as Log
  const lanes = (await directLanes(log, {} as Codec).list()).filter(({ stage }) => stage === 'planner')
  assert.deepEqual(
    lanes.map(({ lane, lag, leaderless }) => ({ lane, lag, leaderless })),
    [
      { lane: 0, lag: 5, leaderless: undefined },
      { lane: 1, lag: 0, leaderless: ['tasks.admitted'] },
    ],
  )
})
