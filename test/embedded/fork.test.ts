// Forks in a whole fleet: what was recorded is shared, and no tool is called again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import type { TaskResult } from '../../client/types.ts'
import { httpOperator, type ForkOptions, type Operator } from '../../operator/index.ts'
import { directOperator, openParts } from '../../operator/direct/index.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { FleetDefinition } from '../../runtime/config/fleet.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import { taskStages } from '../../services/index.ts'
import { defineTool } from '../../runtime/config/define.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { Conversation } from '../../runtime/scripted-model/conversations.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

let calls = 0
const bump = defineTool({
  name: 'bump',
  description: 'Counts its calls: an effect outside.',
  input: z.object({ by: z.number() }),
  output: z.number(),
  run: ({ by }) => (calls += by),
})
const load = defineTool({
  name: 'load',
  description: 'Returns much.',
  input: z.object({}),
  output: z.string(),
  run: () => {
    calls++
    return 'x'.repeat(600_000)
  },
  maxOutputBytes: 1_000_000,
})

const fails = defineTool({
  name: 'fails',
  description: 'Fails.',
  input: z.object({}),
  idempotent: true,
  retries: 1,
  run: () => {
    throw new FlotillaError('TOOL_UNAVAILABLE', 'not now')
  },
})

let entered = Promise.withResolvers<void>()
let opened = Promise.withResolvers<void>()
const gate = defineTool({
  name: 'gate',
  description: 'Waits.',
  input: z.object({}),
  output: z.string(),
  run: async () => {
    entered.resolve()
    await opened.promise
    return 'open'
  },
})

const python = (code: string) => ({ text: `I go on.\n\`\`\`python\n${code}\n\`\`\`` })
const call = (name: string, args: Record<string, number> = {}) => ({
  toolCalls: [{ name, arguments: args }],
})
const conversations: Conversation[] = [
  {
    title: 'tools',
    task: 'count with tools',
    mode: 'tools',
    turns: [call('bump', { by: 1 }), call('bump', { by: 1 }), { text: 'counted' }],
  },
  {
    title: 'code',
    task: 'count with python',
    mode: 'code',
    turns: [
      python('import random, time\na = bump(by=10)\nprint(a, random.random(), time.time())'),
      python('b = bump(by=10)\nprint(a + b, random.random())'),
      python('final_answer([a, b])'),
    ],
  },
  {
    title: 'wrong',
    task: 'fail with tools',
    mode: 'tools',
    turns: [call('fails'), call('missing'), { text: 'not JSON' }, { text: '{"n": 1}' }],
  },
  {
    title: 'waits with tools',
    task: 'wait with tools',
    mode: 'tools',
    turns: [call('bump', { by: 1 }), call('bump', { by: 2 }), call('gate'), { text: 'waited' }],
  },
  {
    title: 'waits with code',
    task: 'wait with python',
    mode: 'code',
    turns: [python('a = bump(by=10)\nprint(a)'), python('gate()'), python('final_answer(a)')],
  },
  {
    title: 'tries',
    task: 'try with python',
    mode: 'code',
    turns: [
      python('try:\n    a = bump(by=100)\nexcept Exception as error:\n    a = str(error)\nprint(a)'),
      python('b = bump(by=100)\nprint(b)'),
      python('final_answer([a, b])'),
    ],
  },
  { title: 'large', task: 'load much', mode: 'tools', turns: [call('load'), { text: 'loaded' }] },
]

const definition: FleetDefinition = {
  tools: [bump, load, fails, gate],
  agents: { default: { mode: 'tools' }, coder: { mode: 'code' } },
  defaultAgent: 'default',
  overrides: { mode: true, model: true, instructions: true, timeoutMs: 86_400_000 },
}

let fleet: TestFleet
let operator: Operator

before(async () => {
  fleet = await startTestFleet({
    definition,
    model: { conversations },
    http: true,
  })
  operator = httpOperator(fleet.process.url ?? '')
})
after(() => fleet.stop())

const LIMIT = { timeoutMs: 120_000 }

async function run(task: { text: string; agent?: string }): Promise<TaskResult> {
  const { taskId } = await fleet.client.submit(task)
  const result = await fleet.client.result(taskId, LIMIT)
  assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  return result
}

/** The fork's result, and that no tool was called for it. */
async function fork(origin: TaskResult, options: ForkOptions = {}): Promise<TaskResult> {
  const before = calls
  const { taskId } = await operator.forks.fork(origin.taskId, options)
  const result = await fleet.client.result(taskId, LIMIT)
  if (options.tools !== 'live') assert.equal(calls, before, 'a tool was called')
  assert.deepEqual([result.forkedFrom, result.forkedFromStep], [origin.taskId, options.fromStep ?? 1])
  return result
}

