// Every branch of the journal, in both its modes: leases (several processes may exist) and alone (the data file's lock).
// Long because the two share their set-up.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { openJournal } from '../../../../runtime/host/calls/journal.ts'
import type { Call, CallOutcome } from '../../../../runtime/stage.ts'
import { memoryKeyValue } from '../../../../runtime/testing/memory/store.ts'
import type { KeyValue, ValueHead } from '../../../../runtime/store/port.ts'
import { openDataFile } from '../../../../runtime/store/data-file/data-file.ts'
import { openSqliteKeyValue } from '../../../../runtime/store/sqlite.ts'
import { VirtualClock } from '../../../../runtime/testing/simulator/virtual-clock.ts'

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

const options = { leaseMs: LEASE_MS, keepMs: KEEP_MS, forgottenMs: FORGOTTEN_MS }

function leased(store?: KeyValue, clock = new VirtualClock(1_000_000)) {
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
  assert.equal(await first.finish('c1', 1, outcome('yes')), true)
  for (const epoch of [1, 2, 3])
    assert.deepEqual(await journal().begin('c1', 'p2', epoch, call()), {
      do: 'answer',
      outcome: outcome('yes'),
      requestChanged: false,
      isOfFormer: epoch > 1,
    })
  const changed = await journal().begin('c1', 'p2', 4, call({ request: { ask: 2 } }))
  assert.equal(changed.do === 'answer' && changed.requestChanged, true)
})

test('begun and its lease alive: a new owner waits until it lapses', async () => {
  const { journal, wait } = leased()
  await journal().begin('c1', 'p1', 1, call())
  assert.deepEqual(await journal().begin('c1', 'p2', 2, call()), { do: 'wait', forMs: LEASE_MS })
  await wait(1_000)
  assert.deepEqual(await journal().begin('c1', 'p2', 2, once), { do: 'wait', forMs: LEASE_MS - 1_000 })
})

test('a lease is not waited for if its owner is proven dead, and is if another one is', async () => {
  const { clock, keyValue } = leased()
  const asked: string[] = []
  const isDead = async (owner: string): Promise<boolean> => {
    asked.push(owner)
    return owner === 'p1'
  }
  const journal = () => openJournal(keyValue, clock, { ...options, isDead })
  const first = journal()
  await first.begin('c1', 'p1', 1, call())
  await first.begin('c2', 'p1', 1, once)
  assert.deepEqual(await journal().begin('c1', 'p2', 2, call()), { do: 'call', inDoubt: true })
  assert.deepEqual(await journal().begin('c2', 'p2', 2, once), { do: 'giveUp' })
  assert.deepEqual(await journal().begin('c1', 'p3', 3, call()), { do: 'wait', forMs: LEASE_MS })
  // What arrives of the dead owner's counts nowhere.
  assert.equal(await first.finish('c1', 1, outcome('late')), false)
  assert.deepEqual(asked, ['p1', 'p1', 'p2'])
})

test('no entry, and the store may have lost it: what must not be repeated is not, and the rest is in doubt', async () => {
  const { keyValue, journal } = leased()
  const lost = async (): Promise<boolean> => true
  const kept = async (): Promise<boolean> => false
  assert.deepEqual(await journal().begin('c1', 'p1', 1, once, 't', lost), { do: 'giveUp' })
  // The same owner again: its first answer may have been lost.
  assert.deepEqual(await journal().begin('c1', 'p1', 1, once, 't', lost), { do: 'giveUp' })
  assert.deepEqual(await journal().begin('c2', 'p1', 1, call(), 't', lost), { do: 'call', inDoubt: true })
  assert.deepEqual(await journal().begin('c3', 'p1', 1, once, 't', kept), { do: 'call', inDoubt: false })
  // An entry says more than its loss would.
  const released = journal()
  await released.begin('c4', 'p1', 1, once, 't')
  await released.release('c4', 1)
  assert.deepEqual(await journal().begin('c4', 'p2', 2, once, 't', lost), { do: 'call', inDoubt: false })
  const done = journal()
  await done.begin('c5', 'p1', 1, once, 't')
  await done.finish('c5', 1, outcome('yes'))
  const answered = await journal().begin('c5', 'p2', 2, once, 't', lost)
  assert.equal(answered.do, 'answer')
  assert.equal(await keyValue.get('journal:c9'), null)
})

