import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultPrices } from '../../../runtime/config/defaults.ts'
import { parseModel } from '../../../runtime/models/names.ts'
import { costOf, priceOf } from '../../../runtime/models/prices.ts'

const prices = [
  { model: 'gpt-4o', input: 5, output: 15 },
  { model: 'gpt-4o-mini', input: 0.15, output: 0.6 },
  { model: 'claude-3-5-sonnet', input: 3, output: 15 },
  { model: 'groq/llama-3.3-70b', input: 0.099, output: 0.3 },
  { model: 'local/', input: 0, output: 0 },
]

test('the provider is what stands before the first slash', () => {
  assert.deepEqual(parseModel('groq/llama-3.3-70b-versatile'), {
    provider: 'groq',
    model: 'llama-3.3-70b-versatile',
  })
  assert.deepEqual(parseModel('gpt-4o'), { provider: 'openai', model: 'gpt-4o' })
  assert.deepEqual(parseModel('openrouter/meta-llama/llama-3'), {
    provider: 'openrouter',
    model: 'meta-llama/llama-3',
  })
  assert.deepEqual(parseModel(''), { provider: 'openai', model: '' })
  assert.deepEqual(parseModel('/gpt-4o'), { provider: 'openai', model: 'gpt-4o' })
})

test('the longest prefix names the price, whatever the order of the rows', () => {
  for (const rows of [prices, prices.toReversed()]) {
    assert.equal(priceOf('gpt-4o-mini-2024', rows).inputPerMillion, 0.15)
    assert.equal(priceOf('gpt-4o-2024', rows).outputPerMillion, 15)
  }
  assert.deepEqual(priceOf('groq/llama-3.3-70b-versatile', prices), {
    inputPerMillion: 0.099,
    outputPerMillion: 0.3,
    isGuess: false,
  })
  assert.equal(priceOf('local/mistral', prices).inputPerMillion, 0)
})

test('a first-party provider before the name changes nothing; another one makes the price a guess', () => {
  assert.equal(priceOf('openai/gpt-4o', prices).isGuess, false)
  assert.equal(priceOf('anthropic/claude-3-5-sonnet-20241022', prices).inputPerMillion, 3)
  assert.deepEqual(priceOf('azure/gpt-4o', prices), {
    inputPerMillion: 5,
    outputPerMillion: 15,
    isGuess: true,
  })
})

test('an unknown model costs 1 and 1, marked as a guess', () => {
  assert.deepEqual(priceOf('nobody/knows', prices), {
    inputPerMillion: 1,
    outputPerMillion: 1,
    isGuess: true,
  })
  assert.equal(costOf('nobody/knows', 500_000, 500_000, prices), 1)
})

test('of two rows for one model the first one wins, so that a fleet puts its own before the defaults', () => {
  assert.equal(priceOf('gpt-4o', [{ model: 'gpt-4o', input: 2, output: 8 }, ...prices]).inputPerMillion, 2)
})

// R3: US dollars per million tokens, in and out; whether that is a guess.
const promised: [string, number, number, boolean][] = [
  ['gpt-4o', 5, 15, false],
  ['gpt-4o-2024-08-06', 5, 15, false],
  ['gpt-3.5-turbo', 0.5, 1.5, false],
  ['claude-3-5-sonnet', 3, 15, false],
  ['anthropic/claude-3-5-sonnet-20241022', 3, 15, false],
  ['groq/llama-3.3-70b', 0.099, 0.3, false],
  ['groq/llama-3.3-70b-versatile', 0.099, 0.3, false],
  ['local/Mistral-7B-Instruct', 0, 0, false],
  ['nobody/knows', 1, 1, true],
]
for (const [model, input, output, isGuess] of promised)
  test(`${model} costs ${input} and ${output}${isGuess ? ', a guess' : ''}`, () => {
    const price = { inputPerMillion: input, outputPerMillion: output, isGuess }
    assert.deepEqual(priceOf(model, defaultPrices), price)
    assert.ok(Math.abs(costOf(model, 2_000_000, 1_000_000, defaultPrices) - (2 * input + output)) < 1e-9)
  })
