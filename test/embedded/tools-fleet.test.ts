// Tools that misbehave, in a whole fleet on the embedded log: every call gets its answer, and every task its one result.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../runtime/config/define.ts'
import type { Conversation } from '../../runtime/scripted-model/conversations.ts'
import { alerting } from '../../services/alerting/main.ts'
import { metering } from '../../services/metering/main.ts'
import { summarise } from '../../runtime/ledger/summary.ts'
import { planner } from '../../services/planner/main.ts'
import { router } from '../../services/router/main.ts'
import { toolExecutor } from '../../services/tool-executor/main.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const services = [router, planner, toolExecutor, metering, alerting]
const input = { type: 'object', properties: {} }

const conversation = (task: string, ...names: string[]): Conversation => ({
  title: task,
  task,
  mode: 'tools',
  turns: [{ toolCalls: names.map((name) => ({ name, arguments: {} })) }, { text: 'done' }],
})

const run = async (fleet: TestFleet, text: string) => {
  const { taskId } = await fleet.client.submit({ text })
  return fleet.client.result(taskId, { timeoutMs: 120_000 })
}

test('a tool that throws, one that hangs, one that returns 50 MB and one that does not exist: one result, and the books', async () => {
  const calls = { cached: 0 }
  const tools = [
    defineTool({
      name: 'throws',
      description: 'Throws.',
      input,
      run: () => {
        throw new Error('out of paper')
      },
    }),
    defineTool({
      name: 'hangs',
      description: 'Hangs.',
      input,
      timeoutMs: 300,
      run: () => new Promise(() => {}),
    }),
    defineTool({ name: 'huge', description: 'Returns 50 MB.', input, run: () => 'x'.repeat(50_000_000) }),
    defineTool({
      name: 'cached',
      description: 'Counts.',
      input,
      cacheTtlMs: 60_000,
      run: () => ({ calls: (calls.cached += 1) }),
    }),
  ]
  const conversations = [
    conversation('misbehave', 'throws', 'hangs', 'huge', 'missing', 'cached'),
    conversation('again', 'cached'),
  ]
  await using fleet = await startTestFleet({
    services,
    definition: { tools, agents: { default: { mode: 'tools' } } },
    model: { conversations },
  })
  const result = await run(fleet, 'misbehave')
  assert.equal(result.status, 'succeeded', JSON.stringify(result.error))
  const outcomes = result.steps[0]?.toolCalls.map(
    ({ tool, status, error }) => `${tool} ${status} ${error?.code ?? ''}`,
  )
  assert.deepEqual(outcomes, [
    'throws failed TOOL_FAILED',
    'hangs failed TOOL_TIMEOUT',
    'huge failed TOOL_OUTPUT_TOO_LARGE',
    'missing refused TOOL_UNKNOWN',
    'cached succeeded ',
  ])
  const again = await run(fleet, 'again')
  assert.deepEqual(
    again.steps[0]?.toolCalls.map(({ cached, output }) => [cached, output]),
    [[true, { calls: 1 }]],
  )

  const { sql } = fleet.process.stores
  const total = await eventually('the ledger has both tasks', async () =>
    (await summarise(sql, { by: 'total' })).find(({ executions }) => executions === 2),
  )
  assert.equal(total.successRate, 1)
  // By another topic than the ends of tasks.
  const byTool = await eventually('and every call', async () => {
    const lines = await summarise(sql, { by: 'tool' })
    return lines.reduce((sum, { executions }) => sum + executions, 0) === 5 && lines
  })
  assert.deepEqual(
    Object.fromEntries(
      byTool.map(({ group, executions, successRate }) => [group, [executions, successRate]]),
    ),
    {
      cached: [2, 1],
      hangs: [1, 0],
      huge: [1, 0],
      throws: [1, 0],
    },
  )
})

test('tool calls of one task run side by side', async () => {
  let running = 0
  let most = 0
  const meet = defineTool({
    name: 'meet',
    description: 'Waits until three are there.',
    input,
    timeoutMs: 60_000,
    run: async () => {
      running += 1
      await eventually('three are there', () => (most = Math.max(most, running)) === 3)
      return most
    },
  })
  const conversations = [conversation('meet', 'meet', 'meet', 'meet')]
  const definition = { tools: [meet], agents: { default: { mode: 'tools' as const } } }
  await using fleet = await startTestFleet({ services, definition, model: { conversations } })
  const result = await run(fleet, 'meet')
  assert.deepEqual(
    result.steps[0]?.toolCalls.map(({ output }) => output),
    [3, 3, 3],
  )
})

test('a cancel stops a running tool at once', async () => {
  const begun = Promise.withResolvers<void>()
  const stopped = Promise.withResolvers<void>()
  const slow = defineTool({
    name: 'slow',
    description: 'Waits for its signal.',
    input,
    run: (_, { signal }) => {
      begun.resolve()
      signal.addEventListener('abort', () => stopped.resolve())
      return stopped.promise
    },
  })
  const conversations = [conversation('wait', 'slow')]
  const definition = { tools: [slow], agents: { default: { mode: 'tools' as const } } }
  await using fleet = await startTestFleet({ services, definition, model: { conversations } })
  const { taskId } = await fleet.client.submit({ text: 'wait' })
  await begun.promise
  await fleet.client.cancel(taskId)
  const result = await fleet.client.result(taskId, { timeoutMs: 120_000 })
  assert.equal(result.status, 'cancelled')
  await stopped.promise
})

test('tasks that fail raise an alert', async () => {
  const failures = {
    measure: 'error_rate' as const,
    threshold: 0.5,
    windowMs: 60_000,
    minTasks: 3,
    severity: 'critical' as const,
    channels: [],
  }
  const definition = { alerts: { rules: { failures } }, agents: { default: { mode: 'tools' as const } } }
  const script = () => ({ text: '' })
  await using fleet = await startTestFleet({ services, definition, model: { script } })
  const results = await Promise.all([1, 2, 3].map((n) => run(fleet, `fail ${n}`)))
  assert.deepEqual(
    results.map(({ error }) => error?.code),
    ['OUTPUT_EMPTY', 'OUTPUT_EMPTY', 'OUTPUT_EMPTY'],
  )
  const { log, codec } = fleet.process
  const alert = await eventually('an alert is raised', async () => {
    for (const { partition, earliest } of await log.ranges(['alerts.raised'])) {
      const [record] = await log.read('alerts.raised', partition, earliest, 1)
      if (record?.value) return codec.decode(record.value, 'alerts.raised')
    }
    return null
  })
  assert.equal(alert.type, 'AlertRaised')
  assert.equal('rule' in alert.data && alert.data.rule, 'failures')
})
