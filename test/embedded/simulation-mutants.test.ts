// Fleets that are broken on purpose, one promise each: the simulator must notice every one of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutants, unchanged } from '../simulation/mutants.ts'
import { simulate } from '../simulation/simulate.ts'

test('a fleet through the mutants’ machinery, with nothing broken, is not accused', async () => {
  for (let seed = 1; seed <= 5; seed++)
    assert.deepEqual((await simulate(seed, { mutation: unchanged })).violations, [])
})

for (const [name, mutant] of Object.entries(mutants))
  test(`the simulator notices within ${mutant.seeds} seeds that ${name}`, async (t) => {
    for (let seed = 1; seed <= mutant.seeds; seed++) {
      const [violation] = (await simulate(seed, { mutation: mutant })).violations
      if (!violation) continue
      t.diagnostic(`seed ${seed}: ${violation.invariant}: ${violation.text}`)
      return
    }
    assert.fail(`${mutant.seeds} seeds and no violation`)
  })
