// What the log says of a stage's input: shown by the host until it is over, logged and counted once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCodec } from '../../../../runtime/codec/codec.ts'
import { createEmbeddedRegistry } from '../../../../runtime/codec/embedded-registry.ts'
import { CallMaker } from '../../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { defaultHostOptions } from '../../../../runtime/host/context.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import { StageHost } from '../../../../runtime/host/stage-host.ts'
import { createMemoryBroker } from '../../../../runtime/testing/memory/log/log.ts'
import type { LaneListener, Log, OpenLane } from '../../../../runtime/log/port.ts'
import type { Stage } from '../../../../runtime/stage.ts'
import { memoryBlobs, memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

const stage: Stage = {
  name: 'router',
  version: 1,
  consumes: [{ topic: 'tasks.submitted' }],
  decide: () => ({}),
}

/** A host in virtual time, and what its log tells it by; `open`: how its log opens lanes, if it is to be another way. */
async function hosted(open?: () => Promise<OpenLane>) {
  const clock = new VirtualClock(1_750_000_000_000)
  const inner = createMemoryBroker({ partitions: 1, clock }).connect()
  const listeners: LaneListener[] = []
  const log: Log = {
    ...inner,
    join: async (options, listener) => {
      listeners.push(listener)
      const membership = await inner.join(options, listener)
      return open ? { ...membership, open } : membership
    },
  }
  const errors: string[] = []
  const warnings: string[] = []
  const gauges: number[] = []
  const instruments = {
    ...quietInstruments,
    log: {
      ...quietInstruments.log,
      error: (...given: unknown[]) => void errors.push(String(given.at(-1))),
      warn: (...given: unknown[]) => void warnings.push(String(given.at(-1))),
    },
    gauge: (name: string, value: number) => void (name === 'input_problems' && gauges.push(value)),
  }
  const journal = openJournal(memoryKeyValue({ clock }), clock, { leaseMs: 0, keepMs: 1_000, forgottenMs: 0 })
  const breakers = { run: <T>(_: string, work: () => Promise<T>) => work() }
  const shared = { journal, clock, instruments }
  const calls = new CallMaker({ ...shared, breakers, capacity: new Semaphore(1), callers: {} })
  const codec = createCodec({ registry: createEmbeddedRegistry(), prefix: 'test' })
  const parts = { ...shared, calls, codec, blobs: memoryBlobs(), log, stage }
  const host = new StageHost({ ...parts, options: defaultHostOptions, instance: 'a' })
  const started = host.start()
  await clock.run(clock.now() + 1_000, () => false)
  await started
  const [listener] = listeners
  assert.ok(listener)
  return { host, listener, errors, warnings, gauges, clock }
}

test('what is in the way of the input is shown as long as it lasts, whatever becomes of the group', async () => {
  const { host, listener, errors, gauges } = await hosted()
  assert.deepEqual(host.status().problems, [])
  listener.onProblems?.(['one'])
  listener.onProblems?.(['one', 'two'])
  listener.onRecovered?.()
  assert.deepEqual(host.status().problems, ['one', 'two'])
  listener.onProblems?.(['two'])
  assert.deepEqual(host.status().problems, ['two'])
  listener.onProblems?.([])
  assert.deepEqual(host.status().problems, [])
  assert.deepEqual(errors, ['one', 'two'])
  assert.deepEqual(gauges, [1, 2, 1, 0])
})

test('a lane that does not open says what it waits for, and reports it every 30 seconds', async () => {
  const { host, listener, warnings, clock } = await hosted(() => new Promise(() => {}))
  assert.deepEqual(host.status().problems, ['lane 0: opening'])
  listener.onOpening?.(0, 'the brokers')
  assert.deepEqual(host.status().problems, ['lane 0: opening: waiting for the brokers'])
  await clock.run(clock.now() + 30_000, () => false)
  listener.onOpening?.(0, 'its state rows and positions')
  listener.onOpening?.(7, 'a lane that it does not have')
  await clock.run(clock.now() + 30_000, () => false)
  assert.deepEqual(warnings, [
    'failed to open a lane in 30 seconds; still waiting for the brokers',
    'failed to open a lane in 60 seconds; still waiting for its state rows and positions',
  ])
})

test('a lane that fails to open for an hour is in the log for each reason, and ever more rarely for the same', async () => {
  let reason = 'the disk is full'
  const { host, warnings, clock } = await hosted(() => Promise.reject(new Error(reason)))
  await clock.run(clock.now() + 3_600_000, () => false)
  assert.deepEqual(host.status().problems, ['lane 0: the disk is full'])
  assert.ok(warnings.length >= 8 && warnings.length <= 14, `${warnings.length} lines`)
  reason = 'it is read-only'
  const before = warnings.length
  await clock.run(clock.now() + 5_000, () => false)
  assert.deepEqual(warnings.slice(before), ['failed to open a lane; retrying'])
})

test('a lane that opens reports nothing later', async () => {
  const { host, warnings, clock } = await hosted()
  assert.deepEqual(host.openLanes(), [0])
  await clock.run(clock.now() + 90_000, () => false)
  assert.deepEqual(warnings, [])
})
