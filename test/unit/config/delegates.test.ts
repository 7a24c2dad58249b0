import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { delegatesOf, toolNamesOf, toolSpecs } from '../../../runtime/config/delegates.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import type { FleetDefinition } from '../../../runtime/config/fleet.ts'
import { completeFleet } from '../../../runtime/config/load.ts'

const tool = (name: string, reads?: 'untrusted' | 'private') =>
  defineTool({
    name,
    description: 'A tool.',
    input: { type: 'object' },
    ...(reads && { reads }),
    run: () => null,
  })
const fleetOf = (definition: FleetDefinition) => completeFleet(definition, readEnvironment({}), 'test')

test('delegates are tools of the agents that list them, and of no other', () => {
  const agents = {
    lead: { tools: [], delegates: ['helper', { agent: 'the writer', handoff: true }] },
    helper: { description: 'Helps\n  a lot.' },
    'the writer': {},
  }
  const fleet = fleetOf({ tools: [tool('look')], agents })
  assert.deepEqual(toolNamesOf(fleet, 'lead'), ['ask_helper', 'hand_off_to_the_writer'])
  assert.deepEqual(toolNamesOf(fleet, 'helper'), ['look'], 'all tools, but no agents')
  assert.deepEqual(delegatesOf(fleet, '__proto__'), [])
  const specs = toolSpecs(fleet)
  assert.deepEqual(
    specs.map(({ name }) => name),
    ['look', 'ask_helper', 'hand_off_to_the_writer'],
  )
  assert.match(
    specs[1]?.description ?? '',
    /^Asks the agent helper and returns its answer\. helper: Helps a lot\.$/,
  )
  assert.deepEqual(specs[2]?.delegate, { agent: 'the writer', handoff: true })
})

test('an agent answers with what its tools read, and those of the agents that it asks, in circles too', () => {
  const agents = {
    lead: { tools: [], delegates: ['a'] },
    a: { tools: ['look'], delegates: ['b'] },
    b: { tools: ['page'], delegates: ['a'] },
  }
  const fleet = fleetOf({ tools: [tool('look', 'private'), tool('page', 'untrusted')], agents })
  const reads = new Map(toolSpecs(fleet).map(({ name, reads: kinds }) => [name, kinds?.toSorted()]))
  assert.deepEqual(reads.get('ask_a'), ['private', 'untrusted'])
  assert.deepEqual(reads.get('ask_b'), ['private', 'untrusted'])
})

test('every mistake is named with its place', () => {
  const long = 'a'.repeat(70)
  const agents = {
    lead: { delegates: ['nobody', 'helper', 'helper', 'a b', 'a_b', long] },
    helper: {},
    'a b': {},
    a_b: {},
    [long]: {},
    wrong: { delegates: [{ agent: 'helper', maxCost: 0 }, 7] as never },
  }
  const mistakes = [
    /agents\.lead\.delegates\.0: no agent named nobody/,
    /agents\.lead\.delegates\.1: the tool ask_helper has the name/,
    /agents\.lead\.delegates\.2: helper is listed twice/,
    /agents\.lead\.delegates\.4: the agents a b and a_b would both be the tool ask_a_b/,
    /agents\.lead\.delegates\.5: .*longer than 64 characters/,
    /agents\.wrong\.delegates\.0/,
    /agents\.wrong\.delegates\.1/,
  ]
  assert.throws(
    () => fleetOf({ tools: [tool('ask_helper')], agents }),
    (error: Error) => mistakes.every((mistake) => mistake.test(error.message)) || assert.fail(error.message),
  )
  const pair = { lead: { delegates: ['a.b', 'a_b'] }, 'a.b': {}, a_b: {} }
  assert.throws(
    () => fleetOf({ agents: pair }),
    ({ message }: Error) => !message.includes('listed twice') && message.includes('would both be the tool'),
  )
})

test('the limits have defaults, and bounds', () => {
  assert.deepEqual(fleetOf({}).limits.delegation, { depth: 3, tasks: 100 })
  assert.throws(() => fleetOf({ limits: { delegation: { depth: 11 } } }), /limits\.delegation\.depth/)
})