const outputsOf = ({ steps }: TaskResult) =>
  steps.flatMap(({ toolCalls }) => toolCalls.map(({ output }) => output))

test('tools mode: a fork gets the recorded outcomes, shared steps cost nothing, and compare finds no difference', async () => {
  const origin = await run({ text: 'count with tools' })
  for (const fromStep of [1, 2, 3]) {
    const forked = await fork(origin, { fromStep })
    assert.equal(forked.status, 'succeeded', JSON.stringify(forked.error))
    assert.deepEqual([forked.output, outputsOf(forked)], [origin.output, outputsOf(origin)])
    assert.deepEqual([forked.usage.modelCalls, forked.usage.toolCalls], [4 - fromStep, 0])
    assert.deepEqual(
      forked.steps.map(({ recorded }) => recorded ?? false),
      [1, 2, 3].map((step) => step < fromStep),
    )
    const compared = await operator.forks.compare(origin.taskId, forked.taskId)
    assert.deepEqual([compared.firstDifference, compared.sameOutput], [null, true])
  }
  // The ledger comes after the results.
  await eventually('they are listed', async () => {
    const { tasks } = await operator.tasks.list({ parent: origin.taskId })
    return tasks.length === 3
  })
})

test('code mode: Python is rebuilt with its seed, its clock and the recorded outcomes', async () => {
  const origin = await run({ text: 'count with python', agent: 'coder' })
  for (const fromStep of [2, 3]) {
    const forked = await fork(origin, { fromStep })
    assert.equal(forked.status, 'succeeded', JSON.stringify(forked.error))
    assert.deepEqual(forked.output, origin.output)
    assert.equal(forked.steps[0]?.observation, origin.steps[0]?.observation)
    assert.equal(forked.steps[0]?.toolCalls[0]?.recorded, true)
    // A fork of a fork has what answered the first one.
    if (fromStep === 3) assert.deepEqual((await fork(forked, { fromStep: 3 })).output, origin.output)
  }
  assert.deepEqual((await fork(origin)).output, origin.output)
})

test('refused calls are reported, in both modes; live tools are called', async () => {
  const tools = await run({ text: 'count with tools' })
  const refused = await fork(tools, { tools: 'refuse', fromStep: 2 })
  assert.deepEqual(
    refused.refusedCalls.map(({ step, tool, arguments: args }) => [step, tool, args]),
    [[2, 'bump', { by: 1 }]],
  )
  const before = calls
  assert.equal((await fork(tools, { tools: 'live', fromStep: 2 })).status, 'succeeded')
  assert.equal(calls, before + 1)
  const code = await run({ text: 'count with python', agent: 'coder' })
  const python = await fork(code, { tools: 'refuse' })
  assert.equal(python.refusedCalls[0]?.tool, 'bump')
})

test('a fork of a fork: what a policy refused in its shared steps is refused again, and in later ones by the policy of now', async () => {
  const origin = await run({ text: 'try with python', agent: 'coder' })
  const refused = await fork(origin, { tools: 'refuse' })
  assert.deepEqual(
    refused.refusedCalls.map(({ step }) => step),
    [1, 2],
  )
  const before = calls
  const again = await fork(refused, { fromStep: 2, tools: 'live' })
  assert.equal(again.status, 'succeeded', JSON.stringify(again.error))
  assert.equal(calls, before + 100, 'the call of the shared step was not made, the other was')
  assert.match(JSON.stringify(again.output), /was not called: every call is refused/)
})

test('a recording that is too large for the log travels through the blob store', async () => {
  const origin = await run({ text: 'load much' })
  const forked = await fork(origin, { fromStep: 2 })
  assert.equal(forked.status, 'succeeded', JSON.stringify(forked.error))
  assert.deepEqual(outputsOf(forked), outputsOf(origin))
})

test('what can’t be forked is refused with the reason', async () => {
  const origin = await run({ text: 'count with tools' })
  const refused = (code: string, message: RegExp) => (error: unknown) =>
    error instanceof FlotillaError && error.code === code && message.test(error.message)
  await assert.rejects(operator.forks.fork('nobody'), refused('TASK_UNKNOWN', /nobody/))
  await assert.rejects(
    operator.forks.fork(origin.taskId, { fromStep: 4 }),
    refused('REQUEST_INVALID', /3 steps/),
  )
  await assert.rejects(operator.forks.compare(origin.taskId, 'nobody'), refused('TASK_UNKNOWN', /nobody/))
  const other = await fork(origin, { agent: 'coder', fromStep: 2 })
  assert.deepEqual([other.status, other.error?.code], ['rejected', 'TASK_INVALID'])
  const forged = await fleet.client.submit({ text: 'x', recording: { outcomes: [] } })
  assert.equal((await fleet.client.result(forged.taskId, LIMIT)).toolPolicy, 'recorded')
})

