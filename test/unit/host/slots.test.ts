// Slots of a provider (slots.ts), through the calls that take them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallRequest } from '../../../runtime/host/calls/attempt.ts'
import { CallMaker, LaneLost } from '../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../runtime/host/calls/journal.ts'
import { Semaphore } from '../../../runtime/host/calls/semaphore.ts'
import type { SlotsOf } from '../../../runtime/host/slots.ts'
import type { CallContext, Emit } from '../../../runtime/stage.ts'
import { memoryKeyValue } from '../../../runtime/testing/memory/store.ts'
import { quietInstruments } from '../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../runtime/testing/simulator/virtual-clock.ts'

const START = 1_000_000
const waitingSince = (taskId: string, atMs: number) =>
  ({ taskId, stage: 'planner', kind: 'waiting', step: 1, atMs, detail: null }) as const
const perProvider: SlotsOf = ({ target, request }) =>
  target === 'free'
    ? null
    : {
        name: target,
        limit: 2,
        holder: (request as { user: string }).user,
        waiting: (key, atMs) => ({
          topic: 'tasks.streaming',
          type: 'TaskProgressed',
          key,
          data: waitingSince(key, atMs),
        }),
      }

function setUp(capacity = 256) {
  const virtual = new VirtualClock(START)
  const settled = async () => {
    for (let turns = 0; turns < 20; turns++) await new Promise((resume) => setImmediate(resume))
  }
  const clock = Object.assign(virtual, {
    idle: settled,
    advance: async (ms: number) => {
      await virtual.run(virtual.now() + ms, () => false)
      await settled()
    },
  })
  const journal = openJournal(memoryKeyValue({ clock, durable: true }), clock, {
    leaseMs: 5_000,
    keepMs: 86_400_000,
    forgottenMs: 3_600_000,
  })
  /** Calls that are being made: id → ends it. */
  const running = new Map<string, () => void>()
  const begun: string[] = []
  const shown = new Map<string, number>()
  let reserved = 0
  const breakers: string[] = []
  const calls = new CallMaker({
    journal,
    clock,
    instruments: { ...quietInstruments, gauge: (name, value) => void shown.set(name, value) },
    capacity: new Semaphore(capacity),
    slots: perProvider,
    stage: 'planner',
    breakers: { run: (name, work) => (breakers.push(name), work()) },
    guards: {
      model: { applies: () => true, reserve: async () => (reserved++, null), settle: async () => {} },
    },
    callers: {
      model: (_: never, { callId, signal }: CallContext) =>
        new Promise((resolve, reject) => {
          begun.push(callId)
          running.set(callId, () => resolve(callId))
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    },
  })
  const make = (
    id: string,
    user = 'ann',
    more: Partial<CallRequest> & { target?: string; untilMs?: number } = {},
  ) => {
    const { target = 'local', untilMs, ...rest } = more
    const call = {
      kind: 'model',
      target,
      request: { user },
      timeoutMs: 1_000,
      idempotent: true,
      ...(untilMs === undefined ? {} : { untilMs }),
    }
    const signal = new AbortController().signal
    return calls.make({
      call,
      id,
      key: id,
      owner: 'p',
      epoch: 1,
      interrupted: signal,
      lost: signal,
      traceparent: null,
      stream: () => {},
      ...rest,
    })
  }
  const end = async (id: string) => {
    running.get(id)?.()
    await clock.idle()
  }
  return { calls, make, end, begun, shown, clock, journal, breakers, reserved: () => reserved }
}

test('no more calls at once than there are slots; the next begins as one ends', async () => {
  const { make, end, begun, shown, clock } = setUp()
  const all = ['a', 'b', 'c', 'd'].map((id) => make(id))
  await clock.idle()
  assert.deepEqual(begun, ['a', 'b'])
  assert.deepEqual([shown.get('slots_held'), shown.get('slots_waited_for')], [2, 2])
  await end('b')
  assert.deepEqual(begun, ['a', 'b', 'c'])
  for (const id of ['a', 'c', 'd']) await end(id)
  assert.deepEqual(
    (await Promise.all(all)).map(({ ok }) => ok),
    [true, true, true, true],
  )
  assert.deepEqual([shown.get('slots_held'), shown.get('slots_waited_for')], [0, 0])
})

test('users take turns, whatever one of them has waiting', async () => {
  const { make, end, begun, clock } = setUp()
  for (const id of ['a1', 'a2', 'a3', 'a4', 'a5']) void make(id, 'ann')
  await clock.idle()
  for (const id of ['b1', 'b2']) void make(id, 'bob')
  await clock.idle()
  for (const id of ['a1', 'a2', 'a3', 'b1']) await end(id)
  assert.deepEqual(begun, ['a1', 'a2', 'a3', 'b1', 'a4', 'b2'])
})

test('waiting takes no time of the call, no reservation, no entry of the journal, and no breaker sees it', async () => {
  const { make, end, begun, clock, journal, breakers, reserved } = setUp()
  for (const id of ['a', 'b']) void make(id)
  const third = make('c')
  await clock.idle()
  await clock.advance(900)
  assert.deepEqual([journal.open, reserved(), breakers.length], [2, 2, 2])
  await end('a')
  assert.deepEqual(begun, ['a', 'b', 'c'])
  await clock.advance(900)
  await end('c')
  const outcome = await third
  assert.ok(outcome.ok, 'it has a limit of 1,000 ms, and 1,800 have passed')
  assert.equal(outcome.startedMs, START + 900)
})

test('the deadline of its task ends the wait, and later the call, without a word about the provider', async () => {
  const { make, end, begun, clock } = setUp()
  for (const id of ['a', 'b']) void make(id)
  await clock.idle()
  const waiting = make('c', 'ann', { untilMs: START + 500 })
  const calling = make('d', 'ann', { target: 'other', untilMs: START + 700 })
  await clock.idle()
  await clock.advance(800)
  for (const outcome of [await waiting, await calling])
    assert.equal(!outcome.ok && outcome.failure.code, 'CALL_ABORTED')
  assert.deepEqual(begun, ['a', 'b', 'd'])
  await end('a')
  void make('e')
  await clock.idle()
  assert.deepEqual(begun, ['a', 'b', 'd', 'e'], 'it left no gap behind')
})

test('cancelled or lost while it waits: not made, and nobody waits behind it', async () => {
  const { make, end, begun, clock } = setUp()
  for (const id of ['a', 'b']) void make(id)
  await clock.idle()
  const [cancel, lose] = [new AbortController(), new AbortController()]
  const cancelled = make('c', 'ann', { interrupted: cancel.signal })
  const lost = make('d', 'ann', { lost: lose.signal })
  void make('e')
  await clock.idle()
  cancel.abort()
  lose.abort()
  const outcome = await cancelled
  assert.equal(!outcome.ok && outcome.failure.code, 'CALL_ABORTED')
  await assert.rejects(lost, LaneLost)
  await end('a')
  assert.deepEqual(begun, ['a', 'b', 'e'])
})

test('what waits holds no place of the process; another provider is asked meanwhile', async () => {
  const { make, begun, clock } = setUp(3)
  for (const id of ['a', 'b', 'c', 'd', 'e']) void make(id)
  await clock.idle()
  void make('f', 'ann', { target: 'free' })
  await clock.idle()
  assert.deepEqual(begun, ['a', 'b', 'f'])
})

test('what an earlier run was answered needs no slot', async () => {
  const { make, end, clock } = setUp()
  const first = make('a')
  await clock.idle()
  await end('a')
  await first
  for (const id of ['b', 'c']) void make(id)
  await clock.idle()
  assert.deepEqual(await make('a', 'ann', { epoch: 2 }), await first)
})

test('a call that waits for a slot for long says so once; a short wait costs no record', async () => {
  const { make, end, clock } = setUp()
  const streamed: string[] = []
  const stream = (emit: Emit) =>
    void streamed.push(`${emit.key} ${emit.type === 'TaskProgressed' ? emit.data.kind : ''}`)
  const all = ['a', 'b', 'c', 'd'].map((id) => make(id, 'ann', { stream }))
  await clock.idle()
  await clock.advance(400)
  await end('a')
  await clock.advance(5_000)
  assert.deepEqual(streamed, ['d waiting'])
  for (const id of ['b', 'c', 'd']) await end(id)
  await Promise.all(all)
})
