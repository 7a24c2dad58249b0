// Fleets that are broken on purpose, one promise each: the simulator must notice every one of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutants, unchanged } from '../simulation/mutants.ts'
import { simulate } from '../simulation/simulate.ts'

/** Most need fewer than ten; a change of the simulator draws other faults from the same seeds. */
const MOST_SEEDS = 150

test('a fleet through the mutants’ machinery, with nothing broken, is not accused', async () => {
  for (let seed = 1; seed <= 5; seed++)
    assert.deepEqual((await simulate(seed, { mutation: unchanged })).violations, [])
})

for (const [name, mutant] of Object.entries(mutants))
  test(`the simulator notices within ${MOST_SEEDS} seeds that ${name}`, async (t) => {
    for (let seed = 1; seed <= MOST_SEEDS; seed++) {
      const [violation] = (await simulate(seed, { mutation: mutant })).violations
      if (!violation) continue
      t.diagnostic(`seed ${seed}: ${violation.invariant}: ${violation.text}`)
      return
    }
    assert.fail(`${MOST_SEEDS} seeds and no violation`)
  })
