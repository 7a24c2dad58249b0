// What every adapter of the limits port must do. The numbers are those of the port's promises.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { memoryLimits } from '../../runtime/testing/memory/limits.ts'
import { type BudgetClaim, type Claim, type Limits, type WindowClaim } from '../../runtime/limits/port.ts'
import { Random } from '../../runtime/testing/simulator/random.ts'
import { mark } from './member.ts'

export interface OpenedLimits {
  readonly store: Limits
  /** The same figures seen by another process; absent where nothing outlives the process. */
  readonly again?: () => Limits
  stop(): Promise<void>
}

/** Stands still until it is moved. It begins at the real time, by which Redis ends what it keeps. */
export class ManualClock {
  ms = Date.now()
  now(): number {
    return this.ms
  }
  schedule(): () => void {
    throw new Error('limits set no timers of their own')
  }
}

const DAY_MS = 86_400_000

export function limitsSuite(name: string, open: (clock: ManualClock) => Promise<OpenedLimits>): void {
  const clock = new ManualClock()
  let opened: OpenedLimits | null = null
  const store = (): Limits => {
    assert.ok(opened, 'the limits under test could not be opened')
    return opened.store
  }
  const budget = (
    key: string,
    amount: number,
    limit: number,
    more: Partial<BudgetClaim> = {},
  ): BudgetClaim => ({
    form: 'budget',
    key,
    amount,
    limit,
    resetsAtMs: clock.ms + DAY_MS,
    ...more,
  })
  const window = (key: string, amount: number, limit: number): WindowClaim => ({
    form: 'window',
    key,
    amount,
    limit,
    windowMs: 60_000,
  })
  const reserve = (id: string, claims: readonly Claim[], more: { ttlMs?: number; replaces?: string } = {}) =>
    store().reserve({ id, alternatives: [claims], ttlMs: 30_000, ...more })
  const granted = async (
    id: string,
    claims: readonly Claim[],
    more: { ttlMs?: number; replaces?: string } = {},
  ) => (await reserve(id, claims, more)).granted
  const settle = (id: string, claims: readonly Claim[]) => store().settle({ id, claims, atMs: clock.ms })
  const standing = async (key: string) => {
    const [state] = await store().budgets(key)
    return state ? [state.settled, state.reserved] : null
  }
  const refusal = async (id: string, claims: readonly Claim[]) => {
    const result = await reserve(id, claims)
    assert.ok(!result.granted, `${id} was granted`)
    return result.refusals[0]
  }

  describe(`limits: ${name}`, () => {
    before(async () => {
      opened = await open(clock)
    })
    after(() => opened?.stop())

    test('a reservation is settled to the real figure, or given back', async () => {
      const key = mark()
      assert.ok(await granted(`${key}1`, [budget(key, 600, 1_000)]))
      assert.deepEqual(await standing(key), [0, 600])
      await settle(`${key}1`, [budget(key, 150, 1_000)])
      assert.deepEqual(await standing(key), [150, 0])
      assert.ok(await granted(`${key}2`, [budget(key, 850, 1_000)]))
      await store().release(`${key}2`)
      assert.deepEqual(await standing(key), [150, 0])
    })

    test('settled and reserved never pass the limit; the last token fits', async () => {
      const key = mark()
      assert.ok(await granted(`${key}1`, [budget(key, 400, 1_000)]))
      await settle(`${key}1`, [budget(key, 400, 1_000)])
      assert.ok(await granted(`${key}2`, [budget(key, 500, 1_000)]))
      assert.ok(!(await granted(`${key}3`, [budget(key, 101, 1_000)])))
      assert.ok(await granted(`${key}4`, [budget(key, 100, 1_000)]))
      assert.deepEqual(await standing(key), [400, 600])
    })

    test('a refusal says what is taken, whether waiting for others may help, and when to ask again', async () => {
      const key = mark()
      await granted(`${key}1`, [budget(key, 900, 1_000)])
      const held = await refusal(`${key}2`, [budget(key, 500, 1_000)])
      assert.deepEqual(held, { claim: 0, settled: 0, reserved: 900, retryAfterMs: 1_000, final: false })
      await settle(`${key}1`, [budget(key, 900, 1_000)])
      const spent = await refusal(`${key}2`, [budget(key, 500, 1_000, { resetsAtMs: clock.ms + 3_600_000 })])
      assert.deepEqual(spent, { claim: 0, settled: 900, reserved: 0, retryAfterMs: 3_600_000, final: true })
    })

    test('all limits of a request are taken, or none', async () => {
      const [full, free, rate] = [mark(), mark(), mark()]
      await granted(`${full}1`, [budget(full, 10, 10)])
      const refused = await refusal(`${full}2`, [
        budget(free, 5, 10),
        window(rate, 1, 10),
        budget(full, 1, 10),
      ])
      assert.equal(refused?.claim, 2)
      assert.equal(await standing(free), null)
      assert.ok(await granted(`${full}3`, [window(rate, 10, 10)]))
    })

    test('of several alternatives the first that fits is taken; each of the others says why not', async () => {
      const [dear, cheap] = [mark(), mark()]
      await granted(`${dear}1`, [budget(dear, 10, 10)])
      const choice = (limit: number) => [[budget(dear, 1, 10)], [budget(cheap, 1, limit)]]
      const ask = (id: string, limit: number) =>
        store().reserve({ id, alternatives: choice(limit), ttlMs: 1_000 })
      const first = await ask(`${dear}2`, 10)
      assert.deepEqual([first.granted && first.alternative, first.refusals?.[0]?.reserved], [1, 10])
      assert.deepEqual(await ask(`${dear}2`, 0), { granted: true, alternative: 1 }, 'as before')
      const none = await ask(`${dear}3`, 1)
      assert.ok(!none.granted)
      assert.deepEqual(
        none.refusals.map(({ reserved }) => reserved),
        [10, 1],
      )
    })

    test('an id counts once, however often it is reserved or settled', async () => {
      const key = mark()
      for (let time = 0; time < 3; time++) assert.ok(await granted(`${key}1`, [budget(key, 700, 1_000)]))
      assert.deepEqual(await standing(key), [0, 700])
      for (const amount of [300, 300, 320]) await settle(`${key}1`, [budget(key, amount, 1_000)])
      assert.deepEqual(await standing(key), [320, 0], 'settling again replaces the figure')
      assert.ok(await granted(`${key}1`, [budget(key, 700, 1_000)]))
      await store().release(`${key}1`)
      assert.deepEqual(
        await standing(key),
        [320, 0],
        'what is settled is neither reserved again nor given back',
      )
    })

    test('a reservation whose owner died ends at its time; settled late, the real figure counts', async () => {
      const key = mark()
      await granted(`${key}1`, [budget(key, 900, 1_000)], { ttlMs: 5_000 })
      clock.ms += 4_999
      assert.ok(!(await granted(`${key}2`, [budget(key, 200, 1_000)])))
      clock.ms += 1
      assert.deepEqual(await standing(key), [0, 0])
      assert.ok(await granted(`${key}2`, [budget(key, 200, 1_000)]))
      assert.deepEqual(await standing(key), [0, 200])
      await settle(`${key}1`, [budget(key, 850, 1_000)])
      assert.deepEqual(await standing(key), [850, 200])
      await settle(`${key}1`, [budget(key, 850, 1_000)])
      assert.deepEqual(await standing(key), [850, 200])
    })

    test('asked for again, as by the next owner of a call, a reservation lasts its time anew', async () => {
      const key = mark()
      await granted(`${key}1`, [budget(key, 900, 1_000)], { ttlMs: 5_000 })
      clock.ms += 4_000
      await granted(`${key}1`, [budget(key, 900, 1_000)], { ttlMs: 5_000 })
      clock.ms += 4_000
      assert.ok(!(await granted(`${key}2`, [budget(key, 200, 1_000)])))
      clock.ms += 1_000
      assert.ok(await granted(`${key}2`, [budget(key, 200, 1_000)]))
    })

    test('a reservation given back leaves nothing, and many that ended at once all end', async () => {
      const key = mark()
      await Promise.all(
        Array.from({ length: 300 }, (_, index) =>
          reserve(`${key}${index}`, [budget(key, 1, 300)], { ttlMs: 1_000 }),
        ),
      )
      clock.ms += 1_000
      assert.deepEqual(await standing(key), [0, 0])
      await eventuallyFree(() => granted(`${key}all`, [budget(key, 300, 300)]))
      assert.deepEqual(await standing(key), [0, 300])
    })

    test('a reservation that is ended frees its budgets at once and stays in its windows; what is settled stays', async () => {
      const key = mark()
      const both = (amount: number) => [budget(key, amount, 1_000), window(`${key}w`, amount, 1_000)]
      assert.ok(await granted(`${key}1`, both(900)))
      for (let time = 0; time < 2; time++) await store().end(`${key}1`)
      assert.deepEqual(await standing(key), [0, 0])
      assert.ok(!(await granted(`${key}2`, both(101))))
      assert.ok(await granted(`${key}3`, both(100)))
      await settle(`${key}3`, both(70))
      for (const id of [`${key}3`, `${key}unknown`]) await store().end(id)
      assert.deepEqual(await standing(key), [70, 0])
      clock.ms += 60_000
      assert.ok(await granted(`${key}4`, both(930)))
    })

    test('100 requests fit in any 60 s, to the millisecond, and not in fixed minutes', async () => {
      const key = mark()
      const ask = (id: string) => reserve(key + id, [window(key, 1, 100)], { ttlMs: 1 })
      clock.ms += 30_000
      for (let request = 0; request < 60; request++) assert.ok((await ask(`a${request}`)).granted)
      clock.ms += 20_000
      for (let request = 0; request < 40; request++) assert.ok((await ask(`b${request}`)).granted)
      const early = await ask('c')
      assert.ok(!early.granted)
      assert.equal(early.refusals[0]?.retryAfterMs, 40_000, 'the first of them is 60 s old then')
      clock.ms += 39_999
      assert.ok(!(await ask('c')).granted)
      clock.ms += 1
      for (let request = 0; request < 60; request++) assert.ok((await ask(`d${request}`)).granted)
      assert.ok(!(await ask('e')).granted)
    })

    test('tokens in a window are settled to the real figure at the time of their request', async () => {
      const key = mark()
      await granted(`${key}1`, [window(key, 800, 1_000)])
      clock.ms += 10_000
      const refused = await refusal(`${key}2`, [window(key, 300, 1_000)])
      assert.deepEqual([refused?.reserved, refused?.retryAfterMs, refused?.final], [800, 50_000, false])
      await settle(`${key}1`, [window(key, 650, 1_000)])
      assert.ok(await granted(`${key}2`, [window(key, 300, 1_000)]))
      clock.ms += 50_000
      assert.ok(await granted(`${key}3`, [window(key, 650, 1_000)]), 'the first has left the window')
      assert.ok(!(await granted(`${key}4`, [window(key, 51, 1_000)])))
      await settle(`${key}1`, [window(key, 700, 1_000)])
      assert.ok(await granted(`${key}4`, [window(key, 50, 1_000)]), 'what left the window does not come back')
    })

    test('the end of a reservation, or its replacement, does not shorten a window', async () => {
      const [rate, tokens] = [mark(), mark()]
      await granted(`${rate}task`, [window(rate, 1, 1)], { ttlMs: 1_000 })
      clock.ms += 2_000
      assert.ok(!(await granted(`${rate}other`, [window(rate, 1, 1)])))
      await granted(`${tokens}task`, [window(tokens, 500, 600), window(`${tokens}n`, 1, 1)])
      assert.ok(await granted(`${tokens}call`, [window(tokens, 600, 600)], { replaces: `${tokens}task` }))
      assert.ok(!(await granted(`${tokens}second`, [window(`${tokens}n`, 1, 1)])))
    })

    test('the first call of a task takes the place of its reservation, if it fits', async () => {
      const [key, model] = [mark(), mark()]
      const replaces = `${key}task`
      await granted(replaces, [budget(key, 500, 1_000), budget(model, 500, 500)])
      assert.ok(!(await granted(`${key}big`, [budget(key, 1_001, 1_000)], { replaces })))
      assert.deepEqual(await standing(key), [0, 500], 'refused: the reservation stays')
      assert.ok(await granted(`${key}call`, [budget(key, 1_000, 1_000)], { replaces }))
      assert.deepEqual(
        [await standing(key), await standing(model)],
        [
          [0, 1_000],
          [0, 0],
        ],
      )
      await settle(`${key}call`, [budget(key, 10, 1_000)])
      assert.ok(await granted(`${key}next`, [budget(key, 990, 1_000)], { replaces }), 'it is gone already')
    })

    test('a budget that reaches its warning says so once', async () => {
      const key = mark()
      const spend = (id: string, amount: number) =>
        settle(key + id, [budget(key, amount, 100, { warnAt: 80 })])
      assert.deepEqual(await spend('1', 79), [])
      assert.deepEqual(await spend('2', 1), [0])
      assert.deepEqual(await spend('3', 5), [])
      assert.deepEqual(
        await settle(`${key}4`, [budget(mark(), 1, 1), budget(mark(), 9, 10, { warnAt: 8 })]),
        [1],
      )
    })

    test('a budget that rose says so once more, when it reaches its new warning', async () => {
      const key = mark()
      const spend = (id: string, amount: number, limit: number, warnAt: number) =>
        settle(key + id, [budget(key, amount, limit, { warnAt })])
      assert.deepEqual(await spend('1', 80, 100, 80), [0])
      assert.deepEqual(await spend('2', 79, 200, 160), [])
      assert.deepEqual(await spend('3', 1, 200, 160), [0])
      assert.deepEqual(await spend('4', 1, 200, 160), [])
      assert.deepEqual(await spend('5', 1, 100, 80), [], 'lowered again: it was said')
    })

    test('the period is in the key: the next one begins at nothing', async () => {
      const key = mark()
      await settle(`${key}1`, [budget(`${key}:monday`, 100, 100)])
      assert.ok(!(await granted(`${key}2`, [budget(`${key}:monday`, 1, 100)])))
      assert.ok(await granted(`${key}3`, [budget(`${key}:tuesday`, 100, 100)]))
      const states = await store().budgets(`${key}:`)
      assert.deepEqual(states, [
        { key: `${key}:monday`, settled: 100, reserved: 0 },
        { key: `${key}:tuesday`, settled: 0, reserved: 100 },
      ])
    })

    test('the settled figure can be corrected from the ledger; reservations stay', async () => {
      const key = mark()
      await granted(`${key}1`, [budget(key, 5, 100)])
      await store().correct(key, 42, clock.ms + DAY_MS)
      assert.deepEqual(await standing(key), [42, 5])
      await store().correct(`${key}new`, 7, clock.ms + DAY_MS)
      assert.deepEqual(await standing(`${key}new`), [7, 0])
    })

    test('keys and ids of any characters stay apart', async () => {
      const key = mark()
      const odd = [`${key}*`, `${key}[a]?`, `${key}:žluťoučký 任务`, `${key}\\`]
      for (const each of odd)
        assert.ok(await granted(`${each}"{}1`, [budget(each, 1, 1), window(each, 7, 7)]))
      for (const each of odd) assert.deepEqual(await standing(each), [0, 1])
    })

    test('of many that race for the rest of a budget exactly as many win as fit', async () => {
      const key = mark()
      const openings = [store(), ...(opened?.again ? [opened.again(), opened.again()] : [])]
      const results = await Promise.all(
        Array.from({ length: 120 }, (_, index) =>
          (openings[index % openings.length] as Limits).reserve({
            id: key + String(index),
            alternatives: [[budget(key, 30, 1_000), window(key, 1, 1_000)]],
            ttlMs: 30_000,
          }),
        ),
      )
      assert.equal(results.filter((result) => result.granted).length, 33)
      assert.deepEqual(await standing(key), [0, 990])
      await Promise.all(openings.slice(1).map((other) => other.close()))
    })

    test('any sequence of operations answers as the rules in memory do', async () => {
      for (let seed = 1; seed <= 4; seed++) await compareWithMemory(store(), clock, seed)
    })
  })

  async function eventuallyFree(attempt: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 5; tries++) if (await attempt()) return
    assert.fail('ended reservations are still held')
  }
}

