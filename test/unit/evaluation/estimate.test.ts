import assert from 'node:assert/strict'
import { test } from 'node:test'
import { estimateFor } from '../../../evaluation/estimate.ts'

for (const model of ['scripted', 'scripted/demo'])
  test(`${model} costs nothing, also where no agent uses it`, () =>
    assert.deepEqual(estimateFor(model, [], [], []), { dollars: 0, basis: `${model} costs nothing` }))

test('of a model that the fleet does not list the price is not known', () => {
  assert.equal(estimateFor('openai/gpt-9', [], [], []).dollars, null)
})
