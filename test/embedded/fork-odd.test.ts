// Forks of tasks that are long, were compacted, waited for people, asked other agents, or used a session's variables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineTool } from '../../runtime/config/define.ts'
import type { TaskResult } from '../../client/types.ts'
import { directOperator, openParts } from '../../operator/direct/index.ts'
import type { ForkOptions } from '../../operator/index.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { FleetDefinition } from '../../runtime/config/fleet.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import { taskStages } from '../../services/index.ts'
import { eventually } from '../conformance/waiting.ts'
import { calls, historyOf, python, run, says, startAnswering } from '../support/replayed-fleet.ts'

type Started = Awaited<ReturnType<typeof startAnswering>>

async function fork({ fleet, operator }: Started, origin: TaskResult, options: ForkOptions = {}) {
  const { taskId } = await operator.forks.fork(origin.taskId, options)
  return fleet.client.result(taskId, { timeoutMs: 120_000 })
}

const outputsOf = ({ steps }: TaskResult) =>
  steps.flatMap(({ toolCalls }) => toolCalls.map(({ output }) => output))

const LOADED = 600_000
let loaded = 0
const load = defineTool({
  name: 'load',
  description: 'Returns much.',
  input: z.object({ part: z.number() }),
  output: z.string(),
  maxOutputBytes: 1_000_000,
  run: ({ part }) => {
    loaded += 1
    return `${part} `.repeat(LOADED).slice(0, LOADED)
  },
})

test('a result that keeps the beginning and end of old steps only: a fork has all of them, or says why not', async (t) => {
  const parts = Array.from({ length: 30 }, (_, part) => calls(['load', { part }]))
  const definition: FleetDefinition = {
    tools: [load],
    limits: { input: { recordingBytes: 100_000_000 } },
    overrides: { maxSteps: 100, timeoutMs: 86_400_000 },
    compaction: { strategy: 'off' },
  }
  const started = await startAnswering(
    t,
    { 'load all': [...parts, says('loaded'), says('loaded')] },
    definition,
  )
  const { fleet, operator } = started
  const origin = await run(fleet, { text: 'load all', maxSteps: 40 })
  assert.equal(origin.status, 'succeeded', JSON.stringify(origin.error))
  const [first] = origin.steps
  assert.equal(first?.shortened, true)
  assert.match(String(first.toolCalls[0]?.output), /characters cut/)
  assert.equal(origin.steps.at(-2)?.shortened, undefined)
  const { steps = [], outcomes = [] } = await operator.forks.recording(origin.taskId, 2)
  const recorded = [...steps.flatMap(({ toolCalls }) => toolCalls), ...outcomes]
  assert.deepEqual(
    recorded.map(({ output }) => String(output).length),
    parts.map(() => LOADED),
  )
  assert.deepEqual(recorded[0]?.arguments, { part: 0 })
  const before = loaded
  const forked = await fork(started, origin, { fromStep: 31 })
  assert.deepEqual([forked.status, forked.output], ['succeeded', 'loaded'], JSON.stringify(forked.error))
  assert.equal(loaded, before)
  const compared = await operator.forks.compare(origin.taskId, forked.taskId)
  assert.deepEqual([compared.firstDifference, compared.sameOutput], [null, true])

  const { log, codec, stores } = fleet.process
  const environment = readEnvironment({ FLOTILLA_SCRIPTED_URL: fleet.model.url })
  const other = completeFleet({ ...definition, tools: [] }, environment, 'test')
  const elsewhere = directOperator(
    openParts({ log, codec, ...stores, environment, fleet: other }, taskStages),
  )
  await assert.rejects(elsewhere.forks.recording(origin.taskId, 2), {
    code: 'EVENTS_GONE',
    message: /has the beginning and end of step 1 only, and it can’t be decided again/,
  })
})

let looked = 0
const lookup = defineTool({
  name: 'lookup',
  description: 'Looks a record up.',
  input: z.object({ record: z.number() }),
  output: z.string(),
  idempotent: true,
  run: ({ record }) => {
    looked += 1
    return `record ${record}: ${'what it says, '.repeat(40)}`
  },
})

test('a task whose conversation was made shorter: the fork has the steps, and makes its own shorter', async (t) => {
  const many = Array.from({ length: 12 }, (_, record) => calls(['lookup', { record }]))
  const started = await startAnswering(
    t,
    { 'look all up': [...many, says('all seen'), ...many.slice(9), says('all seen again')] },
    { tools: [lookup], compaction: { atTokens: 1_200, keepRecent: 2 } },
  )
  const { fleet, operator } = started
  const origin = await run(fleet, { text: 'look all up' })
  assert.equal(origin.status, 'succeeded', JSON.stringify(origin.error))
  assert.ok((await historyOf(fleet, origin.taskId)).some(({ kind }) => kind === 'compacted'))
  const before = looked
  const forked = await fork(started, origin, { fromStep: 10 })
  assert.deepEqual([forked.status, forked.output], ['succeeded', 'all seen again'])
  assert.equal(looked, before)
  assert.deepEqual(outputsOf(forked), outputsOf(origin))
  assert.ok((await historyOf(fleet, forked.taskId)).some(({ kind }) => kind === 'compacted'))
  assert.equal((await operator.forks.compare(origin.taskId, forked.taskId)).firstDifference?.step, 13)
})

