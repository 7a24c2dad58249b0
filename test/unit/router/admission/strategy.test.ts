// R3: which model a strategy chooses, why, and what it passes over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultSizes } from '../../../../runtime/config/defaults.ts'
import type { Fleet } from '../../../../runtime/config/fleet.ts'
import { sizeOf } from '../../../../runtime/models/sizes.ts'
import {
  tierFor,
  type Complexity,
  type Quality,
  type Strategy,
} from '../../../../runtime/models/strategies.ts'
import { drive } from '../../../../runtime/testing/stage-driver.ts'
import type { TaskSubmitted } from '../../../../schemas/generated/events.ts'
import { complexityOf, tokensOf } from '../../../../services/router/admission/estimate.ts'
import { emptyTask } from '../../../../schemas/task-fields.ts'
import { createRouterStage } from '../../../../services/router/stage.ts'
import { fleetOf } from '../fleet.ts'

const GROQ = 'groq/llama-3.3-70b-versatile'
const complexities = ['simple', 'moderate', 'complex'] as const
const qualities = ['low', 'normal', 'high', 'critical'] as const

function admitted(changes: Partial<TaskSubmitted>, fleet: Fleet = fleetOf()) {
  const driver = drive(createRouterStage(fleet))
  const task = { ...emptyTask, text: 'How warm is it in Rome?', taskId: 't1', ...changes }
  driver.send('tasks.submitted', 'TaskSubmitted', task)
  if (driver.pendingCall) driver.answer({ granted: true, model: 0 })
  return driver.only('TaskAdmitted')
}

/** The rules, written out. Absent: gpt-3.5-turbo. */
const exceptions: Readonly<Record<string, string>> = {
  'balanced simple low': GROQ,
  'balanced complex high': 'gpt-4o',
  'balanced complex critical': 'gpt-4o',
  'conservative simple critical': 'gpt-4o',
  'conservative moderate critical': 'gpt-4o',
  'conservative complex critical': 'gpt-4o',
}

for (const strategy of ['balanced', 'conservative'] as const)
  for (const complexity of complexities)
    for (const quality of qualities) {
      const name = `${strategy} ${complexity} ${quality}`
      test(name, () => {
        for (const estimatedTokens of [10, 1_000_000])
          assert.equal(
            admitted({ strategy, complexity, quality, estimatedTokens }).models[0],
            exceptions[name] ?? 'gpt-3.5-turbo',
          )
      })
    }

test('aggressive goes by tokens alone', () => {
  const chosen = (estimatedTokens: number, complexity: Complexity, quality: Quality) =>
    admitted({ strategy: 'aggressive', estimatedTokens, complexity, quality }).models[0]
  for (const complexity of complexities)
    for (const quality of qualities) {
      assert.equal(chosen(99_999, complexity, quality), GROQ)
      assert.equal(chosen(100_000, complexity, quality), 'gpt-3.5-turbo')
    }
})

test('the result of a choice says why, and what was estimated', () => {
  const given = admitted({ strategy: 'balanced', complexity: 'complex', quality: 'high', estimatedTokens: 9 })
  assert.equal(given.modelReason, 'strategy balanced: complex task, high quality, 9 tokens')
  assert.equal(given.estimatedTokens, 9)
  const guessed = admitted({ strategy: 'balanced' })
  assert.equal(
    guessed.modelReason,
    'strategy balanced: simple (estimated) task, normal quality, 2,312 tokens (estimated)',
  )
  assert.equal(guessed.estimatedTokens, null)
})

test('models that are not configured are passed over, and the others stand in for each other', () => {
  const fleet = fleetOf({ models: { keysPresent: ['GROQ_API_KEY'] } })
  const { models, modelReason } = admitted({ strategy: 'conservative', quality: 'critical' }, fleet)
  assert.deepEqual(models, [GROQ])
  assert.match(modelReason, /passed over, because not configured here: gpt-4o, gpt-3\.5-turbo$/)
  const all = admitted({ strategy: 'conservative', quality: 'critical' })
  assert.deepEqual(all.models, ['gpt-4o', 'gpt-3.5-turbo', GROQ])
})

