// Every branch of the journal, in both its modes: leases (several processes may exist) and alone (the data file's lock).
// Long because the two share their set-up.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openJournal } from '../../../runtime/host/journal.ts'
import type { Call, CallOutcome } from '../../../runtime/stage.ts'
import { memoryKeyValue } from '../../../runtime/store/memory.ts'
import type { KeyValue } from '../../../runtime/store/port.ts'
import { openDataFile } from '../../../runtime/store/data-file.ts'
import { openSqliteKeyValue } from '../../../runtime/store/sqlite.ts'
import { eventually } from '../../conformance/waiting.ts'
import { VirtualClock } from '../../../runtime/testing/simulator/virtual-clock.ts'

const LEASE_MS = 5_000
const KEEP_MS = 86_400_000
const FORGOTTEN_MS = 3_600_000
const call = (changes: Partial<Call> = {}): Call => ({
  kind: 'model',
  target: 'openai',
  request: { ask: 1 },
  timeoutMs: 1_000,
  idempotent: true,
  ...changes,
})
const once = call({ idempotent: false })
const outcome = (value: string): CallOutcome => ({
  ok: true,
  value,
  startedMs: 1,
  endedMs: 2,
  callId: 'c1',
})

const later = { idempotent: true }
const strictly = { idempotent: false }
const options = { leaseMs: LEASE_MS, keepMs: KEEP_MS, forgottenMs: FORGOTTEN_MS }

function leased(store?: KeyValue) {
  const clock = new VirtualClock(1_000_000)
  const keyValue = store ?? memoryKeyValue({ clock, durable: true })
  const journal = () => openJournal(keyValue, clock, options)
  return { clock, keyValue, journal, wait: (ms: number) => clock.run(clock.now() + ms, () => false) }
}

/** What was swapped is written, and who asked for it never hears. */
function losingAnswers(store: KeyValue): KeyValue & { isLosing: boolean } {
  const lossy: KeyValue & { isLosing: boolean } = {
    ...store,
    isLosing: false,
    compareAndSet: async (...args) => {
      const result = await store.compareAndSet(...args)
      if (lossy.isLosing && result.swapped) throw new Error('the answer was lost')
      return result
    },
  }
  return lossy
}

test('fresh: the call may be made', async () => {
  const { journal } = leased()
  assert.deepEqual(await journal().begin('c1', 'p1', 1, call()), { do: 'call', inDoubt: false })
})

test('done: the recorded outcome answers every later owner, and says when the request was another', async () => {
  const { journal } = leased()
  const first = journal()
  await first.begin('c1', 'p1', 1, call())
  assert.equal(await first.finish('c1', 1, outcome('yes'), later), true)
  for (const epoch of [1, 2, 3])
    assert.deepEqual(await journal().begin('c1', 'p2', epoch, call()), {
      do: 'answer',
      outcome: outcome('yes'),
      requestChanged: false,
    })
  const changed = await journal().begin('c1', 'p2', 4, call({ request: { ask: 2 } }))
  assert.equal(changed.do === 'answer' && changed.requestChanged, true)
})

test('begun and its lease alive: a new owner waits until it lapses', async () => {
  const { journal, clock } = leased()
  await journal().begin('c1', 'p1', 1, call())
  const untilMs = clock.now() + LEASE_MS
  assert.deepEqual(await journal().begin('c1', 'p2', 2, call()), { do: 'wait', untilMs })
  assert.deepEqual(await journal().begin('c1', 'p2', 2, once), { do: 'wait', untilMs })
})

test('lapsed: an idempotent call is made again, in doubt; the first owner is refused from then on', async () => {
  const { journal, wait } = leased()
  const [first, second] = [journal(), journal()]
  await first.begin('c1', 'p1', 1, call())
  await wait(LEASE_MS)
  assert.deepEqual(await second.begin('c1', 'p2', 2, call()), { do: 'call', inDoubt: true })
  assert.equal(await first.renew('c1', 1), false)
  assert.equal(await first.finish('c1', 1, outcome('late'), later), false)
  assert.equal(await second.finish('c1', 2, outcome('second'), later), true)
})

test('lapsed: a call that is not idempotent is never made again', async () => {
  const { journal, wait } = leased()
  await journal().begin('c1', 'p1', 1, once)
  await wait(LEASE_MS)
  assert.deepEqual(await journal().begin('c1', 'p2', 2, once), { do: 'giveUp' })
  assert.deepEqual(await journal().begin('c1', 'p2', 2, once), { do: 'giveUp' })
})

