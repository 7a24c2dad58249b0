// How calls are made, beside the journal's own rules (journal.test.ts).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlotillaError } from '../../../../runtime/errors.ts'
import type { CallRequest } from '../../../../runtime/host/calls/attempt.ts'
import { CallMaker, LaneLost } from '../../../../runtime/host/calls/calls.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import type { Call, Caller } from '../../../../runtime/stage.ts'
import { memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import type { KeyValue } from '../../../../runtime/store/port.ts'
import { quietInstruments, type Instruments } from '../../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

function setUp(
  answer: Caller | null = null,
  change: (store: KeyValue) => KeyValue = (store) => store,
  instruments: Instruments = quietInstruments,
) {
  const clock = new VirtualClock(1_000_000)
  const keyValue = change(memoryKeyValue({ clock, durable: true }))
  const journal = openJournal(keyValue, clock, {
    leaseMs: 5_000,
    keepMs: 86_400_000,
    forgottenMs: 3_600_000,
  })
  let made = 0
  const calls = new CallMaker({
    journal,
    clock,
    instruments,
    capacity: new Semaphore(2),
    breakers: { run: (_, work) => work() },
    stage: 'planner',
    callers: { model: answer ?? (async () => ++made), ledger: () => new Promise(() => {}) },
  })
  const interrupted = new AbortController()
  const lost = new AbortController()
  const request: CallRequest = {
    call: { kind: 'model', target: 'openai', request: {}, timeoutMs: 1_000, idempotent: true },
    id: 'c1',
    key: 't1',
    owner: 'p1',
    epoch: 1,
    interrupted: interrupted.signal,
    lost: lost.signal,
    traceparent: null,
    stream: () => {},
  }
  return { calls, journal, request, interrupted, lost, clock, keyValue, made: () => made }
}

test('stopped before it began: the call is not made, and nothing is left begun', async () => {
  const { calls, journal, request, interrupted, made } = setUp()
  interrupted.abort()
  const outcome = await calls.make(request)
  assert.equal(!outcome.ok && outcome.failure.code, 'CALL_ABORTED')
  assert.equal(made(), 0)
  assert.equal(journal.open, 0)
})

test('stopped, but answered by an earlier run: that answer counts, because it was paid for', async () => {
  const { calls, request, interrupted, made } = setUp()
  const first = await calls.make(request)
  assert.equal(first.ok && first.value, 1)
  interrupted.abort()
  assert.deepEqual(await calls.make({ ...request, epoch: 2 }), first)
  assert.equal(made(), 1)
})

test('a call that was made leaves nothing begun, even where a later owner won', async () => {
  const { calls, journal, request } = setUp()
  await calls.make(request)
  assert.equal(journal.open, 0)
})

test('the lane was lost while the call was begun: it is left to the next owner', async () => {
  const { calls, journal, request, lost, made } = setUp()
  const begin = journal.begin.bind(journal)
  journal.begin = async (...args) => {
    const beginning = await begin(...args)
    lost.abort()
    return beginning
  }
  await assert.rejects(calls.make(request), LaneLost)
  assert.equal(made(), 0)
  assert.equal(journal.open, 0)
  assert.deepEqual(await begin('c1', 'p2', 2, request.call), { do: 'call', inDoubt: false })
})

test('a process that stops waits for the calls of lanes it has lost, so that their outcomes are recorded', async () => {
  const answer = Promise.withResolvers<number>()
  const { calls, journal, request, lost } = setUp(() => answer.promise)
  const made = calls.make(request)
  await new Promise((resolve) => setImmediate(resolve))
  lost.abort()
  let stopped = false
  const stopping = calls.settled(60_000).then(() => (stopped = true))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(stopped, false)
  answer.resolve(7)
  await stopping
  assert.equal((await made).ok, true)
  const recorded = await journal.recorded('c1')
  assert.equal(recorded?.outcome.ok && recorded.outcome.value, 7)
})

test('a call that may have been made without an outcome is counted, with what becomes of it', async () => {
  const counted: unknown[] = []
  const count: Instruments['count'] = (name, _, labels) => {
    if (name === 'calls_in_doubt') counted.push(labels)
  }
  const hangs: Caller = (asked) => (asked === 'hang' ? new Promise(() => {}) : Promise.resolve(1))
  const { calls, journal, request, clock } = setUp(hangs, undefined, { ...quietInstruments, count })
  const make = async (id: string, call: Partial<Call>, isBegun: boolean): Promise<void> => {
    const asked = { ...request, id, epoch: 2, call: { ...request.call, ...call } }
    if (isBegun) await journal.begin(id, 'p0', 1, asked.call, 't1')
    let isOver = false
    const made = calls.make(asked).then(() => (isOver = true))
    await clock.run(clock.now() + 60_000, () => isOver)
    await made
  }
  const once = { target: 'pay', idempotent: false }
  await make('answered', once, false)
  await make('slow, may be repeated', { request: 'hang' }, false)
  assert.deepEqual(counted, [])
  await make('begun, may be repeated', {}, true)
  await make('begun', once, true)
  await make('slow', { ...once, request: 'hang' }, false)
  const labels = { stage: 'planner', kind: 'model' }
  const unknown = { ...labels, target: 'pay', outcome: 'unknown' }
  assert.deepEqual(counted, [{ ...labels, target: 'openai', outcome: 'repeated' }, unknown, unknown])
})

test('calls that are not journalled hold no slot: a ledger that hangs keeps no model call from being made', async () => {
  const { calls, request, made } = setUp()
  const ledger = { ...request.call, kind: 'ledger', journalled: false }
  for (const id of ['l1', 'l2', 'l3', 'l4']) void calls.make({ ...request, id, call: ledger })
  assert.equal((await calls.make(request)).ok, true)
  assert.equal(made(), 1)
})

test('a call is made behind those of its order, also while one of them has to be asked again', async () => {
  const asked: string[] = []
  const { calls, request, clock } = setUp(async (asking) => {
    const name = String(asking)
    asked.push(name)
    if (name === 'first' && asked.length < 3) throw new FlotillaError('STORE_UNAVAILABLE', 'away')
    return name
  })
  const call = { ...request.call, journalled: false, inOrderOf: 'session' }
  const make = (name: string, more: Partial<Call> = {}) =>
    calls.make({ ...request, id: name, call: { ...call, request: name, ...more } })
  const ended: Promise<unknown>[] = []
  for (const name of ['first', 'second', 'third']) ended.push(make(name))
  ended.push(make('another', { inOrderOf: 'another session' }))
  let isOver = false
  const all = Promise.all(ended).then(() => (isOver = true))
  await clock.run(clock.now() + 60_000, () => isOver)
  await all
  assert.deepEqual(asked, ['first', 'another', 'first', 'second', 'third'])
})

test('a renewal that finds somebody else at it stops the call: its outcome could not count', async () => {
  const stopped = Promise.withResolvers<string>()
  const { calls, request, clock, keyValue } = setUp((_, { signal }) => {
    const stop = () => {
      stopped.resolve((signal.reason as FlotillaError).message)
      return signal.reason as Error
    }
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(stop())))
  })
  let ended = false
  const making = calls.make({ ...request, call: { ...request.call, timeoutMs: 600_000 } })
  const lost = assert.rejects(making, LaneLost).finally(() => (ended = true))
  await clock.run(clock.now() + 3_000, () => false)
  await keyValue.set(
    'journal:c1',
    JSON.stringify({ state: 'begun', epoch: 2, owner: 'p2', hash: '', inDoubt: true }),
  )
  await clock.run(clock.now() + 60_000, () => ended)
  await lost
  assert.match(await stopped.promise, /another owner of its lane has taken it over/)
})

