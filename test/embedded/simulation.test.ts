// The real stages and hosts under seeded kills, on a virtual clock: no invariant of test/simulation/simulate.ts may fail.
// A failing seed repeats with: npm run simulate -- --seed N
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutants, unchanged } from '../simulation/mutants.ts'
import { simulate } from '../simulation/simulate.ts'

const SEEDS = 200
/** Of a slow machine fewer seeds are asked, never fewer than these. */
const LEAST_SEEDS = 100
const LIMIT_MS = 40_000

test(`${SEEDS} seeds: one result for each task, no journalled call again, nothing left over`, async (t) => {
  const begun = performance.now()
  const totals = { seeds: 0, tasks: 0, kills: 0, calls: 0, inDoubt: 0 }
  const failed: string[] = []
  for (let seed = 1; seed <= SEEDS; seed++) {
    if (seed > LEAST_SEEDS && performance.now() - begun > LIMIT_MS) break
    const { violations, tasks, kills, calls, inDoubt } = await simulate(seed)
    totals.seeds++
    totals.tasks += tasks
    totals.kills += kills
    totals.calls += calls
    totals.inDoubt += inDoubt
    if (violations.length > 0) failed.push(`seed ${seed}: ${violations.slice(0, 3).join('; ')}`)
  }
  t.diagnostic(`${JSON.stringify(totals)} in ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
  assert.deepEqual(failed, [])
  assert.ok(totals.kills > totals.seeds && totals.inDoubt > 0, 'the faults struck')
})

test('a fleet through the mutants’ machinery, with nothing broken, is not accused', async () => {
  for (let seed = 1; seed <= 5; seed++) assert.deepEqual((await simulate(seed, unchanged)).violations, [])
})

/** Seeds after which a mutant counts as unnoticed. */
const MUTANT_SEEDS = 25

for (const [name, mutation] of Object.entries(mutants))
  test(`the simulator notices ${name}`, async (t) => {
    for (let seed = 1; seed <= MUTANT_SEEDS; seed++) {
      const { violations } = await simulate(seed, mutation)
      if (violations.length === 0) continue
      t.diagnostic(`seed ${seed}: ${violations[0]}`)
      return
    }
    assert.fail(`${MUTANT_SEEDS} seeds and no violation`)
  })
