import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AgentDefinition, FleetDefinition } from '../../../../runtime/config/fleet.ts'
import { readEnvironment } from '../../../../runtime/config/environment.ts'
import { completeFleet } from '../../../../runtime/config/load.ts'
import { agentTools, argumentProblems, taskOf } from '../../../../services/gateway/mcp/agent-tools.ts'

const fleetOf = (agents: Record<string, AgentDefinition>, more: FleetDefinition = {}) =>
  completeFleet({ agents, ...more }, readEnvironment({}), 'test')
const toolOf = (agent: AgentDefinition, more?: FleetDefinition) => {
  const [tool] = agentTools(fleetOf({ a: agent }, more), null)
  assert.ok(tool)
  return tool
}
const fieldsOf = (agent: AgentDefinition, more?: FleetDefinition) =>
  toolOf(agent, more).inputSchema['properties'] as Record<string, Record<string, unknown>>

describe('names', () => {
  test('are letters that the protocol allows, each once, whatever the key may use', () => {
    const fleet = fleetOf({ 'a b': {}, 'a.b': {}, 'a/b': {}, a_b: {}, secret: { mcp: false } })
    const names = (allowed: string[] | null) => agentTools(fleet, allowed).map(({ name }) => name)
    assert.deepEqual(names(null), ['a_b_2', 'a.b', 'a_b_3', 'a_b'])
    assert.deepEqual(names(['a/b', 'secret']), ['a_b_3'])
  })
})

describe('a text', () => {
  test('is taken with the limits that a task may change, and no more than it may', () => {
    const fields = fieldsOf({ overrides: { maxSteps: 7, maxCost: 2 } })
    assert.deepEqual(Object.keys(fields), ['text', 'maxSteps', 'timeoutMs', 'maxCost'])
    assert.deepEqual([fields['maxSteps']?.['maximum'], fields['maxCost']?.['maximum']], [7, 2])
    assert.equal(fields['text']?.['maxLength'], 10_000)
  })

  test('comes with the profiles and models that the agent leaves open', () => {
    const fields = fieldsOf({ overrides: { profile: ['fast', 'secure'], model: ['gpt-4o', 'groq/*'] } })
    assert.deepEqual(fields['profile']?.['enum'], ['fast', 'secure'])
    assert.deepEqual([fields['model']?.['type'], fields['model']?.['enum']], ['string', undefined])
    assert.ok('profile' in fieldsOf({}, { overrides: { profile: true } }))
    assert.equal('profile' in fieldsOf({ overrides: { profile: [] } }), false)
  })

  test('unknown and wrong arguments are problems', () => {
    const tool = toolOf({})
    assert.deepEqual(argumentProblems(tool, { text: 'x', maxSteps: 3 }), [])
    for (const wrong of [{}, { text: '' }, { text: 'x', agent: 'b' }, { text: 'x', maxSteps: 1.5 }])
      assert.equal(argumentProblems(tool, wrong).length, 1, JSON.stringify(wrong))
    assert.deepEqual(taskOf(tool, { text: 'x', maxSteps: 3 }), { text: 'x', maxSteps: 3, agent: 'a' })
  })
})

describe('fields', () => {
  const input = { type: 'object', properties: { order: { type: 'integer' } }, required: ['order'] }

  test("are the agent's own schema; its text is their JSON", () => {
    const tool = toolOf({ mcp: { input, tasks: 'always' }, outputSchema: { type: 'object' } })
    assert.deepEqual([tool.inputSchema, tool.outputSchema, tool.tasks], [input, { type: 'object' }, 'always'])
    assert.equal(argumentProblems(tool, { order: 'x' }).length, 1)
    assert.deepEqual(taskOf(tool, { order: 7 }), { text: '{"order":7}', agent: 'a' })
  })

  test('that can be no arguments are mistakes of the configuration', () => {
    const wrong: [unknown, RegExp][] = [
      [{ input: { type: 'string' } }, /must be of an object/],
      [{ input: { type: 'object', properties: { a: { type: 5 } } } }, /schema is invalid/],
      [{ input: { type: 'object', properties: { a: { 'x-mcp-header': 'A' } } } }, /x-mcp-header/],
      [{ tasks: 'sometimes' }, /mcp/],
      [true, /must be false, or/],
    ]
    for (const [mcp, message] of wrong)
      assert.throws(() => fleetOf({ a: { mcp } as AgentDefinition }), message, JSON.stringify(mcp))
  })
})