for (const text of ['not JSON', 'null', '[]', '{"state":"other"}'])
  test(`an entry that another program has written over says nothing: ${text}`, async () => {
    const { keyValue, journal } = leased()
    await keyValue.set('journal:c1', text)
    assert.equal(await journal().recorded('c1'), null)
    assert.deepEqual(await journal().begin('c1', 'p1', 1, once), { do: 'giveUp' })
    assert.deepEqual(await journal().begin('c1', 'p1', 1, call()), { do: 'call', inDoubt: true })
  })

test('lapsed: an idempotent call is made again, in doubt; the first owner is refused from then on', async () => {
  const { journal, wait } = leased()
  const [first, second] = [journal(), journal()]
  await first.begin('c1', 'p1', 1, call())
  await wait(LEASE_MS)
  assert.deepEqual(await second.begin('c1', 'p2', 2, call()), { do: 'call', inDoubt: true })
  assert.equal(await first.renew('c1', 1), false)
  assert.equal(await first.finish('c1', 1, outcome('late')), false)
  assert.equal(await second.finish('c1', 2, outcome('second')), true)
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
  assert.equal(await first.finish('c1', 1, outcome('late')), true)
  const beginning = await journal().begin('c1', 'p2', 2, once)
  assert.deepEqual(beginning, {
    do: 'answer',
    outcome: outcome('late'),
    requestChanged: false,
    isOfFormer: true,
  })
})

test('a lower epoch than the entry’s is refused, whatever state the entry is in', async () => {
  const { journal, wait } = leased()
  const owner = journal()
  await owner.begin('c1', 'p2', 7, call())
  assert.deepEqual(await journal().begin('c1', 'p1', 6, call()), { do: 'stop', epoch: 7 })
  await wait(LEASE_MS)
  assert.deepEqual(await journal().begin('c1', 'p1', 6, call()), { do: 'stop', epoch: 7 })
  await owner.finish('c1', 7, outcome('yes'))
  assert.deepEqual(await journal().begin('c1', 'p1', 6, call()), { do: 'stop', epoch: 7 })
})

test('forgotten: a zombie is refused while the mark lives', async () => {
  const { journal, wait } = leased()
  const owner = journal()
  await owner.begin('c1', 'p2', 7, call())
  await owner.finish('c1', 7, outcome('yes'))
  owner.forget(['c1'], 7)
  await owner.close()
  assert.deepEqual(await journal().begin('c1', 'p1', 6, call()), { do: 'stop', epoch: 7 })
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
  assert.equal(await owner.finish('c1', 1, outcome('yes')), true)
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
  const { journal, wait } = leased(slow, base.clock)
  const owner = journal()
  await owner.begin('c1', 'p1', 1, call())
  await wait(10)
  held = true
  const renewal = owner.renew('c1', 1)
  assert.equal(await owner.finish('c1', 1, outcome('yes')), true)
  held = false
  for (const go of gates) go()
  await renewal
  assert.equal((await journal().begin('c1', 'p2', 2, call())).do, 'answer')
  assert.equal(await owner.renew('c1', 1), false, 'nothing is left to renew')
})

test('a renewal whose answer was lost is repeated, and the lease lives on', async () => {
  const base = leased()
  const lossy = losingAnswers(base.keyValue)
  const { clock, wait } = base
  const owner = openJournal(lossy, clock, options)
  await owner.begin('c1', 'p1', 1, once)
  for (const losing of [true, false, true, false]) {
    await wait(LEASE_MS - 1)
    lossy.isLosing = losing
    const renewal = owner.renew('c1', 1)
    if (losing) await assert.rejects(renewal, /the answer was lost/)
    else assert.equal(await renewal, true)
    assert.equal((await base.journal().begin('c1', 'p2', 2, once)).do, 'wait')
  }
  lossy.isLosing = true
  await assert.rejects(owner.finish('c1', 1, outcome('yes')), /the answer was lost/)
  lossy.isLosing = false
  assert.equal(await owner.finish('c1', 1, outcome('yes')), true)
})

test('leases go by the clock of the store: clocks of processes may differ by any time', async () => {
  const { clock, keyValue, wait } = leased()
  const off = (byMs: number) => ({
    ...clock,
    now: () => clock.now() + byMs,
    schedule: clock.schedule.bind(clock),
  })
  const [slow, fast] = [-3_600_000, 3_600_000].map((byMs) => openJournal(keyValue, off(byMs), options))
  assert.ok(slow && fast)
  for (const [id, owner, other] of [
    ['c1', slow, fast],
    ['c2', fast, slow],
  ] as const) {
    await owner.begin(id, 'p1', 1, once)
    assert.deepEqual(await other.begin(id, 'p2', 2, once), { do: 'wait', forMs: LEASE_MS })
    await wait(LEASE_MS)
    assert.deepEqual(await other.begin(id, 'p2', 2, once), { do: 'giveUp' })
  }
})

