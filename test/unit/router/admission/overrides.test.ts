import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from '../../../../runtime/config/environment.ts'
import type { AgentDefinition, FleetDefinition, Overrides } from '../../../../runtime/config/fleet.ts'
import { completeFleet } from '../../../../runtime/config/load.ts'
import type { TaskSubmitted } from '../../../../schemas/generated/events.ts'
import { examine } from '../../../../services/router/admission/pipeline.ts'
import { emptyTask } from '../../../../schemas/task-fields.ts'
import { transfer, weather } from '../fleet.ts'

const environment = readEnvironment({ OPENAI_API_KEY: 'k', GROQ_API_KEY: 'k', FLOTILLA_EXECUTORS: 'native' })
const profiles = {
  native: { models: ['gpt-4o'], temperature: 0, maxSteps: 60, timeoutMs: 5_000_000, executor: 'native' },
}

function admission(definition: FleetDefinition, task: Partial<TaskSubmitted> = {}) {
  const fleet = completeFleet(
    { tools: [weather, transfer], models: { profiles }, ...definition },
    environment,
    'test',
  )
  return examine({ ...emptyTask, text: 'x', ...task }, 't', 0, fleet)
}
const admitted = (definition: FleetDefinition, task?: Partial<TaskSubmitted>) => {
  const answer = admission(definition, task)
  assert.ok('admitted' in answer, JSON.stringify(answer))
  return answer.admitted
}
const rejected = (definition: FleetDefinition, task?: Partial<TaskSubmitted>) => {
  const answer = admission(definition, task)
  assert.ok('rejected' in answer, JSON.stringify(answer))
  return answer.rejected
}

const faq: AgentDefinition = { mode: 'tools', tools: ['get_weather'] }

test("an agent's tools are what its tasks get: with agents configured there is no other way in", () => {
  assert.deepEqual(admitted({ agents: { faq } }, { agent: 'faq' }).tools, ['get_weather'])
  const unnamed = admitted({ agents: { faq } })
  assert.deepEqual([unnamed.agent, unnamed.tools], ['faq', ['get_weather']])
  const other = rejected({ agents: { faq } }, { agent: 'default' })
  assert.deepEqual([other.code, /Known agents: faq\./.test(other.message)], ['AGENT_UNKNOWN', true])
})

test('a task that names no agent: the only one, the default one, the one that is said to be; else it is rejected', () => {
  assert.equal(admitted({}).agent, 'default')
  assert.equal(admitted({ agents: {} }).agent, 'default')
  assert.equal(admitted({ agents: { faq, default: {} } }).agent, 'default')
  assert.equal(admitted({ agents: { faq, clerk: {} }, defaultAgent: 'clerk' }).agent, 'clerk')
  const { code, message } = rejected({ agents: { faq, clerk: {} } })
  assert.equal(code, 'AGENT_UNKNOWN')
  assert.match(message, /names no agent, and this fleet has several: clerk, faq.*defaultAgent/)
  assert.throws(
    () => admission({ agents: { faq }, defaultAgent: 'nobody' }),
    /defaultAgent: no agent named nobody; there are: faq/,
  )
})

test('a profile may be named where the agent binds none, as long as its executor is the default one', () => {
  const own: FleetDefinition = { agents: { faq } }
  assert.equal(admitted(own, { profile: 'economy' }).models[0], 'gpt-3.5-turbo')
  assert.equal(rejected(own, { profile: 'native' }).code, 'OVERRIDE_NOT_ALLOWED')
  assert.equal(rejected(own, { profile: 'economy', model: 'gpt-4o' }).code, 'OVERRIDE_NOT_ALLOWED')
  const bound: [string, FleetDefinition][] = [
    ['its own profile', { agents: { faq: { ...faq, profile: 'accurate' } } }],
    ['its own strategy', { agents: { faq: { ...faq, strategy: 'balanced' } } }],
    ['a no of the agent', { agents: { faq: { ...faq, overrides: { profile: false } } } }],
    ['a no of the fleet', { agents: { faq }, overrides: { profile: false } }],
    ['a list', { agents: { faq }, overrides: { profile: ['accurate'] } }],
  ]
  for (const [what, definition] of bound)
    assert.equal(rejected(definition, { profile: 'economy' }).code, 'OVERRIDE_NOT_ALLOWED', what)
})

