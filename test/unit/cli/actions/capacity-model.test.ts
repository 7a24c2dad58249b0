import assert from 'node:assert/strict'
import { test } from 'node:test'
import { capacityFor, type Load } from '../../../../cli/actions/capacity-model.ts'
import { serviceNames } from '../../../../services/index.ts'

const load: Load = {
  tasksPerSecond: 100,
  steps: 2,
  modelSeconds: 3,
  toolSeconds: 1,
  replication: 3,
  retentionDays: 7,
  extraBytes: 0,
}

test('the measured task of two steps: its transactions, and its CPU on Kafka', () => {
  const { perTask } = capacityFor(load)
  assert.deepEqual(perTask, { records: 18, bytes: 7_486, commits: 4.2, cpuMs: 5.1 })
})

test('tasks under way, lanes, disk and operations follow from rate and duration', () => {
  const { tasksInFlight, partitions, processes, brokers, redisOpsPerSecond, postgresRowsPerSecond } =
    capacityFor(load)
  assert.equal(tasksInFlight, 700)
  // 700 tasks of 32 in a lane.
  assert.equal(partitions, 22)
  // 600 calls at once of 256 in a process.
  assert.equal(processes['planner'], 3)
  assert.equal(brokers.count, 3)
  assert.equal(brokers.bytesPerSecond, 100 * 7_486 * 3)
  assert.equal(brokers.diskGb, 1_358.3)
  assert.equal(redisOpsPerSecond, 100 * (3 * 3 + 2 * 2 + 2))
  assert.equal(postgresRowsPerSecond, 600)
})

test('a small load gets the least of everything, and only the limit that everybody has', () => {
  const { partitions, processes, limits } = capacityFor({ ...load, tasksPerSecond: 0.1 })
  assert.equal(partitions, 12)
  assert.deepEqual(Object.keys(processes).toSorted(), [...serviceNames].toSorted())
  assert.deepEqual(new Set(Object.values(processes)), new Set([2]))
  assert.equal(limits.length, 1)
})

test('a load beyond one Redis, one PostgreSQL and 1,000 partitions says so, with what to do', () => {
  const { limits } = capacityFor({ ...load, tasksPerSecond: 10_000 })
  for (const word of ['Redis', 'PostgreSQL', 'partitions', 'FLOTILLA_PARTITIONS', 'Models'])
    assert.ok(
      limits.some((limit) => limit.includes(word)),
      word,
    )
})

test('more of anything never needs less', () => {
  const base = capacityFor(load)
  for (const more of [{ tasksPerSecond: 1_000 }, { steps: 9 }, { modelSeconds: 30 }, { extraBytes: 9_000 }]) {
    const other = capacityFor({ ...load, ...more })
    assert.ok(other.partitions >= base.partitions)
    assert.ok(other.brokers.diskGb >= base.brokers.diskGb)
    for (const [service, count] of Object.entries(base.processes))
      assert.ok((other.processes[service] ?? 0) >= count, service)
  }
})