/** 400 operations drawn from a seed, on few ids and keys, so that they meet. */
async function compareWithMemory(store: Limits, clock: ManualClock, seed: number): Promise<void> {
  const random = new Random(seed)
  const model = memoryLimits({ clock })
  const key = mark()
  const claims = (): Claim[] => {
    const budgets = ['x', 'y'].filter(() => random.chance(0.7))
    const windows = ['v', 'w'].filter(() => random.chance(0.5))
    return [
      ...budgets.map((name): Claim => ({
        form: 'budget',
        key: `${key}${name}`,
        amount: random.between(0, 40),
        limit: 300,
        resetsAtMs: clock.ms - (clock.ms % DAY_MS) + DAY_MS,
        warnAt: 240,
      })),
      ...windows.map((name): Claim => ({
        form: 'window',
        key: `${key}${name}`,
        amount: random.between(0, 20),
        limit: 60,
        windowMs: 5_000,
      })),
    ]
  }
  for (let step = 0; step < 400; step++) {
    clock.ms += random.chance(0.02) ? 6_000 : random.between(0, 400)
    const id = `${key}${random.between(0, 25)}`
    const what = `seed ${seed}, step ${step}`
    const kind = random.next()
    if (kind < 0.55) {
      const replaces = random.chance(0.3) ? { replaces: `${key}${random.between(0, 25)}` } : {}
      const request = {
        id,
        alternatives: [claims(), claims()],
        ttlMs: random.between(500, 8_000),
        ...replaces,
      }
      assert.deepEqual(await store.reserve(request), await model.reserve(request), what)
    } else if (kind < 0.9) {
      const request = { id, claims: claims(), atMs: clock.ms - random.between(0, 6_000) }
      assert.deepEqual(await store.settle(request), await model.settle(request), what)
    } else if (kind < 0.95) await Promise.all([store.release(id), model.release(id)])
    else await Promise.all([store.end(id), model.end(id)])
    assert.deepEqual(await store.budgets(key), await model.budgets(key), what)
  }
}