test('where none of them is configured the default model of the fleet runs the task', () => {
  const providers = { local: { baseUrl: 'http://127.0.0.1:8080/v1' } }
  const fleet = fleetOf({ models: { providers, default: 'local/mistral' } })
  const { models, modelReason } = admitted({ strategy: 'aggressive' }, fleet)
  assert.deepEqual(models, ['local/mistral'])
  assert.match(modelReason, /^default model of the fleet; strategy aggressive: .* passed over/)
})

test('a model or a profile that the task names wins over every strategy', () => {
  assert.deepEqual(admitted({ strategy: 'aggressive', model: 'gpt-4o' }).models, ['gpt-4o'])
  assert.deepEqual(admitted({ strategy: 'aggressive', profile: 'accurate' }).models, ['gpt-4o'])
})

const firstModel = (changes: Partial<TaskSubmitted>, models: Partial<Fleet['models']>, agent = {}) =>
  admitted(changes, fleetOf({ models, agents: { default: agent }, overrides: { strategy: true } })).models[0]

test('task, then agent, then fleet say the strategy; the profile of an agent wins over the fleet’s', () => {
  const demand = { complexity: 'simple', quality: 'critical', estimatedTokens: 5 } as const
  const conservative = { strategy: 'conservative' as Strategy }
  assert.equal(firstModel(demand, conservative), 'gpt-4o')
  assert.equal(firstModel(demand, conservative, { strategy: 'aggressive' }), GROQ)
  assert.equal(firstModel({ ...demand, strategy: 'balanced' }, conservative), 'gpt-3.5-turbo')
  assert.equal(firstModel(demand, conservative, { profile: 'economy' }), 'gpt-3.5-turbo')
  assert.equal(
    firstModel({ ...demand, strategy: 'aggressive' }, { strategy: null }, { profile: 'economy' }),
    GROQ,
  )
  assert.equal(firstModel(demand, { strategy: null }), 'gpt-4o', 'without a strategy: the default model')
})

test('the models of the tiers are the fleet’s to say', () => {
  const tiers = { economical: 'groq/small', standard: 'gpt-4.1-mini', strong: 'gpt-4.1' }
  assert.equal(firstModel({ strategy: 'conservative' }, { tiers }), 'gpt-4.1-mini')
})

const steps = ['Do this:', '1. read the file', '2. analyse the sums', '3. compare them'].join('\n')
const guesses: readonly (readonly [string, Complexity])[] = [
  ['What is the capital of France?', 'simple'],
  ['Summarise this sentence.', 'simple'],
  ['Compare the rainfall of Rome and Oslo.', 'moderate'],
  [`Write about ships. ${'More words here. '.repeat(25)}`, 'moderate'],
  [steps, 'complex'],
  ['Research the market, compare three vendors, then plan the migration and finally evaluate it.', 'complex'],
]
for (const [text, complexity] of guesses)
  test(`is taken for ${complexity}: ${text.slice(0, 40).replaceAll('\n', ' ')}`, () => {
    assert.equal(complexityOf(text, false), complexity)
  })

test('more turns and longer texts are taken to need more tokens; the step limit caps the turns', () => {
  const of = (complexity: Complexity, maxSteps = 10) => tokensOf(400, complexity, maxSteps)
  assert.ok(of('simple') < of('moderate') && of('moderate') < of('complex'))
  assert.ok(tokensOf(4_000, 'simple', 10) > of('simple'))
  assert.equal(of('complex', 2), of('simple', 2))
})

test('the tiers are told apart without a fleet, for other programs', () => {
  assert.equal(tierFor('aggressive', { complexity: 'complex', quality: 'critical', tokens: 1 }), 'economical')
})

test('the size of a model is found by prefix, with or without its provider', () => {
  assert.deepEqual(sizeOf('gpt-4o-2024-11-20', defaultSizes), {
    contextTokens: 128_000,
    maxOutputTokens: 16_384,
  })
  assert.equal(sizeOf('openai/gpt-3.5-turbo', defaultSizes).contextTokens, 16_385)
  assert.equal(sizeOf(GROQ, defaultSizes).contextTokens, 131_072)
  assert.deepEqual(sizeOf('local/unheard-of', defaultSizes), { contextTokens: null, maxOutputTokens: null })
})
