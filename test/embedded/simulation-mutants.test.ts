// Fleets that are broken on purpose, one promise each: the simulator must notice every one of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutants, unchanged } from '../simulation/mutants.ts'
import { noticedBy } from '../simulation/noticed-by.ts'
import { simulate } from '../simulation/simulate.ts'

/** Most need fewer than ten; a change of the simulator draws other faults from the same seeds. */
const MOST_SEEDS = 150

function* seedsFor(name: string): Generator<number> {
  const known = noticedBy[name]
  if (known !== undefined) yield known
  for (let seed = 1; seed <= MOST_SEEDS; seed++) yield seed
}

test('a fleet through the mutants’ machinery, with nothing broken, is not accused', async () => {
  for (let seed = 1; seed <= 5; seed++)
    assert.deepEqual((await simulate(seed, { mutation: unchanged })).violations, [])
})

test('seeds are known of mutants that there are', () => {
  assert.deepEqual(
    Object.keys(noticedBy).filter((name) => !(name in mutants)),
    [],
  )
})

for (const [name, mutant] of Object.entries(mutants))
  test(`the simulator notices within ${MOST_SEEDS} seeds that ${name}`, async (t) => {
    for (const seed of seedsFor(name)) {
      const [violation] = (await simulate(seed, { mutation: mutant })).violations
      if (!violation) continue
      t.diagnostic(`seed ${seed}: ${violation.invariant}: ${violation.text}`)
      return
    }
    assert.fail(`${MOST_SEEDS} seeds and no violation`)
  })