test('a store that has lost what was begun (a failover): its owner writes it again, and its outcome', async () => {
  const { keyValue, journal } = leased()
  const owner = journal()
  await owner.begin('c1', 'p1', 1, once)
  await keyValue.delete(['journal:c1'])
  assert.equal(await owner.renew('c1', 1), true)
  assert.equal((await journal().begin('c1', 'p2', 2, once)).do, 'wait')
  await keyValue.delete(['journal:c1'])
  assert.equal(await owner.finish('c1', 1, outcome('yes')), true)
  assert.equal((await journal().begin('c1', 'p2', 2, once)).do, 'answer')
})

// The same id for another call: a topic or a store that was created again, or a record that was copied.
const others: [string, Parameters<typeof call>[0], string][] = [
  ['task', {}, 't2'],
  ['target', { target: 'groq' }, 't1'],
  ['kind', { kind: 'tool' }, 't1'],
]
for (const [what, changes, key] of others)
  test(`an outcome never answers a call of another ${what}, whatever the epochs`, async () => {
    for (const epoch of [1, 5, 9]) {
      const { journal, wait } = leased()
      const first = journal()
      await first.begin('c1', 'p1', 5, call(), 't1')
      assert.equal((await journal().begin('c1', 'p2', epoch, call(changes), key)).do, 'wait')
      await first.finish('c1', 5, outcome('secret'))
      const strict = call({ ...changes, idempotent: false })
      assert.deepEqual(await journal().begin('c1', 'p2', epoch, strict, key), { do: 'giveUp' })
      const again = { do: 'call', inDoubt: true }
      assert.deepEqual(await journal().begin('c1', 'p2', epoch, call(changes), key), again)
      await wait(LEASE_MS)
    }
  })

test('forgotten by an epoch that is not above ours is no sign of a later owner: the id was used before', async () => {
  for (const epoch of [7, 8]) {
    const { journal } = leased()
    const owner = journal()
    await owner.begin('c1', 'p1', 7, call())
    await owner.finish('c1', 7, outcome('yes'))
    owner.forget(['c1'], 7)
    await owner.close()
    assert.deepEqual(await journal().begin('c1', 'p2', epoch, once), { do: 'giveUp' })
    assert.deepEqual(await journal().begin('c1', 'p2', epoch, call()), { do: 'call', inDoubt: true })
  }
})

test('an entry of the release before, whose lease is in its text, is waited for by the clock', async () => {
  const { clock, keyValue, journal, wait } = leased()
  const entry = {
    state: 'begun',
    epoch: 1,
    owner: 'p1',
    leaseUntilMs: clock.now() + 2_000,
    hash: '',
    inDoubt: false,
  }
  await keyValue.set('journal:c1', JSON.stringify(entry))
  assert.deepEqual(await journal().begin('c1', 'p2', 2, once), { do: 'wait', forMs: 2_000 })
  await wait(2_000)
  assert.deepEqual(await journal().begin('c1', 'p2', 2, once), { do: 'giveUp' })
})

test('for a process of the release before, a call that is under way has a lease until it can have ended', async () => {
  const { clock, keyValue, journal } = leased()
  await journal().begin('c1', 'p1', 1, call({ timeoutMs: 60_000 }))
  const { leaseUntilMs } = JSON.parse(String(await keyValue.get('journal:c1'))) as { leaseUntilMs: number }
  assert.equal(leaseUntilMs, clock.now() + 60_000 + LEASE_MS)
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
  assert.equal(await owner.finish('c1', 2, outcome('yes')), true)
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
  const { journal, wait } = leased(
    {
      ...base.keyValue,
      compareAndSet: async (...args) => {
        const result = await base.keyValue.compareAndSet(...args)
        if (args[2].includes('"owner":"p1"') && !stopped) await new Promise<void>((go) => (stopped = go))
        return result
      },
    },
    base.clock,
  )
  const owner = journal()
  const beginning = owner.begin('c1', 'p1', 1, call())
  await wait(LEASE_MS)
  const second = journal()
  assert.deepEqual(await second.begin('c1', 'p2', 2, call()), { do: 'call', inDoubt: true })
  await second.finish('c1', 2, outcome('second'))
  ;(stopped as (() => void) | null)?.()
  assert.deepEqual(await beginning, { do: 'stop', epoch: 2 })
  assert.equal(owner.open, 0)
})