test('lapsed, then finished after all by its first owner: that outcome answers', async () => {
  const { journal, wait } = leased()
  const first = journal()
  await first.begin('c1', 'p1', 1, once)
  await wait(LEASE_MS)
  assert.equal(await first.finish('c1', 1, outcome('late'), strictly), true)
  const beginning = await journal().begin('c1', 'p2', 2, once)
  assert.deepEqual(beginning, { do: 'answer', outcome: outcome('late'), requestChanged: false })
})

test('a lower epoch than the entry’s is refused, whatever state the entry is in', async () => {
  const { journal, wait } = leased()
  const owner = journal()
  await owner.begin('c1', 'p2', 7, call())
  assert.deepEqual(await journal().begin('c1', 'p1', 6, call()), { do: 'stop' })
  await wait(LEASE_MS)
  assert.deepEqual(await journal().begin('c1', 'p1', 6, call()), { do: 'stop' })
  await owner.finish('c1', 7, outcome('yes'), later)
  assert.deepEqual(await journal().begin('c1', 'p1', 6, call()), { do: 'stop' })
})

test('forgotten: a zombie is refused while the mark lives', async () => {
  const { journal, wait } = leased()
  const owner = journal()
  await owner.begin('c1', 'p2', 7, call())
  await owner.finish('c1', 7, outcome('yes'), later)
  await owner.forget(['c1'], 7)
  assert.deepEqual(await journal().begin('c1', 'p1', 6, call()), { do: 'stop' })
  assert.deepEqual(await journal().begin('c1', 'p1', 7, call()), { do: 'stop' })
  await wait(FORGOTTEN_MS + 1)
  assert.deepEqual(await journal().begin('c1', 'p3', 8, call()), { do: 'call', inDoubt: false })
})

test('a renewed lease lives longer, and its owner can still finish', async () => {
  const { journal, wait } = leased()
  const owner = journal()
  await owner.begin('c1', 'p1', 1, call())
  await wait(LEASE_MS - 1)
  assert.equal(await owner.renew('c1', 1), true)
  await wait(LEASE_MS - 1)
  assert.equal((await journal().begin('c1', 'p2', 2, call())).do, 'wait')
  assert.equal(await owner.finish('c1', 1, outcome('yes'), later), true)
})

test('finishing while a renewal is under way: the outcome is recorded', async () => {
  const gates: (() => void)[] = []
  const base = leased()
  let held = false
  const slow: KeyValue = {
    ...base.keyValue,
    compareAndSet: async (key, expected, next, ttlMs) => {
      const result = await base.keyValue.compareAndSet(key, expected, next, ttlMs)
      // The renewal is written, and its answer is late.
      if (held && next.includes('"state":"begun"')) await new Promise<void>((go) => gates.push(go))
      return result
    },
  }
  const { journal, wait } = leased(slow)
  const owner = journal()
  await owner.begin('c1', 'p1', 1, call())
  await wait(10)
  held = true
  const renewal = owner.renew('c1', 1)
  assert.equal(await owner.finish('c1', 1, outcome('yes'), later), true)
  held = false
  for (const go of gates) go()
  await renewal
  assert.equal((await journal().begin('c1', 'p2', 2, call())).do, 'answer')
  assert.equal(await owner.renew('c1', 1), false, 'nothing is left to renew')
})

test('released: as if never begun', async () => {
  const { journal } = leased()
  const owner = journal()
  await owner.begin('c1', 'p1', 1, once)
  await owner.release('c1', 1)
  assert.deepEqual(await journal().begin('c1', 'p2', 2, once), { do: 'call', inDoubt: false })
})

test('released after somebody else has taken the call over: theirs stands', async () => {
  const { journal, wait } = leased()
  const former = journal()
  await former.begin('c1', 'p1', 1, call())
  await wait(10_000)
  const owner = journal()
  assert.deepEqual(await owner.begin('c1', 'p2', 2, call()), { do: 'call', inDoubt: true })
  await former.release('c1', 1)
  assert.equal(await owner.finish('c1', 2, outcome('yes'), later), true)
})

test('a taking over whose answer was lost stays in doubt', async () => {
  const base = leased()
  const lossy = losingAnswers(base.keyValue)
  await base.journal().begin('c1', 'p1', 1, call())
  await base.wait(LEASE_MS)
  const second = openJournal(lossy, base.clock, options)
  lossy.isLosing = true
  await assert.rejects(second.begin('c1', 'p2', 2, call()), /the answer was lost/)
  lossy.isLosing = false
  assert.deepEqual(await second.begin('c1', 'p2', 2, call()), { do: 'call', inDoubt: true })
})