const wishes: [Partial<TaskSubmitted>, Overrides][] = [
  [{ mode: 'code' }, { mode: true }],
  [{ model: 'groq/other' }, { model: true }],
  [{ model: 'groq/other' }, { model: ['groq/*'] }],
  [{ profile: 'native' }, { profile: ['native'] }],
  [{ strategy: 'balanced' }, { strategy: true }],
  [{ maxSteps: 51 }, { maxSteps: 60 }],
  [{ timeoutMs: 3_600_001 }, { timeoutMs: 4_000_000 }],
]
for (const [task, overrides] of wishes) {
  const [field = ''] = Object.keys(task)
  test(`${JSON.stringify(task)} needs ${JSON.stringify(overrides)}, of the agent or of the fleet`, () => {
    const { code, message } = rejected({ agents: { faq } }, task)
    assert.equal(code, 'OVERRIDE_NOT_ALLOWED')
    assert.ok(message.includes(`agents.faq.overrides.${field}`), message)
    admitted({ agents: { faq: { ...faq, overrides } } }, task)
    admitted({ agents: { faq }, overrides }, task)
    const off = { [field]: typeof Object.values(task)[0] === 'number' ? 1 : false }
    assert.equal(
      rejected(
        { agents: { faq: { ...faq, overrides: off } }, overrides },
        { ...task, maxSteps: task.maxSteps ?? 1 },
      ).code,
      'OVERRIDE_NOT_ALLOWED',
    )
    if (field === 'mode') return // The built-in agent's mode is code already.
    admitted({}, task)
    assert.equal(rejected({ overrides: off }, task).code, 'OVERRIDE_NOT_ALLOWED')
  })
}

test('what is not on the list is refused, and all of it is told at once', () => {
  const overrides = { model: ['gpt-4o', 'groq/llama-*'], profile: ['fast'] }
  const task = { model: 'groq/other', profile: 'native', mode: 'code', maxSteps: 61 } as const
  const { message } = rejected({ agents: { faq: { ...faq, overrides } } }, task)
  assert.match(message, /mode code; profile native; model groq\/other; maxSteps 61, but 60 is the most/)
  admitted({ agents: { faq: { ...faq, overrides } } }, { model: 'groq/llama-x' })
})

test('to ask for what the agent has anyway, or for less, is no choice', () => {
  const agent: AgentDefinition = { mode: 'tools', profile: 'native', strategy: 'balanced' }
  const same = { mode: 'tools', profile: 'native', model: 'gpt-4o', strategy: 'balanced' } as const
  assert.equal(
    admitted({ agents: { a: agent } }, { ...same, maxSteps: 60, timeoutMs: 5_000_000 }).executor,
    'native',
  )
  assert.equal(admitted({ agents: { a: agent } }, { maxSteps: 1, timeoutMs: 1 }).maxSteps, 1)
  assert.equal(admitted({ agents: { a: {} } }, { maxSteps: 50, timeoutMs: 3_600_000 }).maxSteps, 50)
})

test('a maximum of money holds for tasks that ask for none, and may be lowered', () => {
  const agents = { faq: { ...faq, overrides: { maxCost: 0.5 } } }
  assert.deepEqual([admitted({ agents }).maxCost, admitted({ agents }, { maxCost: 0.1 }).maxCost], [0.5, 0.1])
  assert.match(rejected({ agents }, { maxCost: 1 }).message, /maxCost 1, but 0\.5 is the most/)
  assert.equal(admitted({ agents: { faq } }, { maxCost: 100 }).maxCost, 100)
})

test('mistakes in overrides are told with their path', () => {
  const load = (definition: object) => () => completeFleet(definition, environment, 'test')
  assert.throws(
    load({ agents: { a: { overrides: { profile: ['nope'] } } } }),
    /agents\.a\.overrides\.profile: no profile named nope/,
  )
  assert.throws(load({ overrides: { model: 'gpt-4o' } }), /overrides\.model: must be true, false or a list/)
  assert.throws(load({ overrides: { executor: true } }), /overrides\.executor: there is no such setting/)
})