const payments: number[] = []
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({ amount: z.number() }),
  output: z.string(),
  requiresApproval: true,
  run: ({ amount }) => {
    payments.push(amount)
    return `paid ${amount}`
  },
})

test('calls that people approved, changed and declined answer again, and nobody is asked', async (t) => {
  const asks = calls(['pay', { amount: 1 }], ['pay', { amount: 2 }], ['pay', { amount: 3 }])
  const code = python(
    'for amount in (1, 2):\n    try:\n        print(pay(amount=amount))\n    except Exception as error:\n        print(error)',
  )
  const started = await startAnswering(
    t,
    {
      'pay all': [asks, says('done'), asks, says('done'), says('done')],
      'pay in python': [code, python('final_answer(1)'), code, python('final_answer(1)')],
    },
    { tools: [pay], agents: { default: { mode: 'tools' }, coder: { mode: 'code' } } },
  )
  const { fleet } = started
  for (const { text, agent, decisions } of [
    {
      text: 'pay all',
      agent: 'default',
      decisions: [
        { approved: true },
        { approved: true, arguments: { amount: 20 } },
        { approved: false, reason: 'too much' },
      ],
    },
    { text: 'pay in python', agent: 'coder', decisions: [{ approved: true }, { approved: false }] },
  ]) {
    const { taskId } = await fleet.client.submit({ text, agent })
    for (const [index, decision] of decisions.entries()) {
      const callId = `${taskId}.1.${index}`
      await eventually('the call waits', async () =>
        (await historyOf(fleet, taskId)).some(
          ({ kind, detail }) =>
            kind === 'approval_requested' && (detail as { callId: string }).callId === callId,
        ),
      )
      await fleet.client.approve({ taskId, callId, ...decision })
    }
    const origin = await fleet.client.result(taskId, { timeoutMs: 120_000 })
    assert.equal(origin.status, 'succeeded', JSON.stringify(origin.error))
    const before = payments.length
    const again = await fork(started, origin)
    assert.deepEqual([again.status, again.output], ['succeeded', origin.output], JSON.stringify(again.error))
    assert.deepEqual(
      again.steps.map(({ toolCalls }) => toolCalls.map(({ status }) => status)),
      origin.steps.map(({ toolCalls }) => toolCalls.map(({ status }) => status)),
    )
    assert.equal(again.steps[0]?.observation, origin.steps[0]?.observation)
    assert.deepEqual(again.refusedCalls, [])
    if (agent === 'default') {
      const shared = await fork(started, origin, { fromStep: 2 })
      assert.deepEqual(outputsOf(shared), outputsOf(origin))
    }
    assert.equal(payments.length, before)
  }
})

test('a call of another agent has its answer as outcome; only live asks the agent again', async (t) => {
  const ask = calls(['ask_helper', { task: 'settle it' }])
  const started = await startAnswering(
    t,
    {
      'ask the helper': [ask, says('settled'), ask, says('settled'), ask, says('settled')],
      'settle it': [says('it is'), says('it is now')],
    },
    {
      tools: [lookup],
      agents: { lead: { mode: 'tools', delegates: ['helper'] }, helper: { mode: 'tools' } },
      defaultAgent: 'lead',
    },
  )
  const { fleet, operator } = started
  const origin = await run(fleet, { text: 'ask the helper' })
  assert.deepEqual(outputsOf(origin), ['it is'])
  const childrenOf = async ({ taskId }: TaskResult) =>
    (await operator.tasks.list({ parent: taskId })).tasks.filter(({ agent }) => agent === 'helper').length
  const recorded = await fork(started, origin)
  assert.deepEqual([outputsOf(recorded), await childrenOf(recorded)], [['it is'], 0])
  const live = await fork(started, origin, { tools: 'live' })
  assert.deepEqual(outputsOf(live), ['it is now'])
  await eventually('its child is listed', async () => (await childrenOf(live)) === 1)
  assert.equal(live.childrenCost === null, false)
})

test('a turn that used variables of earlier ones: shared steps say that they come out differently', async (t) => {
  const started = await startAnswering(
    t,
    {
      'a second': [python('print(x)'), python('final_answer(x)'), python('final_answer(x)')],
      'a first': [python('x = 40\nfinal_answer(x)')],
    },
    { agents: { coder: { mode: 'code', keepVariables: true } }, defaultAgent: 'coder' },
  )
  const { fleet } = started
  const turn = { sessionId: 'numbers', userId: 'ann' }
  await run(fleet, { ...turn, text: 'a first' })
  const second = await run(fleet, { ...turn, text: 'a second' })
  assert.equal(second.output, 40)
  const forked = await fork(started, second, { fromStep: 2 })
  assert.deepEqual([forked.status, forked.error?.code], ['failed', 'FORK_DIVERGED'])
  assert.match(forked.error?.message ?? '', /NameError|not defined/)
})