test('when the store is back, the outcomes at hand are written before anything new is begun', async () => {
  const written: string[] = []
  let isAway = false
  // The store goes away while the first call is under way.
  const answer = async () => (isAway = written.length === 1)
  const { calls, request, clock } = setUp(answer, (store) => ({
    ...store,
    compareAndSet: async (...args) => {
      if (isAway) throw new FlotillaError('STORE_UNAVAILABLE', 'away')
      const result = await store.compareAndSet(...args)
      if (result.swapped) written.push(`${args[0]} ${(JSON.parse(args[2]) as { state: string }).state}`)
      return result
    },
  }))
  let ended = 0
  const make = (id: string) => calls.make({ ...request, id }).finally(() => ended++)
  const first = make('c1')
  await clock.run(clock.now() + 100, () => false)
  const second = make('c2')
  // The new call asks again every five seconds by now: a moment after the store is back.
  await clock.run(clock.now() + 21_290, () => false)
  isAway = false
  await clock.run(clock.now() + 60_000, () => ended === 2)
  await Promise.all([first, second])
  assert.deepEqual(written, ['journal:c1 begun', 'journal:c1 done', 'journal:c2 begun', 'journal:c2 done'])
})

test('calls under way are shown by their kind, and taken off when they end', async () => {
  const shown: unknown[] = []
  const gauge: Instruments['gauge'] = (name, value, labels) => void shown.push([name, value, labels])
  const { calls, request } = setUp(null, undefined, { ...quietInstruments, gauge })
  await calls.make(request)
  const labels = { stage: 'planner', kind: 'model' }
  assert.deepEqual(shown, [
    ['calls_in_flight', 1, labels],
    ['calls_in_flight', 0, labels],
  ])
})
