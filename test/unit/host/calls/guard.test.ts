// When the host takes a guard around a call, and when it settles it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlotillaError, failure } from '../../../../runtime/errors.ts'
import type { CallRequest } from '../../../../runtime/host/calls/attempt.ts'
import { CallMaker, LaneLost } from '../../../../runtime/host/calls/calls.ts'
import type { Guard } from '../../../../runtime/host/calls/guard.ts'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import { Semaphore } from '../../../../runtime/host/calls/semaphore.ts'
import type { CallFailure, CallOutcome } from '../../../../runtime/stage.ts'
import type { KeyValue } from '../../../../runtime/store/port.ts'
import { memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import { quietInstruments } from '../../../../runtime/telemetry/instruments.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

interface Options {
  refuses?: CallFailure
  answers?: () => Promise<unknown>
  /** Times that the store of limits is away. */
  away?: number
  applies?: boolean
  /** While it is being reserved. */
  meanwhile?: () => void
  /** The step of the guard at which the store holds what another program has written. */
  foreign?: 'reserve' | 'settle'
}

const isForeign = new FlotillaError('STORE_UNAVAILABLE', 'WRONGTYPE; delete that key', { retryable: false })

/** A disk that journal and limits share, full for the first writes of the journal. */
interface Disk {
  fullWrites: number
  isFull: boolean
}

function onDisk(store: KeyValue, disk: Disk): KeyValue {
  return {
    ...store,
    compareAndSet: async (...write) => {
      const isOutcome = write[2].includes('"state":"done"')
      disk.isFull = isOutcome && disk.fullWrites-- > 0
      if (disk.isFull) throw new FlotillaError('STORE_UNAVAILABLE', 'full')
      return store.compareAndSet(...write)
    },
  }
}

function fleet(disk?: Disk) {
  const clock = new VirtualClock(1_000_000)
  const memory = memoryKeyValue({ clock, durable: true })
  const keyValue = disk ? onDisk(memory, disk) : memory
  const steps: string[] = []
  const maker = ({ refuses, answers, away = 0, applies = true, meanwhile, foreign }: Options = {}) => {
    let absences = away
    const reachable = (step: string) => {
      steps.push(absences > 0 ? `${step} (away)` : step)
      if (absences-- > 0 || disk?.isFull) throw new FlotillaError('STORE_UNAVAILABLE', 'away')
    }
    const guard: Guard = {
      applies: () => applies,
      reserve: async () => {
        reachable('reserve')
        if (foreign === 'reserve') throw isForeign
        meanwhile?.()
        return refuses ?? null
      },
      settle: async (_, outcome) => {
        reachable(`settle ${outcome.ok ? 'ok' : outcome.failure.code}`)
        if (foreign === 'settle') throw isForeign
      },
    }
    const journal = openJournal(keyValue, clock, {
      leaseMs: disk ? 0 : 1_000,
      keepMs: 86_400_000,
      forgottenMs: 1_000,
    })
    const call = async () => {
      steps.push('call')
      return answers ? await answers() : 'done'
    }
    return new CallMaker({
      journal,
      clock,
      callers: { model: call },
      guards: { model: guard },
      breakers: { run: (_, work) => work() },
      capacity: new Semaphore(8),
      instruments: quietInstruments,
    })
  }
  const make = async (by: CallMaker, changes: Partial<CallRequest> = {}): Promise<CallOutcome> => {
    const call = { kind: 'model', target: 'openai', request: {}, timeoutMs: 1_000, idempotent: true }
    const signal = new AbortController().signal
    const fixed = { call, id: 'c1', key: 't1', owner: 'p1', epoch: 1, traceparent: null, stream: () => {} }
    let ended = false
    const made = by
      .make({ ...fixed, interrupted: signal, lost: signal, ...changes })
      .finally(() => (ended = true))
    made.catch(() => {})
    await clock.run(clock.now() + 60_000, () => ended)
    return made
  }
  return { clock, keyValue, steps, maker, make }
}

test('reserved before the call, settled with its outcome', async () => {
  const { steps, maker, make } = fleet()
  assert.equal((await make(maker())).ok, true)
  assert.deepEqual(steps, ['reserve', 'call', 'settle ok'])
})

test('a refusal is the outcome, for a second run too; nothing is called', async () => {
  const { steps, maker, make } = fleet()
  const refused = await make(maker({ refuses: { ...failure('RATE_LIMITED', 'full'), retryAfterMs: 700 } }))
  assert.ok(!refused.ok && refused.failure.code === 'RATE_LIMITED' && refused.failure.retryAfterMs === 700)
  assert.deepEqual(await make(maker(), { epoch: 2, owner: 'p2' }), refused)
  // What the second run reserves, its settling gives back.
  assert.deepEqual(steps, ['reserve', 'reserve', 'settle RATE_LIMITED'])
})

test('an answer to a former owner settles nothing: another has taken the call over', async () => {
  const { keyValue, steps, maker, make } = fleet()
  const taken = JSON.stringify({
    state: 'begun',
    epoch: 2,
    owner: 'p2',
    leaseUntilMs: 0,
    hash: '',
    inDoubt: true,
  })
  const former = maker({ answers: () => keyValue.set('journal:c1', taken) })
  await assert.rejects(make(former), LaneLost)
  assert.deepEqual(steps, ['reserve', 'call'])
})

test('a lane that is lost while the guard is taken makes no call; its next owner does, at once', async () => {
  const { clock, steps, maker, make } = fleet()
  const lost = new AbortController()
  await assert.rejects(make(maker({ meanwhile: () => lost.abort() }), { lost: lost.signal }), LaneLost)
  const beforeMs = clock.now()
  assert.equal((await make(maker(), { epoch: 2, owner: 'p2' })).ok, true)
  assert.deepEqual(steps, ['reserve', 'reserve', 'call', 'settle ok'])
  assert.ok(clock.now() - beforeMs < 1_000, 'it waits for no lease')
})

test('an outcome from the journal is settled after what was reserved for it: its caller may have died before it did', async () => {
  const { steps, maker, make } = fleet()
  await make(maker())
  steps.length = 0
  assert.equal((await make(maker({ away: 1 }), { epoch: 2, owner: 'p2' })).ok, true)
  assert.deepEqual(steps, ['reserve (away)', 'reserve', 'settle ok'])
})

test('the reservation is asked for before the store has answered that the call is begun', async () => {
  const { clock, keyValue, steps, maker, make } = fleet()
  const begin = keyValue.compareAndSet.bind(keyValue)
  let before: string[] | null = null
  keyValue.compareAndSet = async (...write) => {
    await new Promise<void>((resume) => clock.schedule(5, resume))
    before ??= [...steps]
    return begin(...write)
  }
  assert.equal((await make(maker())).ok, true)
  assert.deepEqual(before, ['reserve'])
  assert.deepEqual(steps, ['reserve', 'call', 'settle ok'])
})

test('a call whose breaker was open is settled too, as not made', async () => {
  const { steps, maker, make } = fleet()
  await make(maker({ answers: () => Promise.reject(new FlotillaError('BREAKER_OPEN', 'open')) }))
  assert.deepEqual(steps, ['reserve', 'call', 'settle BREAKER_OPEN'])
})

test('while the store of limits is away nothing is called and nothing is lost', async () => {
  const { steps, maker, make } = fleet()
  assert.equal((await make(maker({ away: 2 }))).ok, true)
  assert.deepEqual(steps, ['reserve (away)', 'reserve (away)', 'reserve', 'call', 'settle ok'])
})

test('alone: outcome and settling are tried again together, each once a try', async () => {
  const { steps, maker, make } = fleet({ fullWrites: 3, isFull: false })
  assert.equal((await make(maker())).ok, true)
  assert.deepEqual(steps, ['reserve', 'call', 'settle ok', 'settle ok', 'settle ok', 'settle ok'])
})

test('a guard that took longer than the lease: the call is made under a new one', async () => {
  const { steps, maker, make } = fleet()
  // Backing off for 50 to 1,600 ms, the store is away for three leases.
  assert.equal((await make(maker({ away: 6 }))).ok, true)
  assert.deepEqual(steps.slice(-3), ['reserve', 'call', 'settle ok'])
  assert.equal(steps.filter((step) => step === 'call').length, 1)
})

test('a guard that does not apply is never asked', async () => {
  const { steps, maker, make } = fleet()
  await make(maker({ applies: false }))
  assert.deepEqual(steps, ['call'])
})

/** From now on the journal's entry of the call can't be read or written. */
function spoil(keyValue: KeyValue): void {
  keyValue.compareAndSet = () => Promise.reject(isForeign)
  keyValue.get = () => Promise.reject(isForeign)
}

test('a key that another program has written ends the call: not made, or counted without it', async () => {
  const { keyValue, steps, maker, make } = fleet()
  const refused = await make(maker({ foreign: 'reserve' }))
  assert.deepEqual(!refused.ok && refused.failure.message, isForeign.message)
  assert.equal((await make(maker({ foreign: 'settle' }), { id: 'c2' })).ok, true)
  assert.deepEqual(steps.splice(0), ['reserve', 'reserve', 'call', 'settle ok'])
  const spoilt = maker({ answers: async () => spoil(keyValue) })
  assert.equal((await make(spoilt, { id: 'c3' })).ok, true, 'it was paid for')
  const again = await make(maker({ applies: false }), { id: 'c4' })
  assert.deepEqual(!again.ok && again.failure.code, 'STORE_UNAVAILABLE')
  const call = { kind: 'tool', target: 'pay', request: {}, timeoutMs: 1_000, idempotent: false }
  const once = await make(maker(), { id: 'c5', call })
  assert.deepEqual(!once.ok && once.failure.code, 'CALL_OUTCOME_UNKNOWN')
  assert.deepEqual(steps, ['reserve', 'call'])
})
