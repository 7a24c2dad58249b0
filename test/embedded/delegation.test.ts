// Agents that ask other agents, in a whole fleet on the embedded log.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { FleetDefinition } from '../../runtime/config/fleet.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import type { Turn } from '../../runtime/scripted-model/conversations.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const definition: FleetDefinition = {
  agents: {
    lead: {
      mode: 'tools',
      delegates: ['researcher', { agent: 'critic', maxCost: 5 }, { agent: 'writer', handoff: true }],
    },
    coder: { mode: 'code', delegates: ['researcher', { agent: 'writer', handoff: true }] },
    researcher: { mode: 'tools', description: 'Looks things up.', delegates: ['critic', 'lead'] },
    critic: { mode: 'tools', delegates: ['deepest'] },
    deepest: { mode: 'tools', delegates: ['beyond'] },
    beyond: { mode: 'tools' },
    writer: { mode: 'tools' },
  },
  defaultAgent: 'lead',
  models: { prices: [{ model: 'scripted/', input: 1_000, output: 1_000 }] },
}

const ask = (agent: string, task: string, more: object = {}) => ({
  name: `ask_${agent}`,
  arguments: { task, ...more },
})

/** By the task's text and turn. */
const turns: Record<string, readonly Turn[]> = {
  both: [{ toolCalls: [ask('researcher', 'facts'), ask('critic', 'doubts')] }, { text: 'both are in' }],
  facts: [{ text: 'the facts' }],
  doubts: [{ text: 'the doubts' }],
  deep: [{ toolCalls: [ask('researcher', 'deep 1')] }, { text: 'top' }],
  'deep 1': [{ toolCalls: [ask('critic', 'deep 2')] }, { text: 'first' }],
  'deep 2': [{ toolCalls: [ask('deepest', 'deep 3')] }, { text: 'second' }],
  'deep 3': [{ toolCalls: [ask('beyond', 'deep 4')] }, { text: 'third' }],
  circle: [{ toolCalls: [ask('researcher', 'circle 1')] }, { text: 'top' }],
  'circle 1': [{ toolCalls: [ask('lead', 'both')] }, { text: 'no way' }],
  handoff: [{ toolCalls: [{ name: 'hand_off_to_writer', arguments: { task: 'write it' } }] }],
  'write it': [{ text: 'a fine text' }],
  'in python': [
    {
      text: "```python\na = ask_researcher('facts')\nb = ask_researcher(task='facts')\nfinal_answer([a, b])\n```",
    },
  ],
  'python handoff': [
    { text: "```python\nx = hand_off_to_writer('write it')\nfinal_answer('not ' + x)\n```" },
  ],
  refused: [{ toolCalls: [ask('researcher', 'exec(1)'), ask('critic', '')] }, { text: 'I see' }],
}

const script = ({ task, turn }: Exchange): Turn | undefined => turns[task]?.[turn]

let fleet: TestFleet
before(async () => {
  fleet = await startTestFleet({ definition, model: { script } })
})
after(() => fleet.stop())

async function run(text: string, more: object = {}) {
  const { taskId } = await fleet.client.submit({ text, ...more })
  return fleet.client.result(taskId, { timeoutMs: 20_000 })
}

const callsOf = ({ steps }: Awaited<ReturnType<typeof run>>) => steps.flatMap(({ toolCalls }) => toolCalls)

test('a lead asks two agents in parallel: each call is one task of its own, in one trace, and its cost adds up', async () => {
  const result = await run('both')
  assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  const calls = callsOf(result)
  assert.deepEqual(
    calls.map(({ tool, status, output }) => [tool, status, output]),
    [
      ['ask_researcher', 'succeeded', 'the facts'],
      ['ask_critic', 'succeeded', 'the doubts'],
    ],
  )
  const children = await Promise.all(
    calls.map(({ child }) => fleet.client.result(child?.taskId ?? '', { timeoutMs: 5_000 })),
  )
  assert.deepEqual(
    children.map(({ agent, traceId, userId }) => [agent, traceId, userId]),
    [
      ['researcher', result.traceId, null],
      ['critic', result.traceId, null],
    ],
  )
  const cost = children.reduce((sum, child) => sum + child.usage.cost, 0)
  assert.ok(cost > 0)
  assert.equal(result.childrenCost, cost)
})

test('three levels deep is the default; the fourth is refused with the reason, and the cost of all is in the root', async () => {
  const result = await run('deep')
  assert.equal(result.output, 'top')
  let costs = 0
  let next = callsOf(result)[0]
  for (const agent of ['researcher', 'critic', 'deepest']) {
    assert.equal(next?.child?.agent, agent)
    const child = await fleet.client.result(next?.child?.taskId ?? '', { timeoutMs: 5_000 })
    costs += child.usage.cost
    next = callsOf(child)[0]
  }
  assert.equal(next?.error?.code, 'DELEGATION_LIMIT')
  assert.match(next?.error?.message ?? '', /at most 3 levels .*lead → researcher → critic → deepest → beyond/)
  assert.ok(Math.abs((result.childrenCost ?? 0) - costs) < 1e-9)
})

test('an agent that is above in the chain is not asked again', async () => {
  const result = await run('circle')
  const child = await fleet.client.result(callsOf(result)[0]?.child?.taskId ?? '', { timeoutMs: 5_000 })
  const [refused] = callsOf(child)
  assert.equal(refused?.error?.code, 'DELEGATION_LIMIT')
  assert.match(refused?.error?.message ?? '', /lead → researcher → lead/)
})

test('a handoff ends the task with the answer of the agent that took it over', async () => {
  const result = await run('handoff')
  assert.deepEqual([result.status, result.output, result.usage.modelCalls], ['succeeded', 'a fine text', 1])
})

test('Python asks agents as functions, and a handoff ends its step', async () => {
  const asked = await run('in python', { agent: 'coder' })
  assert.deepEqual(asked.output, ['the facts', 'the facts'], JSON.stringify(asked.error))
  const calls = callsOf(asked)
  assert.equal(new Set(calls.map(({ child }) => child?.taskId)).size, 2)
  const cost = calls.reduce((sum, { child }) => sum + (child?.cost ?? 0), 0)
  assert.ok(cost > 0 && asked.childrenCost === cost)
  const taken = await run('python handoff', { agent: 'coder' })
  assert.equal(taken.output, 'a fine text', JSON.stringify(taken.error))
})

test('what the agent that is asked refuses is told to the one that asks', async () => {
  const result = await run('refused')
  const [rejected, empty] = callsOf(result)
  assert.deepEqual([rejected?.error?.code, empty?.error?.code], ['DELEGATE_FAILED', 'TOOL_ARGUMENTS_INVALID'])
  assert.match(rejected?.error?.message ?? '', /researcher did not succeed \(rejected\): TASK_TEXT_FORBIDDEN/)
})

test('a tree never costs more than the maxCost of its root, and who has nothing left is told', async () => {
  for (const maxCost of [2, 3, 5, 8, 13, 21]) {
    const result = await run('both', { maxCost })
    const total = result.usage.cost + (result.childrenCost ?? 0)
    assert.ok(total <= maxCost, `${total} of ${maxCost}`)
    if (result.status === 'failed') assert.equal(result.error?.code, 'COST_LIMIT')
  }
})