test('a task that still runs is forked from a step that has ended, and from no other', async () => {
  const refusedOpen = (message: RegExp) => (error: unknown) =>
    error instanceof FlotillaError && error.code === 'TASK_OPEN' && message.test(error.message)
  for (const { text, agent, steps } of [
    { text: 'wait with tools', agent: 'default', steps: 2 },
    { text: 'wait with python', agent: 'coder', steps: 1 },
  ]) {
    entered = Promise.withResolvers()
    opened = Promise.withResolvers()
    const { taskId } = await fleet.client.submit({ text, agent })
    await entered.promise
    const before = calls
    for (let fromStep = 1; fromStep <= steps; fromStep += 1) {
      const forked = await operator.forks.fork(taskId, { fromStep })
      const result = await fleet.client.result(forked.taskId, LIMIT)
      assert.deepEqual([result.forkedFrom, result.forkedFromStep], [taskId, fromStep])
      assert.deepEqual(result.steps.map(({ recorded }) => recorded ?? false).slice(0, 2), [
        1 < fromStep,
        2 < fromStep,
      ])
      assert.deepEqual(
        result.refusedCalls.map(({ tool }) => tool),
        ['gate'],
        'what has no outcome yet is refused',
      )
      assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
      if (fromStep > 1) assert.equal(result.steps[0]?.toolCalls[0]?.output, before - 2)
    }
    assert.equal(calls, before, 'a tool was called')
    await assert.rejects(operator.forks.fork(taskId), refusedOpen(new RegExp(`--from-step 1 to ${steps}`)))
    await assert.rejects(
      operator.forks.fork(taskId, { fromStep: steps + 1 }),
      refusedOpen(new RegExp(`step ${steps + 1} neither`)),
    )
    await assert.rejects(operator.forks.replay(taskId), refusedOpen(/not ended/))
    opened.resolve()
    const ended = await fleet.client.result(taskId, LIMIT)
    assert.equal(ended.status, 'succeeded')
    assert.equal((await fork(ended, { fromStep: steps + 1 })).status, 'succeeded')
  }
})

test('replay: every decision comes out the same, of tasks, of forks, and of those that went wrong', async () => {
  const origin = await run({ text: 'count with tools' })
  const code = await run({ text: 'count with python', agent: 'coder' })
  const ids = [origin.taskId, code.taskId]
  for (const fromStep of [1, 2]) {
    ids.push((await fork(origin, { fromStep })).taskId, (await fork(code, { fromStep })).taskId)
    ids.push((await fork(origin, { fromStep, tools: 'refuse' })).taskId)
  }
  ids.push((await fork(origin, { agent: 'coder', fromStep: 2 })).taskId)
  for (const id of ids) {
    const replayed = await operator.forks.replay(id)
    assert.deepEqual(
      replayed.stages.flatMap(({ divergence }) => divergence ?? []),
      [],
      id,
    )
    assert.ok(replayed.same)
    assert.ok(replayed.stages.some(({ compared }) => compared > 0))
  }
  await assert.rejects(
    operator.forks.replay('nobody'),
    (error) => error instanceof FlotillaError && error.code === 'TASK_UNKNOWN',
  )
})

test('replay: another configuration is a divergence that names stage, event and field', async () => {
  const { taskId } = await run({ text: 'count with tools' })
  const { log, codec, stores } = fleet.process
  const environment = readEnvironment({ FLOTILLA_SCRIPTED_URL: fleet.model.url })
  const tighter = { ...definition, models: { profiles: {} }, agents: { default: { mode: 'code' as const } } }
  const parts = openParts(
    { log, codec, ...stores, environment, fleet: completeFleet(tighter, environment, 'test') },
    taskStages,
  )
  const { same, stages } = await directOperator(parts).forks.replay(taskId)
  assert.equal(same, false)
  const [router] = stages
  assert.equal(router?.divergence?.stage, 'router')
  assert.equal(router?.divergence?.eventType, 'TaskSubmitted')
  assert.match(router?.divergence?.what ?? '', /TaskAdmitted\.mode is now "code", and was "tools"/)
})