test('stopped between beginning and calling for longer than the lease: what others did meanwhile counts', async () => {
  const base = leased()
  let stopped: (() => void) | null = null
  const { journal, wait } = leased({
    ...base.keyValue,
    compareAndSet: async (...args) => {
      const result = await base.keyValue.compareAndSet(...args)
      if (args[2].includes('"owner":"p1"') && !stopped) await new Promise<void>((go) => (stopped = go))
      return result
    },
  })
  const owner = journal()
  const beginning = owner.begin('c1', 'p1', 1, call())
  await wait(LEASE_MS)
  const second = journal()
  assert.deepEqual(await second.begin('c1', 'p2', 2, call()), { do: 'call', inDoubt: true })
  await second.finish('c1', 2, outcome('second'), later)
  ;(stopped as (() => void) | null)?.()
  assert.deepEqual(await beginning, { do: 'stop' })
  assert.equal(owner.open, 0)
})

test('stopped for longer than the lease, and nobody came: the call is made under a new lease', async () => {
  const base = leased()
  let stopped: (() => void) | null = null
  const { journal, wait } = leased({
    ...base.keyValue,
    compareAndSet: async (...args) => {
      const result = await base.keyValue.compareAndSet(...args)
      if (!stopped) await new Promise<void>((go) => (stopped = go))
      return result
    },
  })
  const beginning = journal().begin('c1', 'p1', 1, once)
  await wait(LEASE_MS)
  ;(stopped as (() => void) | null)?.()
  assert.deepEqual(await beginning, { do: 'call', inDoubt: false })
  assert.equal((await journal().begin('c1', 'p2', 2, once)).do, 'wait')
})

test('a process that lost its lane and has it again is at work on the call twice: neither disturbs the other', async () => {
  const { journal, wait } = leased()
  const owner = journal()
  await owner.begin('c1', 'p1', 1, call())
  assert.equal((await owner.begin('c1', 'p1', 2, call())).do, 'wait', 'the first one may still finish')
  await wait(LEASE_MS)
  assert.deepEqual(await owner.begin('c1', 'p1', 2, call()), { do: 'call', inDoubt: true })
  assert.equal(await owner.renew('c1', 1), false)
  assert.equal(await owner.finish('c1', 1, outcome('first'), later), false)
  owner.end('c1', 1)
  assert.equal(await owner.finish('c1', 2, outcome('second'), later), true)
  owner.end('c1', 2)
  assert.equal(owner.open, 0, 'nothing is left in memory, whoever won')
})

test('the recorded outcome can be read without beginning', async () => {
  const { journal } = leased()
  const owner = journal()
  assert.equal(await owner.recorded('c1'), null)
  await owner.begin('c1', 'p1', 1, call())
  assert.equal(await owner.recorded('c1'), null)
  await owner.finish('c1', 1, outcome('yes'), later)
  assert.deepEqual(await journal().recorded('c1'), outcome('yes'))
})

test('finishing what was never begun records nothing', async () => {
  const { journal } = leased()
  assert.equal(await journal().finish('c1', 1, outcome('?'), later), false)
  assert.deepEqual(await journal().begin('c1', 'p1', 1, call()), { do: 'call', inDoubt: false })
})

test('two that begin at once: one calls, the other waits', async () => {
  const { journal } = leased()
  const both = await Promise.all([
    journal().begin('c1', 'p1', 1, call()),
    journal().begin('c1', 'p2', 2, call()),
  ])
  assert.deepEqual(both.map((beginning) => beginning.do).sort(), ['call', 'wait'])
})

/** On the data file, whose lock proves that a former owner is dead: no lease, and writes may wait for the commit. */
function alone(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-journal-'))
  const clock = new VirtualClock(1_000_000)
  const store = openSqliteKeyValue({ dataDir })
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const journal = () => openJournal(store, clock, { leaseMs: 0, keepMs: KEEP_MS, forgottenMs: 0 })
  const written = () => {
    const file = openDataFile({ dataDir })
    const rows = file.db.prepare('SELECT key FROM key_values').all()
    file.release()
    return rows.map(({ key }) => key)
  }
  return { store, journal, written }
}

test('alone: a recorded outcome answers, also before it is written', async (t) => {
  const { journal } = alone(t)
  for (const asked of [call(), once]) {
    const id = asked.idempotent ? 'c1' : 'c2'
    const owner = journal()
    assert.deepEqual(await owner.begin(id, 'p1', 1, asked), { do: 'call', inDoubt: false })
    assert.equal(await owner.finish(id, 1, outcome('yes'), asked.idempotent ? later : strictly), true)
    assert.equal((await journal().begin(id, 'p1', 2, asked)).do, 'answer')
  }
})