test('stopped for longer than the lease, and nobody came: the call is made under a new lease', async () => {
  const base = leased()
  let stopped: (() => void) | null = null
  const { journal, wait } = leased(
    {
      ...base.keyValue,
      compareAndSet: async (...args) => {
        const result = await base.keyValue.compareAndSet(...args)
        if (!stopped) await new Promise<void>((go) => (stopped = go))
        return result
      },
    },
    base.clock,
  )
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
  assert.equal(await owner.finish('c1', 1, outcome('first')), false)
  owner.end('c1', 1)
  assert.equal(await owner.finish('c1', 2, outcome('second')), true)
  owner.end('c1', 2)
  assert.equal(owner.open, 0, 'nothing is left in memory, whoever won')
})

test('the recorded outcome can be read without beginning', async () => {
  const { journal } = leased()
  const owner = journal()
  assert.equal(await owner.recorded('c1'), null)
  await owner.begin('c1', 'p1', 1, call())
  assert.equal(await owner.recorded('c1'), null)
  await owner.finish('c1', 1, outcome('yes'))
  assert.deepEqual(await journal().recorded('c1'), { outcome: outcome('yes'), epoch: 1 })
})

test('finishing what was never begun records nothing', async () => {
  const { journal } = leased()
  assert.equal(await journal().finish('c1', 1, outcome('?')), false)
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

/** On the data file, whose lock proves that a former owner is dead: no lease. */
function alone(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-journal-'))
  const clock = new VirtualClock(1_000_000)
  const store = openSqliteKeyValue({ dataDir })
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const journal = () => openJournal(store, clock, { leaseMs: 0, keepMs: KEEP_MS, forgottenMs: 0 })
  const { db } = openDataFile({ dataDir })
  /** As another process would read it. */
  const written = (): Record<string, { state: string }> => {
    const reader = new DatabaseSync(join(dataDir, 'flotilla.db'), { readOnly: true })
    const rows = reader.prepare('SELECT key, value FROM key_values').all()
    reader.close()
    const entries = rows.map(({ key, value }) => [
      String(key).slice('flotilla:'.length),
      JSON.parse(String(value)),
    ])
    return Object.fromEntries(entries) as Record<string, { state: string }>
  }
  return { store, journal, written, db }
}

test('alone: a recorded outcome answers', async (t) => {
  const { journal } = alone(t)
  for (const asked of [call(), once]) {
    const id = asked.idempotent ? 'c1' : 'c2'
    const owner = journal()
    assert.deepEqual(await owner.begin(id, 'p1', 1, asked), { do: 'call', inDoubt: false })
    assert.equal(await owner.finish(id, 1, outcome('yes')), true)
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
  assert.equal(await owner.finish('c1', 1, outcome('yes')), true)
  owner.end('c1', 1)
  assert.equal(owner.open, 0)
  assert.equal((await owner.begin('c1', 'p1', 2, call())).do, 'answer')
})

test('alone: that a call is begun is durable before it is made, and its outcome before it is used', async (t) => {
  const { journal, written } = alone(t)
  const owner = journal()
  for (const [id, asked] of [
    ['c1', call()],
    ['c2', once],
  ] as const) {
    await owner.begin(id, 'p1', 1, asked)
    assert.equal(written()[`journal:${id}`]?.state, 'begun')
    await owner.finish(id, 1, outcome('yes'))
    assert.equal(written()[`journal:${id}`]?.state, 'done')
  }
})

test('alone: an outcome that a full disk refuses is not recorded, and can be recorded again', async (t) => {
  const { journal, db } = alone(t)
  const owner = journal()
  await owner.begin('c1', 'p1', 1, call())
  const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count'])
  db.exec(`PRAGMA max_page_count = ${pages}`)
  const large = outcome('x'.repeat(200_000))
  await assert.rejects(owner.finish('c1', 1, large), { code: 'LOG_UNAVAILABLE' })
  assert.equal(owner.behind, 1)
  assert.equal(
    (await owner.begin('c1', 'p1', 2, call())).do,
    'wait',
    'the outcome is at hand in this process',
  )
  db.exec('PRAGMA max_page_count = 1000000')
  assert.equal(await owner.finish('c1', 1, large), true)
  assert.equal(owner.behind, 0)
  owner.end('c1', 1)
  assert.equal((await owner.begin('c1', 'p1', 2, call())).do, 'answer')
})

test('alone: a forgotten entry is gone', async (t) => {
  const { store, journal } = alone(t)
  const owner = journal()
  await owner.begin('c1', 'p1', 1, call())
  await owner.finish('c1', 1, outcome('yes'))
  owner.forget(['c1'], 1)
  await owner.close()
  assert.equal(await store.get('journal:c1'), null)
})

test('entries that nobody needs go together, half a second after the first', async () => {
  const { keyValue, journal, wait } = leased()
  const owner = journal()
  const isThere = async (id: string) => (await keyValue.get(`journal:${id}`))?.includes('"done"') ?? false
  for (const id of ['c1', 'c2']) {
    await owner.begin(id, 'p1', 7, call())
    await owner.finish(id, 7, outcome('yes'))
    owner.forget([id], 7)
    await wait(250)
    assert.equal(await isThere('c1'), id === 'c1')
  }
  assert.equal(await isThere('c2'), false)
})

test('a begin whose answer was lost is taken up again at once, for a call that must run once too', async () => {
  const base = leased()
  const lossy = losingAnswers(base.keyValue)
  const { journal, wait } = leased(lossy, base.clock)
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
  const finished = owner.finish('c1', 1, outcome('yes'), { settle })
  assert.deepEqual(asked, ['settle'], 'in the turn of the outcome')
  await finished
  assert.deepEqual(Object.keys(written()), ['journal:c1'])
})

test('among others: what an outcome settles waits until it is recorded, and is not settled by one that came too late', async () => {
  const { journal, wait } = leased()
  const [owner, next] = [journal(), journal()]
  await owner.begin('c1', 'p1', 1, call())
  await wait(LEASE_MS)
  await next.begin('c1', 'p2', 2, call())
  const settled: string[] = []
  const settling = (who: string) => ({ settle: async () => void settled.push(who) })
  assert.equal(await owner.finish('c1', 1, outcome('late'), settling('the former owner')), false)
  const finished = next.finish('c1', 2, outcome('yes'), settling('the owner'))
  assert.deepEqual(settled, [])
  assert.equal(await finished, true)
  assert.deepEqual(settled, ['the owner'])
})

/** What an outcome settles, where the store can make that depend on it. */
function settlingIn(keyValue: KeyValue) {
  const asked: string[] = []
  const settled: string[] = []
  const by = (who: string, can = true) => ({
    settle: async () => {
      asked.push(`settle ${who}`)
      settled.push(who)
    },
    settleIf: async ({ key, begins }: ValueHead) => {
      asked.push(`settleIf ${who}`)
      const isThere = can && (await keyValue.get(key))?.startsWith(begins) === true
      if (isThere) settled.push(who)
      return isThere
    },
  })
  return { asked, settled, by }
}

test('among others: what an outcome settles is settled with it, where the store can; else behind it', async () => {
  const { journal, keyValue } = leased()
  const owner = journal()
  const { asked, settled, by } = settlingIn(keyValue)
  for (const id of ['c1', 'c2']) await owner.begin(id, 'p1', 1, call())
  const finished = owner.finish('c1', 1, outcome('yes'), by('with it'))
  assert.deepEqual(asked, ['settleIf with it'], 'in the turn of the outcome')
  assert.equal(await finished, true)
  assert.equal(await owner.finish('c2', 1, outcome('yes'), by('behind it', false)), true)
  assert.deepEqual(asked, ['settleIf with it', 'settleIf behind it', 'settle behind it'])
  assert.deepEqual(settled, ['with it', 'behind it'])
})

test('among others: an outcome that came too late settles nothing, also not with the later owner’s', async () => {
  const { journal, keyValue, wait } = leased()
  const [owner, next] = [journal(), journal()]
  const { settled, by } = settlingIn(keyValue)
  await owner.begin('c1', 'p1', 1, call())
  await wait(LEASE_MS)
  await next.begin('c1', 'p2', 2, call())
  assert.equal(await owner.finish('c1', 1, outcome('late'), by('the former owner')), false)
  assert.equal(await next.finish('c1', 2, outcome('yes'), by('the owner')), true)
  assert.equal(await owner.finish('c1', 1, outcome('later'), by('the former owner')), false)
  assert.deepEqual(settled, ['the owner'])
})

test('among others: an outcome whose answer was lost, or that the store has lost, is settled when it is written again', async () => {
  const store = losingAnswers(memoryKeyValue({ durable: true }))
  const { journal } = leased(store)
  const owner = journal()
  const { asked, by } = settlingIn(store)
  await owner.begin('c1', 'p1', 1, call())
  store.isLosing = true
  await assert.rejects(owner.finish('c1', 1, outcome('yes'), by('first')))
  store.isLosing = false
  assert.equal(await owner.finish('c1', 1, outcome('yes'), by('again')), true)
  await store.delete(['journal:c1'])
  assert.equal(await owner.finish('c1', 1, outcome('yes'), by('restored')), true)
  assert.ok(!asked.some((each) => each.startsWith('settle ')), String(asked))
})
