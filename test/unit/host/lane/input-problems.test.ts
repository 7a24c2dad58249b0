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
import type { LaneListener, Log } from '../../../../runtime/log/port.ts'
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

/** A host in virtual time, and what its log tells it by. */
async function hosted() {
  const clock = new VirtualClock(1_750_000_000_000)
  const inner = createMemoryBroker({ partitions: 1, clock }).connect()
  const listeners: LaneListener[] = []
  const log: Log = {
    ...inner,
    join: (options, listener) => {
      listeners.push(listener)
      return inner.join(options, listener)
    },
  }
  const errors: string[] = []
  const gauges: number[] = []
  const instruments = {
    ...quietInstruments,
    log: { ...quietInstruments.log, error: (...given: unknown[]) => void errors.push(String(given.at(-1))) },
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
  return { host, listener, errors, gauges }
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
