import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { completeFleet } from '../../../runtime/config/load.ts'
import { agentsWithoutModel, fleetWithoutModel } from '../../../runtime/models/missing.ts'
import { fleetOf } from '../router/fleet.ts'

const providers = {
  openai: { baseUrl: 'https://api.openai.com/v1', keyEnv: 'OPENAI_API_KEY' },
  local: { baseUrl: 'http://127.0.0.1:8080/v1' },
}
const profile = (model: string) => ({
  models: [model, 'local/m'],
  temperature: 0,
  maxSteps: 3,
  timeoutMs: 1_000,
  executor: 'default',
})
const profiles = { hosted: profile('gpt-4o'), own: profile('local/m') }
const lost = { providers, profiles, keysPresent: [] }

test('a fleet whose default lost its key has no model, and the reason names the variable', () => {
  const fleet = fleetOf({ agents: { default: {} }, models: { ...lost, default: 'gpt-4o' } })
  assert.match(fleetWithoutModel(fleet) ?? '', /"gpt-4o" is not configured here: Set OPENAI_API_KEY/)
  const kept = fleetOf({
    agents: { default: {} },
    models: { ...lost, default: 'gpt-4o', keysPresent: ['OPENAI_API_KEY'] },
  })
  assert.equal(fleetWithoutModel(kept), null)
})

test('a fleet without any model: the reason says how to connect one', () => {
  const fleet = fleetOf({ agents: { default: {} }, models: { ...lost, default: null } })
  assert.match(fleetWithoutModel(fleet) ?? '', /^No model is connected\. Set OPENAI_API_KEY/)
})

test('an agent goes by its profile’s first model, another by the default: each one without a model is named', () => {
  const agents = { a: { profile: 'hosted' }, b: { profile: 'own' }, c: {} }
  const fleet = fleetOf({ agents, models: { ...lost, default: 'local/m' } })
  assert.deepEqual(
    agentsWithoutModel(fleet).map(({ agent }) => agent),
    ['a'],
  )
  assert.equal(fleetWithoutModel(fleet), null)
})

test('a strategy has a model if one of its tiers has, or else the default', () => {
  const tiers = { economical: 'gpt-4o-mini', standard: 'gpt-4o', strong: 'local/m' }
  const agents = { a: { strategy: 'balanced' as const } }
  assert.equal(fleetWithoutModel(fleetOf({ agents, models: { ...lost, default: null, tiers } })), null)
  const hosted = { ...tiers, strong: 'gpt-4o' }
  const without = fleetOf({ agents, models: { ...lost, default: null, tiers: hosted } })
  assert.match(fleetWithoutModel(without) ?? '', /OPENAI_API_KEY/)
})

test('a key that only the planner has counts as set; the key itself is not there', () => {
  const environment = readEnvironment({ FLOTILLA_KEYS_ELSEWHERE: 'GROQ_API_KEY' })
  const fleet = completeFleet({}, environment, 'a test')
  assert.equal(fleet.models.default, 'groq/llama-3.3-70b-versatile')
  assert.equal(fleetWithoutModel(fleet), null)
  assert.equal(environment.raw['GROQ_API_KEY'], undefined)
  assert.throws(
    () => readEnvironment({ FLOTILLA_KEYS_ELSEWHERE: 'groq' }),
    /FLOTILLA_KEYS_ELSEWHERE: must be names of variables.*not "groq"/,
  )
})
