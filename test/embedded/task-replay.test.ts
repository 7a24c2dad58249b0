// Replays of tasks that did not go straight: what failed, was repeated, waited or was cut is decided the same again.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { z } from 'zod'
import { defineTool } from '../../runtime/config/define.ts'
import type { FleetDefinition } from '../../runtime/config/fleet.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { eventually } from '../conformance/waiting.ts'
import type { TestFleet } from '../support/fleet.ts'
import {
  assertSame,
  breaksOff,
  calls,
  historyOf,
  refuses,
  run,
  says,
  startAnswering,
  type Answer,
} from '../support/replayed-fleet.ts'

let broken = 0
const tools = [
  defineTool({
    name: 'lookup',
    description: 'Looks a record up.',
    input: z.object({ record: z.number() }),
    output: z.string(),
    idempotent: true,
    cacheTtlMs: 60_000,
    run: ({ record }) => `record ${record}: ${'what it says, '.repeat(40)}`,
  }),
  defineTool({
    name: 'shaky',
    description: 'Fails at first.',
    input: z.object({}),
    output: z.string(),
    idempotent: true,
    retries: 2,
    run: () => {
      broken += 1
      if (broken % 2 === 1) throw new FlotillaError('TOOL_UNAVAILABLE', 'not now')
      return 'at last'
    },
  }),
  defineTool({
    name: 'pay',
    description: 'Pays.',
    input: z.object({ amount: z.number() }),
    output: z.string(),
    requiresApproval: true,
    run: ({ amount }) => `paid ${amount}`,
  }),
]

const start = (t: TestContext, answers: Record<string, Answer[]>, definition: FleetDefinition = {}) =>
  startAnswering(t, answers, { tools, ...definition })

const kindsOf = async (fleet: TestFleet, taskId: string): Promise<string[]> => {
  const kinds: string[] = []
  for await (const event of fleet.client.events(taskId)) kinds.push(event.type)
  return kinds
}

test('429, a broken connection, 503 and another model; a tool that fails at first; a result from the cache', async (t) => {
  const { fleet, operator } = await start(t, {
    'go round': [
      refuses(429, 'slow down', { 'retry-after': '1' }),
      breaksOff,
      calls(['lookup', { record: 1 }], ['shaky', {}]),
      refuses(503, 'overloaded'),
      refuses(401, 'who are you'),
      calls(['lookup', { record: 1 }], ['nothing', {}], ['lookup', { record: 'x' }]),
      says('done'),
    ],
    'give up': [refuses(400, 'no'), refuses(400, 'never')],
  })
  const result = await run(fleet, { text: 'go round' })
  assert.deepEqual([result.status, result.output], ['succeeded', 'done'], JSON.stringify(result.error))
  assert.ok(result.steps.some(({ toolCalls }) => toolCalls.some(({ cached }) => cached)))
  assert.equal(result.model, 'two/m')
  const kinds = await kindsOf(fleet, result.taskId)
  assert.ok(kinds.length > 0)
  await assertSame(operator, result)
  const failed = await run(fleet, { text: 'give up' })
  assert.equal(failed.status, 'failed')
  await assertSame(operator, failed)
})

test('a conversation made shorter: outputs cut, steps summarised, and a prompt refused as too long', async (t) => {
  const many = Array.from({ length: 12 }, (_, index) => calls(['lookup', { record: index }]))
  const tooLong = refuses(400, "This model's maximum context length is 1000 tokens, you asked for 5000")
  const { fleet, operator } = await start(
    t,
    { 'look all up': [...many, tooLong, says('all seen')] },
    { compaction: { atTokens: 2_500, keepRecent: 2 } },
  )
  const result = await run(fleet, { text: 'look all up' })
  assert.deepEqual([result.status, result.output], ['succeeded', 'all seen'], JSON.stringify(result.error))
  const events = await historyOf(fleet, result.taskId)
  const how = events.flatMap(({ kind, detail }) =>
    kind === 'compacted' ? [(detail as { how: string }).how] : [],
  )
  assert.ok(how.includes('summarised'), how.join())
  await assertSame(operator, result)
})

test('calls that wait for a person: approved, declined, changed, and in a tree; a cancel and a deadline', async (t) => {
  const agents = {
    lead: { mode: 'tools' as const, delegates: ['payer'] },
    payer: { mode: 'tools' as const },
  }
  const { fleet, operator } = await start(
    t,
    {
      'pay twice': [calls(['pay', { amount: 1 }], ['pay', { amount: 2 }]), says('paid')],
      'ask the payer': [calls(['ask_payer', { task: 'settle it' }]), says('settled')],
      'settle it': [calls(['pay', { amount: 3 }]), says('it is')],
      'never mind': [calls(['pay', { amount: 4 }])],
    },
    { agents, defaultAgent: 'lead' },
  )
  const decide = async (taskId: string, decisions: object[]) => {
    for (const [index, decision] of decisions.entries()) {
      const callId = `${taskId}.1.${index}`
      await eventually('it waits', async () => {
        const events = await historyOf(fleet, taskId)
        return events.some(
          ({ kind, detail }) =>
            kind === 'approval_requested' && (detail as { callId: string }).callId === callId,
        )
      })
      await fleet.client.approve({ taskId, callId, approved: true, ...decision })
    }
  }
  const twice = await fleet.client.submit({ text: 'pay twice' })
  await decide(twice.taskId, [{ arguments: { amount: 10 } }, { approved: false, reason: 'too much' }])
  const paid = await fleet.client.result(twice.taskId, { timeoutMs: 120_000 })
  assert.equal(paid.status, 'succeeded', JSON.stringify(paid.error))
  await assertSame(operator, paid)

  const tree = await fleet.client.submit({ text: 'ask the payer' })
  let child = ''
  await eventually('the payer is asked', async () => {
    const { tasks } = await operator.tasks.list({ parent: tree.taskId })
    child = tasks[0]?.taskId ?? ''
    return child !== ''
  })
  await decide(child, [{}])
  const settled = await fleet.client.result(tree.taskId, { timeoutMs: 120_000 })
  assert.deepEqual([settled.status, settled.output], ['succeeded', 'settled'])
  await assertSame(operator, settled)
  await assertSame(operator, { taskId: child })

  const cancelled = await fleet.client.submit({ text: 'never mind' })
  await eventually('it waits', async () =>
    (await historyOf(fleet, cancelled.taskId)).some(({ kind }) => kind === 'approval_requested'),
  )
  await fleet.client.cancel(cancelled.taskId, 'no longer')
  const { status } = await fleet.client.result(cancelled.taskId, { timeoutMs: 120_000 })
  assert.equal(status, 'cancelled')
  await assertSame(operator, cancelled)
})
