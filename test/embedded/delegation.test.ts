// Agents that ask other agents, in a whole fleet on the embedded log.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { defineTool } from '../../runtime/config/define.ts'
import type { FleetDefinition } from '../../runtime/config/fleet.ts'
import type { Exchange } from '../../runtime/scripted-model/exchange.ts'
import type { Turn } from '../../runtime/scripted-model/conversations.ts'
import { httpOperator, type Operator } from '../../operator/index.ts'
import { directOperator, openParts } from '../../operator/direct/index.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import { homeOf } from '../../runtime/log/home.ts'
import { emptyTask } from '../../schemas/task-fields.ts'
import { taskStages } from '../../services/index.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const wait = defineTool({
  name: 'wait',
  description: 'Waits until it is stopped.',
  input: { type: 'object' },
  run: (_, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
})

const definition: FleetDefinition = {
  tools: [wait],
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
  wait: [{ toolCalls: [ask('researcher', 'wait 1')] }],
  'wait 1': [{ toolCalls: [ask('critic', 'wait 2')] }],
  'wait 2': [{ toolCalls: [{ name: 'wait', arguments: {} }] }],
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
let operator: Operator
before(async () => {
  fleet = await startTestFleet({ definition, model: { script }, http: true })
  operator = httpOperator(fleet.process.url ?? '')
})
after(() => fleet.stop())

async function run(text: string, more: object = {}) {
  const { taskId } = await fleet.client.submit({ text, ...more })
  return fleet.client.result(taskId, { timeoutMs: 120_000 })
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
    calls.map(({ child }) => fleet.client.result(child?.taskId ?? '', { timeoutMs: 120_000 })),
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
    const child = await fleet.client.result(next?.child?.taskId ?? '', { timeoutMs: 120_000 })
    costs += child.usage.cost
    next = callsOf(child)[0]
  }
  assert.equal(next?.error?.code, 'DELEGATION_LIMIT')
  assert.match(next?.error?.message ?? '', /at most 3 levels .*lead → researcher → critic → deepest → beyond/)
  assert.ok(Math.abs((result.childrenCost ?? 0) - costs) < 1e-9)
})

test('an agent that is above in the chain is not asked again', async () => {
  const result = await run('circle')
  const child = await fleet.client.result(callsOf(result)[0]?.child?.taskId ?? '', { timeoutMs: 120_000 })
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

test('status, list and API show the tree with the cost of each', async () => {
  const result = await run('deep', { userId: 'ann' })
  await eventually('metering has read all of it', async () => {
    const { tasks, more } = await operator.tasks.tree(result.taskId)
    if (tasks.length < 4 || tasks.some(({ completedAtMs }) => completedAtMs === null)) return false
    assert.deepEqual(
      tasks.map(({ agent, depth, userId }) => [agent, depth, userId]),
      [
        ['lead', 0, 'ann'],
        ['researcher', 1, 'ann'],
        ['critic', 2, 'ann'],
        ['deepest', 3, 'ann'],
      ],
    )
    const total = result.usage.cost + (result.childrenCost ?? 0)
    assert.ok(Math.abs((tasks[0]?.totalCost ?? 0) - total) < 1e-9)
    assert.equal(more, false)
    return true
  })
})

test('a fork gets the recorded answers, and no task is run; live, it asks again', async () => {
  const origin = await run('both')
  const submissions = () => countOf('tasks.submitted')
  for (const fromStep of [1, 2]) {
    const before = await submissions()
    const { taskId } = await operator.forks.fork(origin.taskId, { fromStep })
    const forked = await fleet.client.result(taskId, { timeoutMs: 120_000 })
    assert.equal(forked.output, 'both are in', JSON.stringify(forked.error))
    assert.deepEqual([await submissions(), forked.childrenCost], [before + 1, null])
  }
  const before = await submissions()
  const { taskId } = await operator.forks.fork(origin.taskId, { tools: 'live' })
  const live = await fleet.client.result(taskId, { timeoutMs: 120_000 })
  assert.equal(await submissions(), before + 3)
  const ids = callsOf(live).map(({ child }) => child?.taskId)
  assert.ok(ids.every((id) => id !== undefined && !callsOf(origin).some(({ child }) => child?.taskId === id)))
})

async function countOf(topic: 'tasks.submitted'): Promise<number> {
  const ranges = await fleet.process.log.ranges([topic])
  return ranges.reduce((sum, { next }) => sum + next, 0)
}

test('a replay decides the same, for the asking task and for the one that was asked', async () => {
  const result = await run('both')
  const { log, codec, stores } = fleet.process
  const environment = readEnvironment({ FLOTILLA_SCRIPTED_URL: 'http://127.0.0.1:1' })
  const configured = completeFleet({ tools: [], ...definition }, environment, 'test')
  const parts = openParts({ ...stores, log, codec, fleet: configured, environment }, taskStages)
  const direct = directOperator(parts)
  for (const taskId of [result.taskId, ...callsOf(result).map(({ child }) => child?.taskId ?? '')]) {
    const { same, stages } = await direct.forks.replay(taskId)
    assert.ok(same, JSON.stringify(stages))
  }
})

test('a cancel of the root ends every task below it', async () => {
  const { taskId } = await fleet.client.submit({ text: 'wait' })
  const chain = await eventually('three tasks wait for each other', async () => {
    const { tasks } = await operator.tasks.tree(taskId)
    return tasks.length === 3 && tasks
  })
  await fleet.client.cancel(taskId)
  for (const { taskId: id } of chain) {
    const { status } = await fleet.client.result(id, { timeoutMs: 120_000 })
    assert.equal(status, 'cancelled')
  }
})

test('nobody can answer a call of somebody else: not by parent, nor by the id of a task that runs', async () => {
  const { taskId } = await fleet.client.submit({ text: 'wait' })
  const chain = await eventually('three tasks wait for each other', async () => {
    const { tasks } = await operator.tasks.tree(taskId)
    return tasks.length === 3 && tasks
  })
  const child = chain[1]?.taskId ?? ''
  const { log, codec } = fleet.process
  const forged = {
    ...emptyTask,
    text: 'facts',
    parent: taskId,
    askedBy: { taskId, callId: `${taskId}.1.0`, agents: [] },
  }
  for (const named of ['forged-1', child]) {
    const value = codec.encode('TaskSubmitted', { ...forged, taskId: named }, 'tasks.submitted')
    await log.publish([
      { topic: 'tasks.submitted', partition: homeOf(named, log.partitions), key: named, value, headers: {} },
    ])
  }
  const result = await fleet.client.result('forged-1', { timeoutMs: 120_000 })
  assert.equal(result.output, 'the facts')
  assert.equal(await fleet.client.find(taskId), null, 'it still waits for its own')
  await fleet.client.cancel(taskId)
  assert.equal((await fleet.client.result(child, { timeoutMs: 120_000 })).status, 'cancelled')
})
