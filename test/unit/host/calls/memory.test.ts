// What a call holds is garbage of V8's young generation as soon as it has ended: nothing old refers to it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemClock } from '../../../../runtime/clock.ts'
import { CallMaker } from '../../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import { Stop } from '../../../../runtime/host/calls/stop.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void

const CALLS = 500
/** Of each call's request. */
const HELD_BYTES = 8 * 4_000

test('the young collections free the requests of calls that have ended', async () => {
  const calls = new CallMaker({
    journal: openJournal(memoryKeyValue({ durable: true }), systemClock, {
      leaseMs: 0,
      keepMs: 60_000,
      forgottenMs: 60_000,
    }),
    callers: { tool: async () => 'done' },
    breakers: { run: (_, work) => work() },
    capacity: new Semaphore(1),
    clock: systemClock,
    instruments: quietInstruments,
  })
  const lost = new AbortController()
  const make = (id: string) => {
    const request = { id, toJSON: () => id, held: new Array(HELD_BYTES / 8).fill(id) }
    return calls.make({
      call: { kind: 'tool', target: 'test', request, timeoutMs: 60_000, idempotent: true },
      ...{ id, key: id, owner: 'p1', epoch: 1, interrupted: new Stop(), lost: lost.signal },
      ...{ traceparent: null, stream: () => {} },
    })
  }
  collect({ type: 'major' })
  const before = getHeapStatistics().used_heap_size
  for (let made = 0; made < CALLS; made++) {
    assert.ok((await make(`c${made}`)).ok)
    if (made % 10 === 9) for (let times = 0; times < 2; times++) collect({ type: 'minor' })
  }
  const grown = getHeapStatistics().used_heap_size - before
  assert.ok(grown < (CALLS * HELD_BYTES) / 4, `${Math.round(grown / CALLS)} bytes a call are left`)
})