test('alone: begun and not finished is in doubt after a restart, or given up', async (t) => {
  const { journal } = alone(t)
  await journal().begin('c1', 'p1', 1, call())
  await journal().begin('c2', 'p1', 1, once)
  assert.deepEqual(await journal().begin('c1', 'p2', 2, call()), { do: 'call', inDoubt: true })
  assert.deepEqual(await journal().begin('c2', 'p2', 2, once), { do: 'giveUp' })
})

test('alone: a lane that was lost and is open again waits for the call that goes on in this process', async (t) => {
  const { journal } = alone(t)
  const owner = journal()
  await owner.begin('c1', 'p1', 1, call())
  assert.equal((await owner.begin('c1', 'p1', 2, call())).do, 'wait')
  owner.end('c1', 2)
  assert.equal(await owner.finish('c1', 1, outcome('yes'), later), true)
  owner.end('c1', 1)
  assert.equal(owner.open, 0)
  assert.equal((await owner.begin('c1', 'p1', 2, call())).do, 'answer')
})

test('alone: that a call which must run once is begun is durable before it is made', async (t) => {
  const { store, journal } = alone(t)
  await journal().begin('c2', 'p1', 1, once)
  // Not with a later transaction: a compare-and-set of its own.
  assert.equal((await store.compareAndSet('journal:c2', null, 'x')).swapped, false)
})

test('alone: forgotten and released entries are gone', async (t) => {
  const { store, journal } = alone(t)
  const owner = journal()
  await owner.begin('c1', 'p1', 1, call())
  await owner.finish('c1', 1, outcome('yes'), later)
  await owner.forget(['c1'], 1)
  await owner.begin('c2', 'p1', 1, call())
  await owner.release('c2', 1)
  assert.deepEqual([await store.get('journal:c1'), await store.get('journal:c2')], [null, null])
})

test('alone: an outcome that its commit overtakes is never written; one that waits is, within a moment', async (t) => {
  const { store, journal, written } = alone(t)
  const owner = journal()
  for (const id of ['quick', 'slow']) {
    await owner.begin(id, 'p1', 1, call())
    await owner.finish(id, 1, outcome('yes'), later)
  }
  await owner.forget(['quick'], 1)
  await eventually('the outcome is written', () => written().length > 0)
  assert.deepEqual(written(), ['flotilla:journal:slow'])
  await owner.forget(['slow'], 1)
  assert.equal(await store.get('journal:slow'), null, 'deleted at once for whoever asks')
  await eventually('the entry is deleted', () => written().length === 0)
})

test('a begin whose answer was lost is taken up again at once, for a call that must run once too', async () => {
  const lossy = losingAnswers(leased().keyValue)
  const { journal, wait } = leased(lossy)
  const owner = journal()
  lossy.isLosing = true
  await assert.rejects(owner.begin('c1', 'p1', 1, once), /the answer was lost/)
  lossy.isLosing = false
  assert.deepEqual(await owner.begin('c1', 'p1', 1, once), { do: 'call', inDoubt: false })
  // Told that it began, it may have made the call: from here on it is like anybody else.
  assert.equal((await owner.begin('c1', 'p1', 1, once)).do, 'wait')
  await wait(LEASE_MS)
  assert.deepEqual(await owner.begin('c1', 'p1', 1, once), { do: 'giveUp' })
  assert.equal((await journal().begin('c1', 'p2', 2, once)).do, 'giveUp')
})

test('alone: an outcome and what is settled by it are asked for in one turn, the outcome first', async (t) => {
  const { journal, written } = alone(t)
  const owner = journal()
  await owner.begin('c1', 'p1', 1, call())
  const asked: string[] = []
  const settle = async () => void asked.push('settle')
  const finished = owner.finish('c1', 1, outcome('yes'), { idempotent: true, settle })
  assert.deepEqual(asked, ['settle'], 'in the turn of the outcome')
  await finished
  assert.deepEqual(written(), ['flotilla:journal:c1'])
})

test('among others: what an outcome settles waits until it is recorded, and is not settled by one that came too late', async () => {
  const { journal, wait } = leased()
  const [owner, next] = [journal(), journal()]
  await owner.begin('c1', 'p1', 1, call())
  await wait(LEASE_MS)
  await next.begin('c1', 'p2', 2, call())
  const settled: string[] = []
  const settling = (who: string) => ({ idempotent: true, settle: async () => void settled.push(who) })
  assert.equal(await owner.finish('c1', 1, outcome('late'), settling('the former owner')), false)
  const finished = next.finish('c1', 2, outcome('yes'), settling('the owner'))
  assert.deepEqual(settled, [])
  assert.equal(await finished, true)
  assert.deepEqual(settled, ['the owner'])
})
