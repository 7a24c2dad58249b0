// How calls are made, beside the journal's own rules (journal.test.ts).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallMaker, LaneLost, type CallRequest } from '../../../runtime/host/calls.ts'
import { openJournal } from '../../../runtime/host/journal.ts'
import { Semaphore } from '../../../runtime/host/semaphore.ts'
import { memoryKeyValue } from '../../../runtime/store/memory.ts'
import { quietInstruments } from '../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../runtime/testing/simulator/virtual-clock.ts'

function setUp(answer: (() => Promise<number>) | null = null) {
  const clock = new VirtualClock(1_000_000)
  const keyValue = memoryKeyValue({ clock, durable: true })
  const journal = openJournal(keyValue, clock, {
    leaseMs: 5_000,
    keepMs: 86_400_000,
    forgottenMs: 3_600_000,
  })
  let made = 0
  const calls = new CallMaker({
    journal,
    clock,
    instruments: quietInstruments,
    places: new Semaphore(1),
    breakers: { run: (_, work) => work() },
    callers: { model: answer ?? (async () => ++made) },
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
  return { calls, journal, request, interrupted, lost, made: () => made }
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
  assert.equal(recorded?.ok && recorded.value, 7)
})
